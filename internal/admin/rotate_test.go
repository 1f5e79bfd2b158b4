package admin_test

import (
	"testing"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

func (w *world) rotate(call admin.Call, id keypin.ID, rotation admin.Rotation) admin.Rotated {
	w.t.Helper()
	rotated, err := w.RotateKey(w.t.Context(), call, id, rotation)
	must(w.t, err)
	return rotated
}

func TestARotationRevokesTheOldKeyAndMakesTheSameAnew(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	limit, expires := 10, w.now().Add(time.Hour)
	issued, err := w.CreateKey(t.Context(), call, admin.NewKey{
		Name: "n", Type: keypin.KeyTest, Prefix: "mk", Scopes: []keypin.Scope{"voices:read", "voices:write"},
		RateLimit: &limit, ExpiresAt: &expires, AllowedIPs: ranges("192.0.2.0/24"), Metadata: map[string]string{"a": "b"},
	})
	must(t, err)
	old := issued.Key
	must(t, w.store.Tx(t.Context(), func(tx keypin.Tx) error { return tx.TouchKey(t.Context(), keypin.LastUse{KeyID: old.ID, At: w.now()}) }))
	w.advance(time.Minute)
	now := w.now()
	rotated := w.rotate(call, old.ID, admin.Rotation{})

	parsed, valid := token.Parse(rotated.New.Secret.Reveal())
	if !valid || rotated.New.Secret == issued.Secret {
		t.Fatal("no new secret")
	}
	created := rotated.New.Key
	wantNew := old
	wantNew.ID, wantNew.Hash, wantNew.Suffix = created.ID, parsed.Hash, parsed.Suffix
	wantNew.RotatedFrom, wantNew.CreatedAt, wantNew.UpdatedAt = &old.ID, now, now
	equal(t, created, wantNew)
	equal(t, w.stored(created), wantNew)

	lastUsed := now.Add(-time.Minute)
	wantOld := old
	wantOld.Active, wantOld.RevokeAt, wantOld.RotatedTo = false, &now, &created.ID
	wantOld.UpdatedAt, wantOld.Version, wantOld.LastUsedAt = now, 2, &lastUsed
	equal(t, rotated.Old, wantOld)
	equal(t, w.stored(old), wantOld)
	equal(t, w.dropped.take(), []keypin.KeyHash{old.Hash})
}

func TestDuringItsGraceTheOldKeyWorksAndThenItIsRevoked(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	old := w.create(call, "voices:read")
	rotated := w.rotate(call, old.ID, admin.Rotation{Grace: time.Hour})
	end := w.now().Add(time.Hour)
	equal(t, rotated.Old.State(w.now()), keypin.KeyUsable)
	equal(t, *rotated.Old.ExpiresAt, end)
	equal(t, rotated.New.Key.ExpiresAt, (*time.Time)(nil))

	_, err := w.RotateKey(t.Context(), call, old.ID, admin.Rotation{})
	expect(t, err, keypin.CodeConflict)

	// Its end does not move: neither to later nor to never.
	later, sooner, never := end.Add(time.Microsecond), end.Add(-time.Minute), (*time.Time)(nil)
	for _, at := range []*time.Time{&later, never} {
		_, err = w.UpdateKey(t.Context(), call, old.ID, admin.KeyPatch{ExpiresAt: &at})
		expectField(t, err, "body.expires_at")
	}
	for _, at := range []*time.Time{&end, &sooner, &end} {
		_, err = w.UpdateKey(t.Context(), call, old.ID, admin.KeyPatch{ExpiresAt: &at})
		must(t, err)
	}
	w.advance(time.Hour)
	stored := w.stored(old)
	equal(t, stored.State(w.now()), keypin.KeyRevoked)
	_, err = w.RotateKey(t.Context(), call, old.ID, admin.Rotation{})
	expect(t, err, keypin.CodeKeyRevoked)
	_, err = w.UpdateKey(t.Context(), call, old.ID, admin.KeyPatch{})
	expect(t, err, keypin.CodeKeyRevoked)
}

func TestAGraceDoesNotProlongAnEarlierExpiry(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	expires := w.now().Add(time.Minute)
	issued, err := w.CreateKey(t.Context(), call, admin.NewKey{Name: "n", ExpiresAt: &expires})
	must(t, err)
	rotated := w.rotate(call, issued.Key.ID, admin.Rotation{Grace: time.Hour})
	equal(t, *rotated.Old.ExpiresAt, expires)
	equal(t, *rotated.New.Key.ExpiresAt, expires)
}

func TestAClockThatIsSetBackRevivesNoKey(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	revoked, rotated, ended := w.create(call), w.create(call), w.create(call)
	next := w.rotate(call, ended.ID, admin.Rotation{Grace: time.Hour}).New.Key
	name, yes := "renamed", true
	for _, key := range []keypin.APIKey{revoked, rotated, next} { // changed after the clock that revokes them
		w.advance(time.Second)
		_, err := w.UpdateKey(t.Context(), call, key.ID, admin.KeyPatch{Name: &name})
		must(t, err)
	}
	w.advance(-2 * time.Second)
	_, err := w.RevokeKey(t.Context(), call, revoked.ID)
	must(t, err)
	w.rotate(call, rotated.ID, admin.Rotation{})
	w.rotate(call, next.ID, admin.Rotation{}) // and ends the grace of the one before
	for _, back := range []time.Duration{0, -time.Minute, -24 * time.Hour} {
		w.advance(back)
		for _, key := range []keypin.APIKey{revoked, rotated, ended, next} {
			_, err := w.UpdateKey(t.Context(), call, key.ID, admin.KeyPatch{Active: &yes})
			expect(t, err, keypin.CodeKeyRevoked)
			_, err = w.RotateKey(t.Context(), call, key.ID, admin.Rotation{})
			expect(t, err, keypin.CodeKeyRevoked)
			stored := w.stored(key)
			equal(t, stored.State(w.now()), keypin.KeyRevoked)
		}
		for status, want := range map[keypin.KeyStatus]int{keypin.StatusActive: 2, keypin.StatusRevoked: 4} {
			page, err := w.Keys(t.Context(), call, keypin.KeyQuery{Page: keypin.Page{Limit: 10}, Status: status})
			must(t, err)
			equal(t, []int{len(page.Keys), page.Total}, []int{want, want})
		}
	}
}

func TestAGraceIsGivenByAClockThatIsSetBackToo(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call)
	w.advance(-time.Hour)
	rotated := w.rotate(call, key.ID, admin.Rotation{Grace: time.Minute})
	equal(t, *rotated.Old.RevokeAt, key.UpdatedAt.Add(time.Minute))
	stored := w.stored(key)
	equal(t, stored.State(w.now()), keypin.KeyUsable)
}

