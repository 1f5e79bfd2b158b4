package admin

import (
	"context"
	"slices"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// access is what a caller may do in a workspace at one instant.
type access struct {
	call        Call
	now         time.Time
	workspaceID keypin.ID
	workspace   *keypin.Workspace // nil for a key
	member      *keypin.Member    // nil for a key
	key         *keypin.APIKey    // nil for a session
}

// activityStep is how far a member's LastActiveAt may be behind.
const activityStep = 5 * time.Minute

func (a *access) stale() bool { return a.member != nil && idle(a.member, a.now) }

func idle(m *keypin.Member, now time.Time) bool {
	return m.LastActiveAt == nil || now.Sub(*m.LastActiveAt) > activityStep
}

// touch moves the member's LastActiveAt when it is behind. The member is read again,
// because for a reader the transaction begins after the look-up.
func (a *access) touch(ctx context.Context, tx keypin.Tx) error {
	if !a.stale() {
		return nil
	}
	m, err := tx.Member(ctx, a.workspaceID, a.member.UserID)
	if err != nil {
		return err
	}
	if m.RemovedAt != nil || !idle(m, a.now) {
		return nil
	}
	m.LastActiveAt = &a.now
	return tx.UpdateMember(ctx, m)
}

// touchLater does what touch does for a caller who only reads. That it fails is not
// the reader's concern: the time may be behind, and the next request moves it.
func (s *Service) touchLater(ctx context.Context, a *access) {
	if a.stale() {
		_ = s.store.Tx(ctx, func(tx keypin.Tx) error { return a.touch(ctx, tx) })
	}
}

func (a *access) role() keypin.Role {
	if a.member == nil {
		return ""
	}
	return a.member.Role
}

// callerID is whom a repeatable change belongs to.
func callerID(call Call) keypin.ID {
	if call.Principal.Key != nil {
		return call.Principal.Key.ID
	}
	return call.Principal.UserID
}

// creator is who a key made by the caller belongs to: nil when the calling key's
// creator was deleted.
func (a *access) creator() *keypin.ID {
	if a.key != nil {
		return a.key.CreatedBy
	}
	id := a.call.Principal.UserID
	return &id
}

func workspaceForbidden() error {
	return keypin.E(keypin.CodeWorkspaceForbidden, "You have no access to this workspace.")
}

func forbidden(message string) error { return keypin.E(keypin.CodeForbidden, message) }

func insufficientScope(needed ...keypin.Scope) error {
	return &keypin.Error{
		Code:    keypin.CodeInsufficientScope,
		Message: "The API key lacks a scope that this needs.", Needed: needed,
	}
}

// need asks a key for scope. A session has no scopes: its role decides.
func (a *access) need(scope keypin.Scope) error {
	if a.key != nil && !slices.Contains(a.key.Scopes, scope) {
		return insufficientScope(scope)
	}
	return nil
}

// mayReadKeys: every member, and a key with api-keys:read.
func (a *access) mayReadKeys() error { return a.need(keypin.ScopeKeysRead) }

// mayWriteKeys: admins, editors, and a key with api-keys:write. Which keys, owns tells.
func (a *access) mayWriteKeys() error {
	if a.key != nil {
		return a.need(keypin.ScopeKeysWrite)
	}
	if r := a.role(); r != keypin.RoleAdmin && r != keypin.RoleEditor {
		return forbidden("Your role in this workspace may only read API keys.")
	}
	return nil
}

// owns: an editor changes only the keys that they created.
func (a *access) owns(key *keypin.APIKey) error {
	if a.key != nil || a.role() == keypin.RoleAdmin {
		return nil
	}
	if key.CreatedBy == nil || *key.CreatedBy != a.call.Principal.UserID {
		return forbidden("An editor may change only the API keys that they created.")
	}
	return nil
}

// mayGrant: only an admin's session gives a key a scope that manages or verifies keys,
// not even a key that holds it; and nobody grants a scope that they could not use.
func (a *access) mayGrant(scopes []keypin.Scope) error {
	if a.role() != keypin.RoleAdmin && slices.ContainsFunc(scopes, keypin.Scope.Managing) {
		return forbidden("Only an admin may grant the scopes that manage or verify API keys.")
	}
	return a.ceiling(scopes)
}

// ceiling: nobody reveals, widens or revives a key with scopes that they could not use.
// A key may do so for the scopes that it holds, an editor for the product's.
func (a *access) ceiling(scopes []keypin.Scope) error {
	switch {
	case a.key != nil:
		if missing := keypin.MissingScopes(a.key.Scopes, scopes); len(missing) > 0 {
			return insufficientScope(missing...)
		}
	case a.role() == keypin.RoleAdmin:
	case slices.ContainsFunc(scopes, keypin.Scope.Managing):
		return forbidden("Only an admin may change so, or rotate, an API key with scopes that manage or verify API keys.")
	}
	return nil
}

// mayReadWorkspace: every member, and a key with workspace:read.
func (a *access) mayReadWorkspace() error { return a.need(keypin.ScopeWorkspaceRead) }

// mayAdminister: admin sessions; keys never.
func (a *access) mayAdminister() error {
	if a.key != nil {
		return forbidden("An API key may not change a workspace, its members or its invites.")
	}
	if a.role() != keypin.RoleAdmin {
		return forbidden("Only an admin of this workspace may do this.")
	}
	return nil
}

// sessionOnly refuses keys where no workspace is involved.
func sessionOnly(call Call) error {
	if call.Principal.Key != nil {
		return forbidden("An API key may not do this; use a session token.")
	}
	return nil
}

// recheckKey reads the calling key again inside the transaction of a change, so that
// one that was revoked or narrowed in between changes nothing.
func (s *Service) recheckKey(ctx context.Context, tx keypin.Tx, call Call, a *access) error {
	if a.key == nil {
		return nil
	}
	fresh, err := tx.KeyByHash(ctx, a.key.Hash)
	if err != nil && keypin.CodeOf(err) != keypin.CodeNotFound {
		return err
	}
	if err != nil || fresh.ID != a.key.ID || fresh.State(a.now) != keypin.KeyUsable {
		return keypin.E(keypin.CodeUnauthorized, "The API key is not valid any more.")
	}
	if !fresh.AllowsIP(call.Origin.IP) {
		return forbidden("The API key may not be used from this address.")
	}
	a.key = fresh
	return nil
}
