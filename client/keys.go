package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

const (
	keysPath = "/api/v1/api-keys"
	keyPath  = keysPath + "/{key_id}"
)

// KeyService holds the calls about API keys: [Client.Keys].
type KeyService struct{ c *Client }

// KeyType is what a key is for.
type KeyType string

// The types of keys.
const (
	KeyLive     KeyType = "live"
	KeyTest     KeyType = "test"
	KeyReadOnly KeyType = "read-only" // may hold :read scopes only
)

// APIKey is a key without its plaintext.
type APIKey struct {
	ID          string   `json:"id"`
	WorkspaceID string   `json:"workspace_id"`
	CreatedBy   string   `json:"created_by,omitzero"` // "" when that user was deleted
	Name        string   `json:"name"`
	KeyType     KeyType  `json:"key_type"`
	KeyPrefix   string   `json:"key_prefix"` // how the key begins, without the underscore that follows
	KeySuffix   string   `json:"key_suffix"` // its last 6 characters
	Preview     string   `json:"preview"`    // shows which key it is
	Scopes      []string `json:"scopes"`     // what it may do; none: no access
	// Active is false while the key is suspended, and for good once it is revoked.
	Active bool `json:"active"`
	// LastUsedAt is when the key was last accepted, at most 60 s behind; nil = never.
	LastUsedAt *time.Time `json:"last_used_at"`
	// RateLimitPerMin is how often the key is admitted in any 60 s; nil = the service's
	// default.
	RateLimitPerMin *int `json:"rate_limit_per_min"`
	// RevokedAt is when the key was revoked, which is final; nil = it was not.
	RevokedAt *time.Time `json:"revoked_at"`
	CreatedAt time.Time  `json:"created_at"`
	// UpdatedAt moves with every change, not with use.
	UpdatedAt time.Time `json:"updated_at"`
	// ExpiresAt is from when on the key is refused; nil = never.
	ExpiresAt *time.Time `json:"expires_at"`
	// AllowedIPs are the addresses and CIDR ranges it may be used from; none = anywhere.
	AllowedIPs []string          `json:"allowed_ips"`
	Metadata   map[string]string `json:"metadata"`
	// RotatedFrom is the key that this one replaced, RotatedTo the one that replaced it;
	// "" = none.
	RotatedFrom string `json:"rotated_from,omitzero"`
	RotatedTo   string `json:"rotated_to,omitzero"`

	// ETag names this state of the key's settings, for [IfMatch]; "" for the keys of a
	// list and of a rotation.
	ETag string `json:"-"`
}

// CreatedKey is a new key with its plaintext, which cannot be had again.
type CreatedKey struct {
	APIKey
	Secret Secret `json:"api_key"`
}

// KeyStatus is a half of a workspace's keys, or both.
type KeyStatus string

// The halves.
const (
	KeysActive  KeyStatus = "active"  // usable
	KeysRevoked KeyStatus = "revoked" // all others: revoked, suspended and expired
	KeysAll     KeyStatus = "all"
)

// KeySort is the order of a list of keys.
type KeySort string

// The orders. A minus reverses one.
const (
	SortNewestFirst   KeySort = "-created_at"
	SortOldestFirst   KeySort = "created_at"
	SortName          KeySort = "name"
	SortNameReversed  KeySort = "-name"
	SortLastUsedFirst KeySort = "-last_used_at"
	SortLastUsedLast  KeySort = "last_used_at"
)

// ListKeysParams select keys. What is left out selects nothing.
type ListKeysParams struct {
	Status    KeyStatus // "" = active
	Text      string    // part of the name, in any ASCII case, or of the suffix
	KeyType   KeyType
	Scope     string  // only keys that hold it
	CreatedBy string  // only keys that this user made
	Sort      KeySort // "" = newest first
	Offset    int     // as of ListParams
	Limit     int
}

func (p ListKeysParams) call() (call, ListParams) {
	query := url.Values{}
	for name, value := range map[string]string{"status": string(p.Status), "q": p.Text, "key_type": string(p.KeyType),
		"scope": p.Scope, "created_by": p.CreatedBy, "sort": string(p.Sort)} {
		if value != "" {
			query.Set(name, value)
		}
	}
	k := call{op: "list-api-keys", method: http.MethodGet, path: keysPath, query: query, takes: takesWorkspace}
	return k, ListParams{Offset: p.Offset, Limit: p.Limit}
}

// List goes through the keys, newest first unless Sort says otherwise.
func (s KeyService) List(ctx context.Context, p ListKeysParams, opts ...CallOption) iter.Seq2[APIKey, error] {
	k, part := p.call()
	return each[APIKey](ctx, s.c, k, part, opts)
}

// ListPage fetches one page of the keys.
func (s KeyService) ListPage(ctx context.Context, p ListKeysParams, opts ...CallOption) (*Page[APIKey], error) {
	k, part := p.call()
	return pageOf[APIKey](ctx, s.c, k, part, opts)
}

