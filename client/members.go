package client

import (
	"context"
	"iter"
	"net/http"
	"time"
)

const (
	membersPath = workspacePath + "/members"
	memberPath  = membersPath + "/{member_id}"
)

// MemberService holds the calls about members: [Client.Members].
type MemberService struct{ c *Client }

// Role is what a member may do.
type Role string

// The roles, strongest first.
const (
	RoleAdmin  Role = "admin"
	RoleEditor Role = "editor"
	RoleViewer Role = "viewer"
)

// MemberStatus tells members from those who are invited.
type MemberStatus string

// The statuses.
const (
	MemberActive  MemberStatus = "active"
	MemberPending MemberStatus = "pending" // an invite that was not accepted yet
)

// Member is a row of the list of members: a member, or a pending invite.
type Member struct {
	ID           string       `json:"id"`               // the membership's, or the invite's
	UserID       string       `json:"user_id,omitzero"` // "" for an invite
	Email        string       `json:"email"`            // "" when the issuer does not tell it
	FirstName    string       `json:"first_name,omitzero"`
	LastName     string       `json:"last_name,omitzero"`
	ImageURL     string       `json:"image_url,omitzero"`
	Role         Role         `json:"role"`
	LastActiveAt *time.Time   `json:"last_active_at"` // at most 5 minutes behind; nil = never
	Status       MemberStatus `json:"status"`
}

// List goes through a workspace's members, oldest first, and the pending invites behind
// them.
func (s MemberService) List(ctx context.Context, workspaceID string, p ListParams, opts ...CallOption) iter.Seq2[Member, error] {
	return each[Member](ctx, s.c, s.list(workspaceID), p, opts)
}

// ListPage fetches one page of the members.
func (s MemberService) ListPage(ctx context.Context, workspaceID string, p ListParams, opts ...CallOption) (*Page[Member], error) {
	return pageOf[Member](ctx, s.c, s.list(workspaceID), p, opts)
}

func (MemberService) list(workspaceID string) call {
	return call{op: "list-members", method: http.MethodGet, path: membersPath, args: []string{workspaceID}}
}

// SetRole changes a member's role; admins only. The last admin stays one: [ErrConflict].
func (s MemberService) SetRole(ctx context.Context, workspaceID, memberID string, role Role, opts ...CallOption) (*Member, error) {
	m, _, err := send[Member](ctx, s.c, call{op: "update-member", method: http.MethodPatch, path: memberPath,
		args: []string{workspaceID, memberID}, body: roleBody{role}}, opts)
	return m, err
}

type roleBody struct {
	Role Role `json:"role"`
}

// Remove takes a member out of the workspace; admins only. The keys that they made stay.
// The last admin stays, too: [ErrConflict].
func (s MemberService) Remove(ctx context.Context, workspaceID, memberID string, opts ...CallOption) (*Member, error) {
	m, _, err := send[Member](ctx, s.c, call{op: "remove-member", method: http.MethodDelete, path: memberPath,
		args: []string{workspaceID, memberID}}, opts)
	return m, err
}
