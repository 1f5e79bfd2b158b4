package admin

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// UpdateKey changes the fields of a key that the patch names. A patch without effect
// changes nothing, neither Version nor UpdatedAt. A patch that widens what the key may
// do is held to the ceiling over all scopes that the key then has, and of the scopes that
// it adds only an admin grants those that manage or verify keys. A key in its grace
// expires no later than that ends.
// CodeNotFound, CodePreconditionFailed, CodeKeyRevoked, CodeValidation, CodeForbidden,
// CodeInsufficientScope.
func (s *Service) UpdateKey(ctx context.Context, call Call, id keypin.ID, patch KeyPatch) (keypin.APIKey, error) {
	var updated keypin.APIKey
	err := s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		key, err := a.keyToChange(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := a.ifVersion(key); err != nil {
			return err
		}
		if key.State(a.now) == keypin.KeyRevoked {
			return keyRevoked()
		}
		updated, err = s.patched(key, patch, a.now)
		if err != nil {
			return err
		}
		if sameKey(key, &updated) {
			updated = *key
			return nil
		}
		if s.widens(key, &updated) {
			if err := a.mayGrant(keypin.MissingScopes(key.Scopes, updated.Scopes)); err != nil {
				return err
			}
			if err := a.ceiling(updated.Scopes); err != nil {
				return err
			}
		}
		changed(&updated, a.now)
		if err := tx.UpdateKey(ctx, &updated); err != nil {
			return err
		}
		return s.audit(ctx, tx, a, "api_key.update", targetKey(id), keyRecord(key), keyRecord(&updated))
	})
	if err != nil {
		return keypin.APIKey{}, err
	}
	// Without effect, too: it may repeat a patch that failed here, after its commit.
	if patch != (KeyPatch{}) {
		if err := s.invalidateKeys(ctx, updated.Hash); err != nil {
			return keypin.APIKey{}, err
		}
	}
	return updated, nil
}

// patched is key with the patch applied and checked against what the key is.
func (s *Service) patched(key *keypin.APIKey, patch KeyPatch, now time.Time) (keypin.APIKey, error) {
	next := *key
	var faults keypin.Faults
	if patch.Name != nil {
		next.Name = *patch.Name
	}
	if patch.Scopes != nil {
		next.Scopes = s.checkScopes(&faults, key.Type, *patch.Scopes)
	}
	if patch.Active != nil {
		next.Active = *patch.Active
	}
	if patch.RateLimit != nil {
		next.RateLimit = *patch.RateLimit
	}
	if patch.ExpiresAt != nil {
		next.ExpiresAt = timestamp(*patch.ExpiresAt)
		if !sameTime(key.ExpiresAt, next.ExpiresAt) {
			checkExpiry(&faults, next.ExpiresAt, now)
			checkGrace(&faults, key.RevokeAt, next.ExpiresAt)
		}
	}
	if patch.AllowedIPs != nil {
		next.AllowedIPs = ownIPs(*patch.AllowedIPs)
	}
	if patch.Metadata != nil {
		next.Metadata = ownMetadata(*patch.Metadata)
	}
	return next, faults.Err()
}

// checkGrace refuses an expiry that a key in its grace would not live to see.
func checkGrace(faults *keypin.Faults, end, expires *time.Time) {
	if end != nil && expiresLater(end, expires) {
		faults.Add("body.expires_at", "must not be later than the end of the grace period")
	}
}

// sameKey compares what a patch can change.
func sameKey(a, b *keypin.APIKey) bool {
	return a.Name == b.Name &&
		slices.Equal(a.Scopes, b.Scopes) &&
		a.Active == b.Active &&
		sameInt(a.RateLimit, b.RateLimit) &&
		sameTime(a.ExpiresAt, b.ExpiresAt) &&
		slices.Equal(a.AllowedIPs, b.AllowedIPs) &&
		maps.Equal(a.Metadata, b.Metadata)
}

func sameInt(a, b *int) bool {
	return a == b || a != nil && b != nil && *a == *b
}

func sameTime(a, b *time.Time) bool {
	return a == b || a != nil && b != nil && a.Equal(*b)
}

// widens reports whether next may do anything that old may not.
func (s *Service) widens(old, next *keypin.APIKey) bool {
	return len(keypin.MissingScopes(old.Scopes, next.Scopes)) > 0 ||
		!old.Active && next.Active ||
		expiresLater(old.ExpiresAt, next.ExpiresAt) ||
		loosensIPs(old.AllowedIPs, next.AllowedIPs) ||
		s.raisesLimit(old.RateLimit, next.RateLimit)
}

func expiresLater(old, next *time.Time) bool {
	return old != nil && (next == nil || next.After(*old))
}

// loosensIPs reports whether an address may be allowed by next that old does not
// allow. A range that only several old ones together cover counts as new.
func loosensIPs(old, next []netip.Prefix) bool {
	if len(old) == 0 {
		return false
	}
	return len(next) == 0 || slices.ContainsFunc(next, func(n netip.Prefix) bool {
		return !slices.ContainsFunc(old, func(o netip.Prefix) bool {
			return o.Bits() <= n.Bits() && o.Contains(n.Addr())
		})
	})
}

func (s *Service) raisesLimit(old, next *int) bool {
	switch {
	case next == nil:
		return old != nil
	case old == nil:
		return s.defaultLimit > 0 && *next > s.defaultLimit
	default:
		return *next > *old
	}
}
