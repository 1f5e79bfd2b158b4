package admin

import (
	"context"
	"fmt"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// storedRotation is the answer of a rotation as it is kept sealed.
type storedRotation struct {
	Old keypin.APIKey
	New storedKey
	// Ended are the hashes of the keys that the rotation ended or limited, so that a
	// replay drops them from the caches again.
	Ended []keypin.KeyHash
}

// RotateKey replaces a usable key by a new one with the same rights; who the key
// belongs to stays too. Because that reveals a secret, all its scopes are held to the
// ceiling. A key that rotates itself should give a grace period: without one it is
// revoked with the answer, so that it cannot ask for that again should it get lost.
// CodeNotFound, CodePreconditionFailed, CodeKeyRevoked, CodeKeyInactive,
// CodeKeyExpired, CodeConflict (the key was rotated already and is in its grace),
// CodeForbidden, CodeInsufficientScope, CodeValidation.
func (s *Service) RotateKey(ctx context.Context, call Call, id keypin.ID, rotation Rotation) (Rotated, error) {
	if rotation.Grace < 0 || rotation.Grace > keypin.MaxGrace {
		var faults keypin.Faults
		faults.Add("body.grace_period_seconds", fmt.Sprintf("must be a whole number from 0 to %d", keypin.MaxGrace/time.Second))
		return Rotated{}, faults.Err()
	}
	o, err := s.begin(call)
	if err != nil {
		return Rotated{}, err
	}
	defer o.end()
	var stored storedRotation
	var replayed bool
	err = s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		key, err := a.keyToChange(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := a.ceiling(key.Scopes); err != nil {
			return err
		}
		r := request{Operation: "api_key.rotate", Workspace: a.workspaceID, Target: id, Input: rotation.canonical()}
		stored, replayed, err = repeatable(ctx, tx, o, a.now, r, func() (storedRotation, error) {
			if err := a.mayRotateNow(key); err != nil {
				return storedRotation{}, err
			}
			return s.rotate(ctx, tx, a, key, rotation)
		})
		if err != nil {
			return err
		}
		return a.ceiling(stored.New.Key.Scopes)
	})
	if err != nil {
		return Rotated{}, err
	}
	if err := s.invalidateKeys(ctx, stored.Ended...); err != nil {
		return Rotated{}, err
	}
	return Rotated{Old: stored.Old, New: stored.New.issued(replayed)}, nil
}

// canonical tells apart the three things that ExpiresAt can ask for.
func (r Rotation) canonical() any {
	expires := "inherited"
	if r.ExpiresAt != nil {
		expires = "never"
		if at := timestamp(*r.ExpiresAt); at != nil {
			expires = at.Format(time.RFC3339Nano)
		}
	}
	return []any{r.Grace, expires}
}

// mayRotateNow checks the caller's condition and the key's state.
func (a *access) mayRotateNow(key *keypin.APIKey) error {
	if err := a.ifVersion(key); err != nil {
		return err
	}
	switch key.State(a.now) {
	case keypin.KeyRevoked:
		return keyRevoked()
	case keypin.KeySuspended:
		return keypin.E(keypin.CodeKeyInactive, "The API key is suspended; set active to true before rotating it.")
	case keypin.KeyExpired:
		return keypin.E(keypin.CodeKeyExpired, "The API key has expired; move expires_at before rotating it.")
	case keypin.KeyUsable:
	}
	if key.RotatedTo != nil {
		return keypin.E(keypin.CodeConflict, "The API key was rotated already and is in its grace period; rotate the key named by rotated_to.")
	}
	return nil
}

func (s *Service) rotate(
	ctx context.Context, tx keypin.Tx, a *access, old *keypin.APIKey, rotation Rotation,
) (storedRotation, error) {
	before := keyRecord(old)
	next := *old
	next.RotatedFrom, next.LastUsedAt = &old.ID, nil
	if rotation.ExpiresAt != nil {
		next.ExpiresAt = timestamp(*rotation.ExpiresAt)
		var faults keypin.Faults
		checkExpiry(&faults, next.ExpiresAt, a.now)
		if err := faults.Err(); err != nil {
			return storedRotation{}, err
		}
	}
	secret, err := s.mint(a, &next)
	if err != nil {
		return storedRotation{}, err
	}
	retire(old, &next, rotation.Grace, a.now)
	if err := tx.InsertKey(ctx, &next); err != nil {
		return storedRotation{}, err
	}
	if err := tx.UpdateKey(ctx, old); err != nil {
		return storedRotation{}, err
	}
	ended := []keypin.KeyHash{old.Hash}
	earlier, err := s.endGrace(ctx, tx, a, old.RotatedFrom)
	if err != nil {
		return storedRotation{}, err
	}
	if earlier != nil {
		ended = append(ended, earlier.Hash)
	}
	after := auditRotation{Old: keyRecord(old), New: keyRecord(&next)}
	if err := s.audit(ctx, tx, a, "api_key.rotate", targetKey(old.ID), before, after); err != nil {
		return storedRotation{}, err
	}
	return storedRotation{Old: *old, New: storedKey{Key: next, Secret: secret, At: a.now}, Ended: ended}, nil
}

// retire revokes old, at once or when the grace ends.
func retire(old, next *keypin.APIKey, grace time.Duration, now time.Time) {
	changed(old, now)
	if grace == 0 {
		old.RotatedTo, old.RevokeAt, old.Active = &next.ID, &now, false
		return
	}
	// From UpdatedAt, which is later than now when the clock was set back: a RevokeAt
	// that is not after UpdatedAt would revoke the key at once.
	end := old.UpdatedAt.Add(grace)
	old.RotatedTo, old.RevokeAt = &next.ID, &end
	if old.ExpiresAt == nil || old.ExpiresAt.After(end) {
		old.ExpiresAt = &end
	}
}

// endGrace revokes the key that the rotated one was made from, if that is still in
// its grace; nil when nothing was to end.
func (s *Service) endGrace(ctx context.Context, tx keypin.Tx, a *access, id *keypin.ID) (*keypin.APIKey, error) {
	if id == nil {
		return nil, nil
	}
	key, err := tx.Key(ctx, a.workspaceID, *id)
	if err != nil {
		return nil, err
	}
	if key.State(a.now) == keypin.KeyRevoked {
		return nil, nil
	}
	return key, s.revoke(ctx, tx, a, key)
}
