package verify

import (
	"net/netip"
	"slices"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Key is what a check needs to know of an API key, and what its answer tells. It is a
// third of the size of the key's row, because a cache holds a million of them. It is
// shared by the requests that find it, so nobody changes it.
type Key struct {
	ID, WorkspaceID, ChainID keypin.ID
	CreatedBy                keypin.ID // the nil UUID when that user was deleted
	Name                     string
	Scopes                   *ScopeList // shared by all keys with the same ones; never nil

	rare      *rare // nil for a key that has nothing of it
	rateLimit int32 // 0 = none of its own
	keyType   uint8 // its place in keypin.KeyTypes
	active    bool
}

// Type is what the key is for.
func (k *Key) Type() keypin.KeyType { return keyTypes[k.keyType] }

var keyTypes = keypin.KeyTypes()

// rare is what most keys do not have.
type rare struct {
	revokeAt, expiresAt *time.Time
	updatedAt           time.Time
	allowedIPs          []netip.Prefix
	metadata            map[string]string
}

// ScopeList is a set of scopes, in registry order. Equal lists are one and the same
// within a Cache, so that what is made of one can be kept beside it.
type ScopeList struct {
	Scopes []keypin.Scope
	Joined string // by spaces
}

// keyOf makes the Key of a row.
func keyOf(row *keypin.APIKey, scopes *ScopeList) *Key {
	k := &Key{
		ID: row.ID, WorkspaceID: row.WorkspaceID, ChainID: row.ChainID,
		Name: row.Name, Scopes: scopes, active: row.Active,
		keyType: uint8(max(0, slices.Index(keyTypes, row.Type))),
	}
	if row.CreatedBy != nil {
		k.CreatedBy = *row.CreatedBy
	}
	if row.RateLimit != nil {
		k.rateLimit = int32(*row.RateLimit)
	}
	if row.RevokeAt != nil || row.ExpiresAt != nil || len(row.AllowedIPs) > 0 || len(row.Metadata) > 0 {
		k.rare = &rare{
			revokeAt: row.RevokeAt, expiresAt: row.ExpiresAt, updatedAt: row.UpdatedAt,
			allowedIPs: row.AllowedIPs, metadata: row.Metadata,
		}
	}
	return k
}

// State is the key's state at now.
func (k *Key) State(now time.Time) keypin.KeyState {
	life := keypin.Life{Active: k.active}
	if k.rare != nil {
		life.RevokeAt, life.ExpiresAt, life.UpdatedAt = k.rare.revokeAt, k.rare.expiresAt, k.rare.updatedAt
	}
	return life.State(now)
}

// ExpiresAt is when the key expires; nil = never.
func (k *Key) ExpiresAt() *time.Time {
	if k.rare == nil {
		return nil
	}
	return k.rare.expiresAt
}

// AllowedIPs are the ranges that the key may be used from; none = anywhere.
func (k *Key) AllowedIPs() []netip.Prefix {
	if k.rare == nil {
		return nil
	}
	return k.rare.allowedIPs
}

// Metadata is its maker's own pairs; nil = none.
func (k *Key) Metadata() map[string]string {
	if k.rare == nil {
		return nil
	}
	return k.rare.metadata
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

// What an entry of the cache takes besides the strings and lists of its key, in bytes:
// the Key, the cache's own node and table, and a share of unused room. Measured by
// TestTheWeightOfAnEntryIsWhatItTakes.
const (
	keyWeight  = 235
	rareWeight = 144
	pairWeight = 64 // of a metadata pair, besides its text
)

// weight is about how many bytes the key takes in a cache.
func (k *Key) weight() uint32 {
	n := keyWeight + len(k.Name)
	if k.rare != nil {
		n += rareWeight + 32*len(k.rare.allowedIPs)
		for name, value := range k.rare.metadata {
			n += pairWeight + len(name) + len(value)
		}
	}
	return uint32(n)
}
