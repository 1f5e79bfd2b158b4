package admin

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

// Keys lists a page of the workspace's keys, judged at the service's own now.
// CodeInsufficientScope for a key without api-keys:read.
func (s *Service) Keys(ctx context.Context, call Call, query keypin.KeyQuery) (keypin.KeyPage, error) {
	a, err := s.read(ctx, call)
	if err != nil {
		return keypin.KeyPage{}, err
	}
	if err := a.mayReadKeys(); err != nil {
		return keypin.KeyPage{}, err
	}
	query.Now = a.now
	return s.store.Keys(ctx, a.workspaceID, query)
}

// Key finds one key of the workspace. CodeNotFound; CodeInsufficientScope for a key
// without api-keys:read.
func (s *Service) Key(ctx context.Context, call Call, id keypin.ID) (keypin.APIKey, error) {
	a, err := s.read(ctx, call)
	if err != nil {
		return keypin.APIKey{}, err
	}
	if err := a.mayReadKeys(); err != nil {
		return keypin.APIKey{}, err
	}
	key, err := s.store.Key(ctx, a.workspaceID, id)
	if err != nil {
		return keypin.APIKey{}, err
	}
	return *key, nil
}

// AuthorizeVerify tells in which workspace the caller may verify keys: a key with
// api-keys:verify in its own, an admin's session in the one it names.
func (s *Service) AuthorizeVerify(ctx context.Context, call Call) (keypin.ID, error) {
	a, err := s.read(ctx, call)
	if err != nil {
		return keypin.ID{}, err
	}
	if err := a.need(keypin.ScopeKeysVerify); err != nil {
		return keypin.ID{}, err
	}
	if a.key == nil && a.role() != keypin.RoleAdmin {
		return keypin.ID{}, forbidden("Only an admin of this workspace, or an API key with api-keys:verify, may verify API keys.")
	}
	return a.workspaceID, nil
}

// storedKey is the answer of a creation as it is kept sealed. Renaming a field of it,
// or of keypin.APIKey, needs a new operation name in its request.
type storedKey struct {
	Key    keypin.APIKey
	Secret string
	At     time.Time
}

func (k storedKey) issued(replayed bool) Issued {
	return Issued{Key: k.Key, Secret: keypin.NewSecret(k.Secret), At: k.At, Replayed: replayed}
}

// CreateKey makes a key. CodeValidation for scopes that do not exist or that its type
// must not hold and for an expiry that has passed; CodeForbidden and
// CodeInsufficientScope for who may not create it or grant its scopes.
func (s *Service) CreateKey(ctx context.Context, call Call, in NewKey) (Issued, error) {
	in, err := s.complete(in)
	if err != nil {
		return Issued{}, err
	}
	o, err := s.begin(call)
	if err != nil {
		return Issued{}, err
	}
	defer o.end()
	var issued Issued
	err = s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		if err := a.mayWriteKeys(); err != nil {
			return err
		}
		if err := a.mayGrant(in.Scopes); err != nil {
			return err
		}
		r := request{Operation: "api_key.create", Workspace: a.workspaceID, Input: in}
		stored, replayed, err := repeatable(ctx, tx, o, a.now, r, func() (storedKey, error) {
			return s.createKey(ctx, tx, a, in)
		})
		issued = stored.issued(replayed)
		return err
	})
	if err != nil {
		return Issued{}, err
	}
	return issued, nil
}

// complete fills in the defaults and brings in into the one form that the same
// request always has.
func (s *Service) complete(in NewKey) (NewKey, error) {
	var faults keypin.Faults
	if in.Type == "" {
		in.Type = keypin.KeyLive
	}
	if in.Prefix == "" {
		in.Prefix = in.Type.DefaultPrefix(s.brand)
	}
	in.Scopes = s.checkScopes(&faults, in.Type, in.Scopes)
	in.ExpiresAt = timestamp(in.ExpiresAt)
	in.AllowedIPs, in.Metadata = ownIPs(in.AllowedIPs), ownMetadata(in.Metadata)
	return in, faults.Err()
}

// ownIPs and ownMetadata copy what a caller passed; never nil, as the store reads it.
func ownIPs(ips []netip.Prefix) []netip.Prefix { return append([]netip.Prefix{}, ips...) }

func ownMetadata(metadata map[string]string) map[string]string {
	own := make(map[string]string, len(metadata))
	maps.Copy(own, metadata)
	return own
}

// checkScopes normalises the scopes that a key of type t is to hold.
func (s *Service) checkScopes(faults *keypin.Faults, t keypin.KeyType, scopes []keypin.Scope) []keypin.Scope {
	known, unknown := s.registry.Normalize(scopes)
	for _, i := range unknown {
		faults.Add(fmt.Sprintf("body.scopes[%d]", i), "must be a scope that exists")
	}
	if len(keypin.CheckScopesForType(t, known)) > 0 {
		faults.Add("body.scopes", "must all end in :read for a read-only key")
	}
	return known
}

