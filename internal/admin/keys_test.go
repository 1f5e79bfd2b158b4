package admin_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

func ranges(texts ...string) []netip.Prefix {
	list := []netip.Prefix{}
	for _, text := range texts {
		p, err := keypin.ParseAddressRange(text)
		if err != nil {
			panic(err)
		}
		list = append(list, p)
	}
	return list
}

// owner is a world with one admin in it.
func owner(t *testing.T) (*world, admin.Call) {
	t.Helper()
	w := newWorld(t)
	call := w.session("owner@example.com")
	return w, in(call, w.workspaceOf(call))
}

func TestANewKeyIsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	limit, expires := 100, w.now().Add(time.Hour)
	issued, err := w.CreateKey(t.Context(), call, admin.NewKey{
		Name: "Marketing API Key", Type: keypin.KeyReadOnly, Prefix: "mkapi",
		Scopes:    []keypin.Scope{"templates:read", "voices:read", "workflows:read", "voices:read"},
		RateLimit: &limit, ExpiresAt: &expires, AllowedIPs: ranges("192.0.2.0/24"), Metadata: map[string]string{"a": "b"},
	})
	must(t, err)
	parsed, valid := token.Parse(issued.Secret.Reveal())
	if !valid || parsed.Prefix != "mkapi" {
		t.Fatal("the secret is no key of that prefix")
	}
	user := call.Principal.UserID
	want := keypin.APIKey{
		ID: issued.Key.ID, ChainID: issued.Key.ID, WorkspaceID: *call.Workspace, CreatedBy: &user,
		Name: "Marketing API Key", Type: keypin.KeyReadOnly, Prefix: "mkapi", Suffix: parsed.Suffix, Hash: parsed.Hash,
		Scopes: []keypin.Scope{"workflows:read", "voices:read", "templates:read"}, Active: true,
		RateLimit: &limit, ExpiresAt: &expires, AllowedIPs: ranges("192.0.2.0/24"), Metadata: map[string]string{"a": "b"},
		CreatedAt: w.now(), UpdatedAt: w.now(), Version: 1,
	}
	equal(t, issued.Key, want)
	equal(t, w.stored(issued.Key), want)
	equal(t, issued.At, w.now())
	got, err := w.Key(t.Context(), call, issued.Key.ID)
	must(t, err)
	equal(t, got, want)
	if strings.Contains(issued.Key.Preview(), issued.Secret.Reveal()) || !strings.HasPrefix(issued.Key.Preview(), "mkapi-xxxxxx-") {
		t.Error("the preview is wrong")
	}
}

func TestTheDefaultsOfANewKey(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	for _, each := range []struct {
		of     keypin.KeyType
		prefix string
	}{{"", "op_live"}, {keypin.KeyLive, "op_live"}, {keypin.KeyTest, "op_test"}, {keypin.KeyReadOnly, "op_read"}} {
		issued, err := w.CreateKey(t.Context(), call, admin.NewKey{Name: "n", Type: each.of})
		must(t, err)
		equal(t, issued.Key.Prefix, each.prefix)
		if len(issued.Key.Scopes) > 0 || issued.Key.RateLimit != nil || issued.Key.ExpiresAt != nil {
			t.Error("a default grants something")
		}
	}
}

func TestAKeyMadeByAKeyBelongsToThatKeysCreator(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	maker := w.keyCall(w.create(call, keypin.ScopeKeysWrite))
	w.advance(time.Second)
	made := w.create(maker)
	equal(t, *made.CreatedBy, call.Principal.UserID)
	last := w.row(made.WorkspaceID, "api_key.create")
	equal(t, last.ActorKind, keypin.AuthAPIKey)
	equal(t, last.ActorUserID, call.Principal.UserID)
	equal(t, *last.ActorKeyID, maker.Principal.Key.ID)
}

