package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Granularity is the length of a point of a usage report.
type Granularity string

// The granularities.
const (
	ByMinute Granularity = "minute"
	ByHour   Granularity = "hour"
	ByDay    Granularity = "day"
)

// UsageParams select a time. What is left out is the service's default.
type UsageParams struct {
	From, To    time.Time
	Granularity Granularity
}

func (p UsageParams) query() url.Values {
	query := url.Values{}
	if !p.From.IsZero() {
		query.Set("from", p.From.UTC().Format(time.RFC3339Nano))
	}
	if !p.To.IsZero() {
		query.Set("to", p.To.UTC().Format(time.RFC3339Nano))
	}
	if p.Granularity != "" {
		query.Set("granularity", string(p.Granularity))
	}
	return query
}

// Usage counts verifications by their outcome.
type Usage struct {
	From        time.Time         `json:"from"`
	To          time.Time         `json:"to"`
	Granularity Granularity       `json:"granularity"`
	Totals      map[Outcome]int64 `json:"totals"` // only outcomes that occurred
	Points      []UsagePoint      `json:"points"` // oldest first, without a gap
}

// UsagePoint counts the verifications of one minute, hour or day.
type UsagePoint struct {
	At     time.Time         `json:"at"` // its beginning
	Counts map[Outcome]int64 `json:"counts"`
}

// KeyUsage is the usage of a key, counted over its whole chain of rotations.
type KeyUsage struct {
	Usage
	LastUsed *LastUse `json:"last_used"` // of this very key; nil = never
}

// LastUse is when and by whom a key was last accepted, at most 60 s behind.
type LastUse struct {
	At        time.Time `json:"at"`
	IP        string    `json:"ip,omitzero"`         // "" = not known
	UserAgent string    `json:"user_agent,omitzero"` // "" = not known
}

// WorkspaceUsage is the usage of all keys of a workspace.
type WorkspaceUsage struct {
	Usage
	TopKeys []KeyTotal `json:"top_keys"` // the most used first
}

// KeyTotal is a key's part of a workspace's usage.
type KeyTotal struct {
	APIKeyID string            `json:"api_key_id"`
	Name     string            `json:"name"`
	Total    int64             `json:"total"`
	Counts   map[Outcome]int64 `json:"counts"`
}

// Usage tells how often a key was verified, and how that came out.
func (s KeyService) Usage(ctx context.Context, id string, p UsageParams, opts ...CallOption) (*KeyUsage, error) {
	usage, _, err := send[KeyUsage](ctx, s.c, call{op: "get-api-key-usage", method: http.MethodGet, path: keyPath + "/usage",
		args: []string{id}, query: p.query(), takes: takesWorkspace}, opts)
	return usage, err
}

// Usage tells how often the workspace's keys were verified, and how that came out.
func (c *Client) Usage(ctx context.Context, p UsageParams, opts ...CallOption) (*WorkspaceUsage, error) {
	usage, _, err := send[WorkspaceUsage](ctx, c, call{op: "get-usage", method: http.MethodGet, path: "/api/v1/usage",
		query: p.query(), takes: takesWorkspace}, opts)
	return usage, err
}