func TestTheNewKeysExpiryIsInheritedClearedOrSet(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	expires, later, past := w.now().Add(time.Hour), w.now().Add(2*time.Hour), w.now()
	var never *time.Time
	set, over := &later, &past
	for _, each := range []struct {
		name string
		ask  **time.Time
		want *time.Time
		code keypin.Code
	}{
		{"inherited", nil, &expires, ok},
		{"cleared", &never, nil, ok},
		{"set", &set, &later, ok},
		{"over", &over, nil, keypin.CodeValidation},
	} {
		t.Run(each.name, func(t *testing.T) {
			issued, err := w.CreateKey(t.Context(), call, admin.NewKey{Name: "n", ExpiresAt: &expires})
			must(t, err)
			rotated, err := w.RotateKey(t.Context(), call, issued.Key.ID, admin.Rotation{ExpiresAt: each.ask})
			expect(t, err, each.code)
			equal(t, rotated.New.Key.ExpiresAt, each.want)
		})
	}
}

func TestRotatingTheNewKeyEndsTheFirstGraceAtOnce(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	first := w.create(call)
	second := w.rotate(call, first.ID, admin.Rotation{Grace: 24 * time.Hour}).New.Key
	w.dropped.take()
	w.advance(time.Hour)
	third := w.rotate(call, second.ID, admin.Rotation{Grace: time.Minute}).New.Key
	now := w.now()

	ended := w.stored(first)
	equal(t, ended.State(now), keypin.KeyRevoked)
	equal(t, *ended.RevokeAt, now)
	equal(t, ended.Active, false)
	inGrace := w.stored(second)
	equal(t, inGrace.State(now), keypin.KeyUsable)
	equal(t, *inGrace.RotatedTo, third.ID)
	equal(t, []keypin.ID{second.ChainID, third.ChainID}, []keypin.ID{first.ID, first.ID})
	equal(t, w.dropped.take(), []keypin.KeyHash{second.Hash, first.Hash})
	equal(t, w.actions(first.WorkspaceID), []string{"api_key.revoke", "api_key.rotate"})

	// A grace that is over already is left alone.
	w.advance(time.Hour)
	version := w.stored(second).Version
	w.rotate(call, third.ID, admin.Rotation{})
	equal(t, w.stored(second).Version, version)
}