func TestBadKeysAreRefused(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	past := w.now()
	for _, each := range []struct {
		name  string
		in    admin.NewKey
		field string
	}{
		{"a scope that does not exist", admin.NewKey{Name: "n", Scopes: []keypin.Scope{"voices:read", "voices:sing"}}, "body.scopes[1]"},
		{"a read-only key that writes", admin.NewKey{Name: "n", Type: keypin.KeyReadOnly, Scopes: []keypin.Scope{"voices:write"}}, "body.scopes"},
		{"an expiry now", admin.NewKey{Name: "n", ExpiresAt: &past}, "body.expires_at"},
	} {
		t.Run(each.name, func(t *testing.T) {
			_, err := w.CreateKey(t.Context(), call, each.in)
			expectField(t, err, each.field)
		})
	}
}

func expectField(t *testing.T, err error, field string) {
	t.Helper()
	expect(t, err, keypin.CodeValidation)
	var e *keypin.Error
	if !errors.As(err, &e) || len(e.Details) != 1 || e.Details[0].Field != field {
		t.Errorf("got %v, want a fault of %s", err, field)
	}
}

func TestAPatchWithoutEffectChangesNothing(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	limit, expires := 10, w.now().Add(time.Hour)
	issued, err := w.CreateKey(t.Context(), call, admin.NewKey{
		Name: "n", Scopes: []keypin.Scope{"voices:read"}, RateLimit: &limit, ExpiresAt: &expires,
		AllowedIPs: ranges("192.0.2.1"), Metadata: map[string]string{"a": "b"},
	})
	must(t, err)
	rows := len(w.audit(issued.Key.WorkspaceID))
	w.advance(time.Minute)
	name, active, scopes, same := "n", true, []keypin.Scope{"voices:read", "voices:read"}, 10
	limitAgain, expiresAgain, ips, metadata := &same, &expires, ranges("192.0.2.1"), map[string]string{"a": "b"}
	for _, patch := range []admin.KeyPatch{{}, {
		Name: &name, Active: &active, Scopes: &scopes, RateLimit: &limitAgain, ExpiresAt: &expiresAgain,
		AllowedIPs: &ips, Metadata: &metadata,
	}} {
		got, err := w.UpdateKey(t.Context(), call, issued.Key.ID, patch)
		must(t, err)
		equal(t, got, issued.Key)
	}
	equal(t, w.stored(issued.Key), issued.Key)
	equal(t, len(w.audit(issued.Key.WorkspaceID)), rows)
}

func TestAPatchChangesTheFieldsThatItNames(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	limit, expires := 10, w.now().Add(time.Hour)
	issued, err := w.CreateKey(t.Context(), call, admin.NewKey{
		Name: "n", RateLimit: &limit, ExpiresAt: &expires, Metadata: map[string]string{"a": "b"},
	})
	must(t, err)
	key := issued.Key
	w.advance(time.Minute)

	var noLimit *int
	var never *time.Time
	metadata := map[string]string{"c": "d"}
	got, err := w.UpdateKey(t.Context(), call, key.ID, admin.KeyPatch{RateLimit: &noLimit, ExpiresAt: &never, Metadata: &metadata})
	must(t, err)
	want := key
	want.RateLimit, want.ExpiresAt, want.Metadata = nil, nil, metadata
	want.Version, want.UpdatedAt = 2, w.now()
	equal(t, got, want)
	equal(t, w.stored(key), want)
	equal(t, w.dropped.take(), []keypin.KeyHash{key.Hash})
}

func TestAPatchOfAReadOnlyKeyKeepsItReadOnly(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	issued, err := w.CreateKey(t.Context(), call, admin.NewKey{Name: "n", Type: keypin.KeyReadOnly})
	must(t, err)
	scopes := []keypin.Scope{"voices:write"}
	_, err = w.UpdateKey(t.Context(), call, issued.Key.ID, admin.KeyPatch{Scopes: &scopes})
	expectField(t, err, "body.scopes")
}

