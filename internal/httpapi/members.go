package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

// MemberFields is a row of the list of members: a member, or a pending invite. Like
// KeyFields it is exported to be described where it is embedded.
type MemberFields struct {
	ID           keypin.ID  `json:"id" format:"uuid" doc:"The membership's id, or the invite's." example:"5b1c1f2e-8f0a-4d0e-9a57-0f9d5b3f7a11"`
	UserID       *keypin.ID `json:"user_id" format:"uuid" nullable:"true" doc:"The user; null for an invite." example:"1c9e6679-7425-40de-944b-e07fc1f90b12"`
	Email        string     `json:"email" doc:"The address; empty when the issuer does not tell it." example:"ada@example.com"`
	FirstName    *string    `json:"first_name" nullable:"true" doc:"Null when not known." example:"Ada"`
	LastName     *string    `json:"last_name" nullable:"true" doc:"Null when not known." example:"Lovelace"`
	ImageURL     *string    `json:"image_url" nullable:"true" doc:"Null when not known." example:"https://example.com/ada.png"`
	Role         string     `json:"role" enum:"admin,editor,viewer" doc:"What the member may do." example:"editor"`
	LastActiveAt *time.Time `json:"last_active_at" nullable:"true" doc:"When the member last called, at most 5 minutes behind; null = never." example:"2026-04-20T14:22:00Z"`
	Status       string     `json:"status" enum:"active,pending" doc:"pending for an invite that was not accepted yet." example:"active"`
}

func showMember(m *keypin.Member) MemberFields {
	return MemberFields{ID: m.ID, UserID: &m.UserID, Email: m.Email, FirstName: orNull(m.FirstName), LastName: orNull(m.LastName),
		ImageURL: orNull(m.ImageURL), Role: string(m.Role), LastActiveAt: m.LastActiveAt, Status: "active"}
}