func TestRevokingAKeyInItsGraceEndsIt(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	old := w.create(call)
	w.rotate(call, old.ID, admin.Rotation{Grace: time.Hour})
	w.advance(time.Minute)
	revoked, err := w.RevokeKey(t.Context(), call, old.ID)
	must(t, err)
	equal(t, *revoked.RevokeAt, w.now())
	equal(t, revoked.Active, false)
}

func TestOnlyAUsableKeyIsRotated(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	expires, no := w.now().Add(time.Minute), false
	revoked, suspended := w.create(call), w.create(call)
	expired, err := w.CreateKey(t.Context(), call, admin.NewKey{Name: "n", ExpiresAt: &expires})
	must(t, err)
	_, err = w.RevokeKey(t.Context(), call, revoked.ID)
	must(t, err)
	_, err = w.UpdateKey(t.Context(), call, suspended.ID, admin.KeyPatch{Active: &no})
	must(t, err)
	w.advance(time.Hour)
	for _, each := range []struct {
		id   keypin.ID
		want keypin.Code
	}{
		{revoked.ID, keypin.CodeKeyRevoked},
		{suspended.ID, keypin.CodeKeyInactive},
		{expired.Key.ID, keypin.CodeKeyExpired},
	} {
		_, err := w.RotateKey(t.Context(), call, each.id, admin.Rotation{})
		expect(t, err, each.want)
	}
	for _, grace := range []time.Duration{-time.Second, keypin.MaxGrace + time.Second} {
		_, err := w.RotateKey(t.Context(), call, revoked.ID, admin.Rotation{Grace: grace})
		expectField(t, err, "body.grace_period_seconds")
	}
}

func TestAKeyMayRotateItself(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call, "voices:read", keypin.ScopeKeysWrite)
	self := w.keyCall(key)
	rotated := w.rotate(self, key.ID, admin.Rotation{})
	equal(t, *rotated.New.Key.CreatedBy, call.Principal.UserID)
	_, err := w.RotateKey(t.Context(), self, rotated.New.Key.ID, admin.Rotation{})
	expect(t, err, keypin.CodeUnauthorized)
	w.rotate(w.keyCall(rotated.New.Key), rotated.New.Key.ID, admin.Rotation{})
}

func TestARotatedKeyStillBelongsToWhoCreatedIt(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	editor := w.join(call, "editor@example.com", keypin.RoleEditor)
	key := w.create(editor)
	next := w.rotate(call, key.ID, admin.Rotation{}).New.Key
	w.rotate(editor, next.ID, admin.Rotation{})
}