func TestSuspendedAndExpiredKeysCanBePatchedAndRevokedOnesCannot(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	expires := w.now().Add(time.Hour)
	issued, err := w.CreateKey(t.Context(), call, admin.NewKey{Name: "n", ExpiresAt: &expires})
	must(t, err)
	id, no, yes := issued.Key.ID, false, true
	_, err = w.UpdateKey(t.Context(), call, id, admin.KeyPatch{Active: &no})
	must(t, err)
	w.advance(2 * time.Hour)
	later := w.now().Add(time.Hour)
	moved := &later
	got, err := w.UpdateKey(t.Context(), call, id, admin.KeyPatch{Active: &yes, ExpiresAt: &moved})
	must(t, err)
	equal(t, got.State(w.now()), keypin.KeyUsable)
	_, err = w.RevokeKey(t.Context(), call, id)
	must(t, err)
	for _, patch := range []admin.KeyPatch{{}, {Active: &yes}} {
		_, err = w.UpdateKey(t.Context(), call, id, patch)
		expect(t, err, keypin.CodeKeyRevoked)
	}
}

func TestARevokedKeyStaysRevokedAndRevokingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call)
	first, err := w.RevokeKey(t.Context(), call, key.ID)
	must(t, err)
	if first.Active || first.RevokeAt == nil || !first.RevokeAt.Equal(w.now()) {
		t.Fatal("not revoked")
	}
	w.dropped.take()
	rows := len(w.audit(key.WorkspaceID))
	w.advance(time.Hour)
	again, err := w.RevokeKey(t.Context(), call, key.ID)
	must(t, err)
	equal(t, again, first)
	equal(t, w.stored(key), first)
	equal(t, len(w.audit(key.WorkspaceID)), rows)
	equal(t, w.dropped.take(), []keypin.KeyHash{key.Hash})

	stale := call
	stale.IfVersion = []int64{key.Version}
	again, err = w.RevokeKey(t.Context(), stale, key.ID)
	must(t, err)
	equal(t, again, first)
}

func TestAStaleConditionChangesNothing(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call)
	name := "renamed"
	stale, fresh := call, call
	stale.IfVersion, fresh.IfVersion = []int64{7}, []int64{7, 1}
	_, err := w.UpdateKey(t.Context(), stale, key.ID, admin.KeyPatch{Name: &name})
	expect(t, err, keypin.CodePreconditionFailed)
	_, err = w.RotateKey(t.Context(), stale, key.ID, admin.Rotation{})
	expect(t, err, keypin.CodePreconditionFailed)
	_, err = w.RevokeKey(t.Context(), stale, key.ID)
	expect(t, err, keypin.CodePreconditionFailed)
	none := call
	none.IfVersion = []int64{}
	_, err = w.UpdateKey(t.Context(), none, key.ID, admin.KeyPatch{Name: &name})
	expect(t, err, keypin.CodePreconditionFailed)
	_, err = w.UpdateKey(t.Context(), stale, call.Principal.UserID, admin.KeyPatch{})
	expect(t, err, keypin.CodeNotFound)
	equal(t, w.stored(key), key)
	_, err = w.UpdateKey(t.Context(), fresh, key.ID, admin.KeyPatch{Name: &name})
	expect(t, err, ok)
}

