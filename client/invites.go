package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

const (
	invitesPath = workspacePath + "/invites"
	invitePath  = invitesPath + "/{invite_id}"
)

// InviteService holds the calls about invites: [Client.Invites].
type InviteService struct{ c *Client }

// InviteStatus is what became of an invite.
type InviteStatus string

// The statuses of an invite.
const (
	InvitePending  InviteStatus = "pending"
	InviteAccepted InviteStatus = "accepted"
	InviteRevoked  InviteStatus = "revoked"
	InviteExpired  InviteStatus = "expired"
)

// Invite lets whoever holds its token join a workspace.
type Invite struct {
	ID        string       `json:"id"`
	Email     string       `json:"email"`
	Role      Role         `json:"role"`
	Status    InviteStatus `json:"status"`
	ExpiresAt time.Time    `json:"expires_at"` // 14 days after it was made
	InvitedBy string       `json:"invited_by"`
	CreatedAt time.Time    `json:"created_at"`
}

// CreatedInvite is a new invite with its token, which cannot be had again.
type CreatedInvite struct {
	Invite
	Token Secret `json:"token"`
}

// AcceptedInvite is the membership that an invite gave.
type AcceptedInvite struct {
	Member
	WorkspaceID string `json:"workspace_id"`
}

// List goes through a workspace's pending invites, oldest first.
func (s InviteService) List(ctx context.Context, workspaceID string, p ListParams, opts ...CallOption) iter.Seq2[Invite, error] {
	return each[Invite](ctx, s.c, s.list(workspaceID), p, opts)
}

// ListPage fetches one page of the pending invites.
func (s InviteService) ListPage(ctx context.Context, workspaceID string, p ListParams, opts ...CallOption) (*Page[Invite], error) {
	return pageOf[Invite](ctx, s.c, s.list(workspaceID), p, opts)
}

func (InviteService) list(workspaceID string) call {
	return call{op: "list-invites", method: http.MethodGet, path: invitesPath, args: []string{workspaceID}}
}

// CreateInviteParams describe a new invite. Both are needed.
type CreateInviteParams struct {
	Email string `json:"email"`
	Role  Role   `json:"role"`
}

// Create invites somebody for 14 days; admins only. No mail is sent: hand the token over
// yourself.
func (s InviteService) Create(ctx context.Context, workspaceID string, p CreateInviteParams, opts ...CallOption) (*CreatedInvite, error) {
	i, _, err := send[CreatedInvite](ctx, s.c, call{op: "create-invite", method: http.MethodPost, path: invitesPath,
		args: []string{workspaceID}, body: p, takes: takesIdempotencyKey}, opts)
	return i, err
}

// SetRole changes the role that a pending invite gives; admins only.
func (s InviteService) SetRole(ctx context.Context, workspaceID, inviteID string, role Role, opts ...CallOption) (*Invite, error) {
	i, _, err := send[Invite](ctx, s.c, call{op: "update-invite", method: http.MethodPatch, path: invitePath,
		args: []string{workspaceID, inviteID}, body: roleBody{role}}, opts)
	return i, err
}

// Revoke takes a pending invite back; admins only. Doing it again changes nothing.
func (s InviteService) Revoke(ctx context.Context, workspaceID, inviteID string, opts ...CallOption) (*Invite, error) {
	i, _, err := send[Invite](ctx, s.c, call{op: "revoke-invite", method: http.MethodDelete, path: invitePath,
		args: []string{workspaceID, inviteID}}, opts)
	return i, err
}

// Accept makes the session's user a member. An invite that was used, revoked or has
// expired is [ErrGone], and who is a member already is [ErrConflict].
func (s InviteService) Accept(ctx context.Context, token Secret, opts ...CallOption) (*AcceptedInvite, error) {
	m, _, err := send[AcceptedInvite](ctx, s.c, call{op: "accept-invite", method: http.MethodPost, path: workspacesPath + "/invites/{token}/accept",
		args: []string{token.Reveal()}, secrets: []Secret{token}}, opts)
	return m, err
}