func showEntry(e *admin.MemberEntry) MemberFields {
	if e.Member != nil {
		return showMember(e.Member)
	}
	return MemberFields{ID: e.Invite.ID, Email: e.Invite.Email, Role: string(e.Invite.Role), Status: "pending"}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// InviteFields is an invite without its token, exported as MemberFields are.
type InviteFields struct {
	ID        keypin.ID `json:"id" format:"uuid" doc:"The invite's id." example:"9d4b6a0e-51a4-4c36-8a4b-0d6a4f6f2c33"`
	Email     string    `json:"email" doc:"Whom it is for." example:"ada@example.com"`
	Role      string    `json:"role" enum:"admin,editor,viewer" doc:"The role that accepting gives." example:"editor"`
	Status    string    `json:"status" enum:"pending,accepted,revoked,expired" doc:"What became of it." example:"pending"`
	ExpiresAt time.Time `json:"expires_at" doc:"14 days after it was made." example:"2026-05-09T12:00:00Z"`
	InvitedBy keypin.ID `json:"invited_by" format:"uuid" doc:"The user who made it." example:"1c9e6679-7425-40de-944b-e07fc1f90b12"`
	CreatedAt time.Time `json:"created_at" doc:"When it was made." example:"2026-04-25T12:00:00Z"`
}

func showInvite(i *keypin.Invite, now time.Time) InviteFields {
	return InviteFields{ID: i.ID, Email: i.Email, Role: string(i.Role), Status: string(i.Status(now)),
		ExpiresAt: i.ExpiresAt, InvitedBy: i.InvitedBy, CreatedAt: i.CreatedAt}
}

type createdInviteFields struct {
	InviteFields
	Token string `json:"token" doc:"What accepts the invite. Give it to whom it is for; it is answered here once." example:"pZ1k0m0bq2v7y3w8x9c4d5e6f7a8b9c0d1e2f3a4b5c"`
}

type acceptedInvite struct {
	MemberFields
	WorkspaceID keypin.ID `json:"workspace_id" format:"uuid" doc:"The workspace that was joined." example:"7c9e6679-7425-40de-944b-e07fc1f90ae7"`
}

type memberPath struct {
	WorkspacePath
	MemberID keypin.ID `path:"member_id" format:"uuid" doc:"The membership's id." example:"5b1c1f2e-8f0a-4d0e-9a57-0f9d5b3f7a11"`
}

type invitePath struct {
	WorkspacePath
	InviteID keypin.ID `path:"invite_id" format:"uuid" doc:"The invite's id." example:"9d4b6a0e-51a4-4c36-8a4b-0d6a4f6f2c33"`
}

func (a *API) registerMembers() {
	const members, invites = "/api/v1/workspaces/{workspace_id}/members", "/api/v1/workspaces/{workspace_id}/invites"
	route(a, operation("list-members", http.MethodGet, members, "List members",
		"Lists the members, oldest first, and behind them the invites that are still pending."), a.listMembers)
	routeBody[roleBody, keypin.Role](a, operation("update-member", http.MethodPatch, members+"/{member_id}", "Change a member's role",
		"Admins only. The last admin stays one: 409."), bodyRequired, a.updateMember)
	route(a, operation("remove-member", http.MethodDelete, members+"/{member_id}", "Remove a member",
		"Admins only. The keys that the member made stay. The last admin stays: 409."), a.removeMember)
	route(a, operation("list-invites", http.MethodGet, invites, "List invites", "Lists the pending invites, oldest first."), a.listInvites)
	routeBody[inviteBody, newInvite](a, created(operation("create-invite", http.MethodPost, invites, "Invite somebody",
		"Makes an invite that lasts 14 days, and answers its token, once. No mail is sent: hand the token over yourself. Admins only.")), bodyRequired, a.createInvite)
	routeBody[roleBody, keypin.Role](a, operation("update-invite", http.MethodPatch, invites+"/{invite_id}", "Change an invite's role",
		"Only while it is pending, else 410. Admins only."), bodyRequired, a.updateInvite)
	route(a, operation("revoke-invite", http.MethodDelete, invites+"/{invite_id}", "Revoke an invite", "Admins only."), a.revokeInvite)
	route(a, operation("accept-invite", http.MethodPost, "/api/v1/workspaces/invites/{token}/accept", "Accept an invite",
		"Makes the session's user a member. An invite that was used, revoked or has expired is 410."), a.acceptInvite)
}

func (a *API) listMembers(ctx context.Context, x *exchange, in *struct {
	WorkspacePath
	PageQuery
}) (*listAnswer[MemberFields], error) {
	entries, total, err := a.Admin.Members(ctx, x.call(&in.WorkspaceID), in.page())
	if err != nil {
		return nil, err
	}
	out := &listAnswer[MemberFields]{}
	out.Body.Data = make([]MemberFields, len(entries))
	for i := range entries {
		out.Body.Data[i] = showEntry(&entries[i])
	}
	out.Body.Meta, out.Body.Pagination = x.meta(), a.listed(x, in.page(), total)
	return out, nil
}

type roleBody struct {
	Role required[string] `json:"role" enum:"admin,editor,viewer" doc:"What they may do." example:"editor"`
}

func (b *roleBody) parse(p *parser) keypin.Role { return p.role(b.Role) }

func (p *parser) role(r required[string]) keypin.Role {
	if !r.Set {
		return ""
	}
	return keypin.Role(p.value("body.role", r.Value, func(s string) (string, error) {
		role, err := keypin.ParseRole(s)
		return string(role), err
	}))
}

func (a *API) updateMember(ctx context.Context, x *exchange, in *memberPath, role keypin.Role) (*answer[MemberFields], error) {
	m, err := a.Admin.UpdateMember(ctx, x.call(&in.WorkspaceID), in.MemberID, role)
	if err != nil {
		return nil, err
	}
	return answered(x, showMember(&m)), nil
}

func (a *API) removeMember(ctx context.Context, x *exchange, in *memberPath) (*answer[MemberFields], error) {
	m, err := a.Admin.RemoveMember(ctx, x.call(&in.WorkspaceID), in.MemberID)
	if err != nil {
		return nil, err
	}
	return answered(x, showMember(&m)), nil
}

func (a *API) listInvites(ctx context.Context, x *exchange, in *struct {
	WorkspacePath
	PageQuery
}) (*listAnswer[InviteFields], error) {
	invites, total, err := a.Admin.Invites(ctx, x.call(&in.WorkspaceID), in.page())
	if err != nil {
		return nil, err
	}
	out := &listAnswer[InviteFields]{}
	out.Body.Data = make([]InviteFields, len(invites))
	for i := range invites {
		out.Body.Data[i] = showInvite(&invites[i], x.now())
	}
	out.Body.Meta, out.Body.Pagination = x.meta(), a.listed(x, in.page(), total)
	return out, nil
}

type newInvite struct {
	email string
	role  keypin.Role
}

type inviteBody struct {
	Email required[string] `json:"email" format:"email" maxLength:"254" doc:"Whom it is for." example:"ada@example.com"`
	Role  required[string] `json:"role" enum:"admin,editor,viewer" doc:"The role that accepting gives." example:"editor"`
}

func (b *inviteBody) parse(p *parser) newInvite {
	n := newInvite{role: p.role(b.Role)}
	if b.Email.Set {
		n.email = p.text("body.email", b.Email.Value, keypin.ParseEmail)
	}
	return n
}

func (a *API) createInvite(ctx context.Context, x *exchange, in *struct {
	WorkspacePath
	IdempotencyHeader
}, n newInvite) (*answer[createdInviteFields], error) {
	invited, err := a.Admin.CreateInvite(ctx, x.call(&in.WorkspaceID), n.email, n.role)
	if err != nil {
		return nil, err
	}
	x.markReplayed(invited.Replayed)
	return answered(x, createdInviteFields{InviteFields: showInvite(&invited.Invite, invited.At), Token: invited.Token.Reveal()}), nil
}

func (a *API) updateInvite(ctx context.Context, x *exchange, in *invitePath, role keypin.Role) (*answer[InviteFields], error) {
	i, err := a.Admin.UpdateInvite(ctx, x.call(&in.WorkspaceID), in.InviteID, role)
	if err != nil {
		return nil, err
	}
	return answered(x, showInvite(&i, x.now())), nil
}

func (a *API) revokeInvite(ctx context.Context, x *exchange, in *invitePath) (*answer[InviteFields], error) {
	i, err := a.Admin.RevokeInvite(ctx, x.call(&in.WorkspaceID), in.InviteID)
	if err != nil {
		return nil, err
	}
	return answered(x, showInvite(&i, x.now())), nil
}

func (a *API) acceptInvite(ctx context.Context, x *exchange, in *struct {
	Token string `path:"token" minLength:"1" maxLength:"512" doc:"The token that the invite was made with." example:"pZ1k0m0bq2v7y3w8x9c4d5e6f7a8b9c0d1e2f3a4b5c"`
}) (*answer[acceptedInvite], error) {
	m, w, err := a.Admin.AcceptInvite(ctx, x.call(nil), keypin.NewSecret(in.Token))
	if err != nil {
		return nil, err
	}
	return answered(x, acceptedInvite{MemberFields: showMember(&m), WorkspaceID: w.ID}), nil
}