// CreateKeyParams describe a new key. Only the name is needed.
type CreateKeyParams struct {
	Name            string            `json:"name"`               // 1 to 120 characters
	KeyType         KeyType           `json:"key_type,omitempty"` // "" = live
	Scopes          []string          `json:"scopes,omitempty"`
	RateLimitPerMin *int              `json:"rate_limit_per_min,omitempty"` // 1 to 1,000,000; nil = the service's default
	Prefix          string            `json:"prefix,omitempty"`             // how the key begins; "" = by type, such as op_live
	ExpiresAt       *time.Time        `json:"expires_at,omitempty"`         // nil = never
	AllowedIPs      []string          `json:"allowed_ips,omitempty"`        // addresses and CIDR ranges; none = anywhere
	Metadata        map[string]string `json:"metadata,omitempty"`
}

// Create makes a key. Its plaintext is in the answer, once.
func (s KeyService) Create(ctx context.Context, p CreateKeyParams, opts ...CallOption) (*CreatedKey, error) {
	key, header, err := send[CreatedKey](ctx, s.c, call{op: "create-api-key", method: http.MethodPost, path: keysPath,
		body: p, takes: takesWorkspace | takesIdempotencyKey}, opts)
	if err != nil {
		return nil, err
	}
	key.ETag = header.Get("ETag")
	return key, nil
}

// Get fetches a key.
func (s KeyService) Get(ctx context.Context, id string, opts ...CallOption) (*APIKey, error) {
	return s.key(ctx, call{op: "get-api-key", method: http.MethodGet, path: keyPath, args: []string{id}, takes: takesWorkspace}, opts)
}

// UpdateKeyParams change a key. Fields that are left out stay as they are; [Set] replaces
// one, and [Clear] takes one away.
type UpdateKeyParams struct {
	Name            Field[string]            `json:"name,omitzero"`               // cannot be cleared
	Scopes          Field[[]string]          `json:"scopes,omitzero"`             // replaces the whole list; cannot be cleared, but be empty
	Active          Field[bool]              `json:"active,omitzero"`             // false suspends the key; cannot be cleared
	RateLimitPerMin Field[int]               `json:"rate_limit_per_min,omitzero"` // cleared = the service's default
	ExpiresAt       Field[time.Time]         `json:"expires_at,omitzero"`         // cleared = never
	AllowedIPs      Field[[]string]          `json:"allowed_ips,omitzero"`        // replaces the whole list; cleared = anywhere
	Metadata        Field[map[string]string] `json:"metadata,omitzero"`           // replaces all pairs; cleared = none
}

// Update changes a key that is not revoked. Without [IfMatch] the last update of a field
// wins.
func (s KeyService) Update(ctx context.Context, id string, p UpdateKeyParams, opts ...CallOption) (*APIKey, error) {
	k := call{op: "update-api-key", method: http.MethodPatch, path: keyPath, args: []string{id}, body: p, takes: takesWorkspace | takesIfMatch}
	k.notCleared("name", p.Name.cleared())
	k.notCleared("scopes", p.Scopes.cleared())
	k.notCleared("active", p.Active.cleared())
	return s.key(ctx, k, opts)
}

// notCleared refuses a null that would leave the field as it is.
func (k *call) notCleared(field string, cleared bool) {
	if cleared {
		k.fault("body."+field, "cannot be cleared")
	}
}

// Revoke ends a key for good. Doing it again changes nothing and answers the key.
func (s KeyService) Revoke(ctx context.Context, id string, opts ...CallOption) (*APIKey, error) {
	return s.key(ctx, call{op: "delete-api-key", method: http.MethodDelete, path: keyPath, args: []string{id}, takes: takesWorkspace | takesIfMatch}, opts)
}

func (s KeyService) key(ctx context.Context, k call, opts []CallOption) (*APIKey, error) {
	key, header, err := send[APIKey](ctx, s.c, k, opts)
	if err != nil {
		return nil, err
	}
	key.ETag = header.Get("ETag")
	return key, nil
}

// RotateKeyParams say how a key is replaced.
type RotateKeyParams struct {
	// Grace is how long the old secret still works: whole seconds, at most 7 days; 0 = it
	// ends at once.
	Grace time.Duration
	// ExpiresAt is the new key's; left out it is the old key's, cleared it is never.
	ExpiresAt Field[time.Time]
}

// Rotation is both ends of a rotation.
type Rotation struct {
	OldKey APIKey     `json:"old_key"`
	NewKey CreatedKey `json:"new_key"`
}

// Rotate replaces a usable key by a new one with the same settings. A key that rotates
// itself should ask for a grace: without one it is revoked by the time that a lost
// answer could be asked for again.
func (s KeyService) Rotate(ctx context.Context, id string, p RotateKeyParams, opts ...CallOption) (*Rotation, error) {
	k := call{op: "rotate-api-key", method: http.MethodPatch, path: keyPath + "/rotate", args: []string{id},
		takes: takesWorkspace | takesIfMatch | takesIdempotencyKey}
	if p.Grace%time.Second != 0 {
		k.fault("body.grace_period_seconds", "must be whole seconds")
	}
	k.body = struct {
		GracePeriodSeconds int64            `json:"grace_period_seconds,omitempty"`
		ExpiresAt          Field[time.Time] `json:"expires_at,omitzero"`
	}{int64(p.Grace / time.Second), p.ExpiresAt}
	rotation, _, err := send[Rotation](ctx, s.c, k, opts)
	return rotation, err
}