func checkExpiry(faults *keypin.Faults, at *time.Time, now time.Time) {
	if at != nil && !at.After(now) {
		faults.Add("body.expires_at", "must be in the future")
	}
}

func timestamp(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := keypin.Timestamp(*t)
	return &at
}

func (s *Service) createKey(ctx context.Context, tx keypin.Tx, a *access, in NewKey) (storedKey, error) {
	var faults keypin.Faults
	checkExpiry(&faults, in.ExpiresAt, a.now)
	if err := faults.Err(); err != nil {
		return storedKey{}, err
	}
	key := keypin.APIKey{
		CreatedBy: a.creator(), Name: in.Name, Type: in.Type, Prefix: in.Prefix, Scopes: in.Scopes,
		RateLimit: in.RateLimit, ExpiresAt: in.ExpiresAt, AllowedIPs: in.AllowedIPs, Metadata: in.Metadata,
	}
	secret, err := s.mint(a, &key)
	if err != nil {
		return storedKey{}, err
	}
	key.ChainID = key.ID
	if err := tx.InsertKey(ctx, &key); err != nil {
		return storedKey{}, err
	}
	if err := s.audit(ctx, tx, a, "api_key.create", targetKey(key.ID), nil, keyRecord(&key)); err != nil {
		return storedKey{}, err
	}
	return storedKey{Key: key, Secret: secret, At: a.now}, nil
}

// mint gives key its identity, its secret's hash and suffix, and its birth.
func (s *Service) mint(a *access, key *keypin.APIKey) (plaintext string, err error) {
	id, err := s.newID(a.now)
	if err != nil {
		return "", err
	}
	secret, err := token.New(key.Prefix, s.random)
	if err != nil {
		return "", noRandom(err)
	}
	parsed, ok := token.Parse(secret.Reveal())
	if !ok {
		return "", broken(fmt.Errorf("a new key does not parse"))
	}
	key.ID, key.WorkspaceID = id, a.workspaceID
	key.Hash, key.Suffix = parsed.Hash, strings.Clone(parsed.Suffix) // not the plaintext's memory
	key.Active, key.Version = true, 1
	key.CreatedAt, key.UpdatedAt = a.now, a.now
	return secret.Reveal(), nil
}

// keyToChange finds the key that the caller wants to change, and authorises that.
func (a *access) keyToChange(ctx context.Context, tx keypin.Tx, id keypin.ID) (*keypin.APIKey, error) {
	if err := a.mayWriteKeys(); err != nil {
		return nil, err
	}
	key, err := tx.Key(ctx, a.workspaceID, id)
	if err != nil {
		return nil, err
	}
	if err := a.owns(key); err != nil {
		return nil, err
	}
	return key, nil
}

// ifVersion keeps the caller's condition.
func (a *access) ifVersion(key *keypin.APIKey) error {
	if a.call.IfVersion != nil && !slices.Contains(a.call.IfVersion, key.Version) {
		return keypin.E(keypin.CodePreconditionFailed, "The API key was changed since it was read; read it again.")
	}
	return nil
}

func keyRevoked() error {
	return keypin.E(keypin.CodeKeyRevoked, "The API key is revoked, which cannot be undone.")
}

// RevokeKey revokes a key for good, at once, a grace that it was in included. Doing it
// again changes nothing and answers the key as it is, whatever IfVersion says.
func (s *Service) RevokeKey(ctx context.Context, call Call, id keypin.ID) (keypin.APIKey, error) {
	var revoked keypin.APIKey
	err := s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		key, err := a.keyToChange(ctx, tx, id)
		if err != nil {
			return err
		}
		revoked = *key
		if key.State(a.now) == keypin.KeyRevoked {
			return nil
		}
		if err := a.ifVersion(key); err != nil {
			return err
		}
		return s.revoke(ctx, tx, a, &revoked)
	})
	if err != nil {
		return keypin.APIKey{}, err
	}
	// Again, too: the first time may have failed here, after its commit.
	if err := s.invalidateKeys(ctx, revoked.Hash); err != nil {
		return keypin.APIKey{}, err
	}
	return revoked, nil
}

// revoke ends the key. RevokeAt is not after UpdatedAt then, so that no clock revives it.
func (s *Service) revoke(ctx context.Context, tx keypin.Tx, a *access, key *keypin.APIKey) error {
	before := keyRecord(key)
	key.RevokeAt, key.Active = &a.now, false
	changed(key, a.now)
	if err := tx.UpdateKey(ctx, key); err != nil {
		return err
	}
	return s.audit(ctx, tx, a, "api_key.revoke", targetKey(key.ID), before, keyRecord(key))
}

// changed counts a change. UpdatedAt does not run backwards with the clock.
func changed(key *keypin.APIKey, now time.Time) {
	key.Version++
	if now.After(key.UpdatedAt) {
		key.UpdatedAt = now
	}
}
