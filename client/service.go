package client

import (
	"context"
	"net/http"
)

// AuthKind is the kind of a caller.
type AuthKind string

// The kinds of callers.
const (
	AuthSession AuthKind = "clerk" // a session of any issuer; the published API calls it so
	AuthAPIKey  AuthKind = "api_key"
)

// WhoAmI is the caller.
type WhoAmI struct {
	AuthKind AuthKind `json:"auth_kind"`
	// UserID is the session's user, or who made the key; the nil UUID when that user was
	// deleted.
	UserID string `json:"user_id"`
	// WorkspaceID is the workspace that a call without one acts in.
	WorkspaceID string   `json:"workspace_id"`
	APIKeyID    string   `json:"api_key_id,omitzero"` // "" for a session
	Scopes      []string `json:"scopes"`              // a key's, sorted by name; of a session the role decides
	Role        Role     `json:"role,omitzero"`       // "" for a key
}

// WhoAmI tells who calls. Any key may ask; it counts against its limit.
func (c *Client) WhoAmI(ctx context.Context, opts ...CallOption) (*WhoAmI, error) {
	me, _, err := send[WhoAmI](ctx, c, call{op: "whoami", method: http.MethodGet, path: "/api/v1/auth/whoami", takes: takesWorkspace}, opts)
	return me, err
}

// Probe is what a probe answers.
type Probe struct {
	Status  string `json:"status"`  // ok
	Version string `json:"version"` // the one that runs
}

// Health tells whether the service runs. It is asked once, without the token.
func (c *Client) Health(ctx context.Context, opts ...CallOption) (*Probe, error) {
	return c.probe(ctx, call{op: "health", method: http.MethodGet, path: "/health"}, opts)
}

// Ready tells whether the service can work; [ErrUnavailable] when it cannot. It is asked
// once, without the token.
func (c *Client) Ready(ctx context.Context, opts ...CallOption) (*Probe, error) {
	return c.probe(ctx, call{op: "ready", method: http.MethodGet, path: "/ready"}, opts)
}

func (c *Client) probe(ctx context.Context, k call, opts []CallOption) (*Probe, error) {
	k.public, k.repeat = true, never
	var p Probe
	if _, err := c.do(ctx, &k, opts, &p, func() bool { return p.Status != "" }); err != nil {
		return nil, err
	}
	return &p, nil
}