func TestConcurrentPatchesLoseNothing(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call)
	name, active, limit := "renamed", false, 7
	limitPatch, scopes, ips := &limit, []keypin.Scope{"voices:read"}, ranges("192.0.2.1")
	patches := []admin.KeyPatch{{Name: &name}, {Active: &active}, {RateLimit: &limitPatch}, {Scopes: &scopes}, {AllowedIPs: &ips}}
	var group sync.WaitGroup
	for _, patch := range patches {
		group.Go(func() {
			if _, err := w.UpdateKey(t.Context(), call, key.ID, patch); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	want := key
	want.Name, want.Active, want.RateLimit, want.Scopes, want.AllowedIPs = name, active, &limit, scopes, ips
	want.Version = int64(1 + len(patches))
	equal(t, w.stored(key), want)
}

func TestAFailedInvalidationIsToldAndTheRetryGivesIt(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key, rotated := w.create(call), w.create(call)
	no := false
	w.dropped.failWith(errors.New("no connection to the bus"))
	_, err := w.UpdateKey(t.Context(), call, key.ID, admin.KeyPatch{Active: &no})
	expect(t, err, keypin.CodeUnavailable)
	equal(t, w.stored(key).Active, false)
	_, err = w.RevokeKey(t.Context(), call, key.ID)
	expect(t, err, keypin.CodeUnavailable)
	once := call
	once.IdempotencyKey = keypin.NewSecret("retry-me-please")
	got, err := w.RotateKey(t.Context(), once, rotated.ID, admin.Rotation{})
	expect(t, err, keypin.CodeUnavailable)
	if !got.New.Secret.IsZero() {
		t.Error("an error came with a secret")
	}

	w.dropped.failWith(nil)
	_, err = w.RevokeKey(t.Context(), call, key.ID)
	must(t, err)
	again, err := w.RotateKey(t.Context(), once, rotated.ID, admin.Rotation{})
	must(t, err)
	equal(t, again.New.Replayed, true)
	equal(t, w.dropped.take(), []keypin.KeyHash{key.Hash, rotated.Hash})
}

func TestTheInvalidationOutlivesTheCaller(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call)
	ctx, leave := context.WithCancel(t.Context())
	w.store.afterTx = leave
	_, err := w.RevokeKey(ctx, call, key.ID)
	must(t, err)
	equal(t, w.dropped.take(), []keypin.KeyHash{key.Hash})
}

func TestTheListIsJudgedAtTheServicesNow(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	expires := w.now().Add(time.Hour)
	_, err := w.CreateKey(t.Context(), call, admin.NewKey{Name: "n", ExpiresAt: &expires})
	must(t, err)
	kept := w.create(call)
	w.advance(2 * time.Hour)
	page, err := w.Keys(t.Context(), call, keypin.KeyQuery{
		Page: keypin.Page{Limit: 10}, Status: keypin.StatusActive, Sort: keypin.SortNewest, Now: w.now().Add(-24 * time.Hour),
	})
	must(t, err)
	equal(t, page, keypin.KeyPage{Keys: []keypin.APIKey{kept}, Total: 1})
}

func TestAKeyWithoutALimitIsNarrowedOnlyBelowTheDefault(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	second := w.join(call, "second@example.com", keypin.RoleAdmin)
	key := w.create(second, keypin.ScopeKeysRead)
	m, err := w.store.Member(t.Context(), *call.Workspace, second.Principal.UserID)
	must(t, err)
	_, err = w.UpdateMember(t.Context(), call, m.ID, keypin.RoleEditor)
	must(t, err)
	registry, err := keypin.NewRegistry(keypin.DefaultScopes())
	must(t, err)
	limited := admin.New(admin.Options{
		Store: w.store, Registry: registry, Invalidator: w.dropped, Clock: w.now, DefaultRateLimit: 60,
	})
	above, at := 61, 60
	abovePatch, atPatch := &above, &at
	_, err = limited.UpdateKey(t.Context(), second, key.ID, admin.KeyPatch{RateLimit: &abovePatch})
	expect(t, err, forbidden)
	_, err = limited.UpdateKey(t.Context(), second, key.ID, admin.KeyPatch{RateLimit: &atPatch})
	expect(t, err, ok)
}

func TestWithoutRandomnessNothingIsMade(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	registry, err := keypin.NewRegistry(keypin.DefaultScopes())
	must(t, err)
	for enough := range 58 { // an id, a key, the audit row's id and a nonce take 58 or more
		broken := admin.New(admin.Options{
			Store: w.store, Registry: registry, Invalidator: w.dropped, Clock: w.now,
			Random: io.LimitReader(rand.Reader, int64(enough)),
		})
		_, err := broken.CreateKey(t.Context(), under(call, "not-enough-randomness"), admin.NewKey{Name: "n"})
		if err == nil {
			t.Fatalf("made of %d bytes", enough)
		}
		expect(t, err, keypin.CodeInternal)
	}
	page, err := w.Keys(t.Context(), call, keypin.KeyQuery{Page: keypin.Page{Limit: 10}, Status: keypin.StatusAll})
	must(t, err)
	equal(t, page.Total, 0)
	equal(t, w.actions(*call.Workspace), []string{"workspace.create"})
}
