package verify

import (
	"net/netip"
	"slices"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Key is what a check needs to know of an API key, and what its answer tells. It is
// smaller than the key's row, because a cache may hold a million of them. It is
// shared by the requests that find it, so nobody changes it.
type Key struct {
	ID, WorkspaceID, ChainID keypin.ID
	CreatedBy                keypin.ID // the nil UUID when that user was deleted
	Name                     string
	Scopes                   *ScopeList // shared by all keys with the same ones; never nil

	traits    *traits // shared by all keys with the same ones; nil for none
	life      *life   // nil for a key that has none of it
	rateLimit int32   // 0 = none of its own
	keyType   uint8   // its place in keypin.KeyTypes
	active    bool
}

// life is what ends a key; most have nothing of it.
type life struct {
	revokeAt, expiresAt *time.Time
	updatedAt           time.Time
}

// traits are what a key's maker says of it.
type traits struct {
	allowedIPs []netip.Prefix
	metadata   string // a JSON object
	shared     bool
}

// Type is what the key is for.
func (k *Key) Type() keypin.KeyType { return keyTypes[k.keyType] }

var keyTypes = keypin.KeyTypes()

// ScopeList is a set of scopes, in registry order. Equal lists are mostly one and the
// same within a Cache, so that what is made of one can be kept beside it.
type ScopeList struct {
	Scopes []keypin.Scope
	Joined string // by spaces
}

// keyOf makes the Key of a row, sharing with other keys what they have in common.
func (c *commons) keyOf(row *keypin.APIKey) (*Key, error) {
	k := &Key{
		ID: row.ID, WorkspaceID: row.WorkspaceID, ChainID: row.ChainID,
		Name: row.Name, Scopes: c.scopeList(row.Scopes), active: row.Active,
		keyType: uint8(max(0, slices.Index(keyTypes, row.Type))),
	}
	if row.CreatedBy != nil {
		k.CreatedBy = *row.CreatedBy
	}
	if row.RateLimit != nil {
		k.rateLimit = int32(*row.RateLimit)
	}
	if row.RevokeAt != nil || row.ExpiresAt != nil {
		k.life = &life{revokeAt: row.RevokeAt, expiresAt: row.ExpiresAt, updatedAt: row.UpdatedAt}
	}
	var err error
	if len(row.AllowedIPs) > 0 || len(row.Metadata) > 0 {
		k.traits, err = c.traitsOf(row)
	}
	return k, err
}

// State is the key's state at now.
func (k *Key) State(now time.Time) keypin.KeyState {
	l := keypin.Life{Active: k.active}
	if k.life != nil {
		l.RevokeAt, l.ExpiresAt, l.UpdatedAt = k.life.revokeAt, k.life.expiresAt, k.life.updatedAt
	}
	return l.State(now)
}

// ExpiresAt is when the key expires; nil = never.
func (k *Key) ExpiresAt() *time.Time {
	if k.life == nil {
		return nil
	}
	return k.life.expiresAt
}

// AllowedIPs are the ranges that the key may be used from; none = anywhere.
func (k *Key) AllowedIPs() []netip.Prefix {
	if k.traits == nil {
		return nil
	}
	return k.traits.allowedIPs
}

// Metadata is its maker's own pairs as a JSON object.
func (k *Key) Metadata() string {
	if k.traits == nil {
		return "{}"
	}
	return k.traits.metadata
}

// principal is the key as a caller of the API, whose hash is given. Of the row it has
// what a check knows.
func (k *Key) principal(hash keypin.KeyHash) *keypin.Principal {
	row := &keypin.APIKey{
		ID: k.ID, WorkspaceID: k.WorkspaceID, ChainID: k.ChainID, Name: k.Name, Type: k.Type(),
		Hash: hash, Scopes: k.Scopes.Scopes, Active: k.active,
	}
	if !k.CreatedBy.IsZero() {
		row.CreatedBy = &k.CreatedBy
	}
	return &keypin.Principal{Kind: keypin.AuthAPIKey, UserID: k.CreatedBy, Key: row}
}

// What an entry of the cache takes besides its key's own text, in bytes: the Key, the
// cache's node and table, and a share of unused room. TestTheWeightOfAnEntryIsWhatItTakes
// measures it.
const (
	keyWeight    = 235
	lifeWeight   = 100
	traitsWeight = 64
	rangeWeight  = 32
)

// weight is about how many bytes the key takes in a cache. What it shares with others
// weighs nothing.
func (k *Key) weight() uint32 {
	n := keyWeight + len(k.Name)
	if k.life != nil {
		n += lifeWeight
	}
	if k.traits != nil && !k.traits.shared {
		n += traitsWeight + len(k.traits.metadata) + rangeWeight*len(k.traits.allowedIPs)
	}
	return uint32(n)
}
