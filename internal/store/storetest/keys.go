package storetest

import (
	"net/netip"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

func keyTests() []test {
	return []test{
		{"AKeyComesBackAsItWasWritten", aKeyComesBackAsItWasWritten},
		{"AKeyWithOnlyWhatItNeedsComesBackSo", aKeyWithOnlyWhatItNeedsComesBackSo},
		{"TimesKeepTheirMicrosecondsAndAreInUTC", timesKeepTheirMicroseconds},
		{"AKeyThatIsNotThereIsNotFound", aKeyThatIsNotThereIsNotFound},
		{"ASecondKeyWithTheSameIDOrHashIsAConflict", aSecondKeyWithTheSameIDOrHashIsAConflict},
		{"UpdateKeyWritesItsFieldsAndNoOther", updateKeyWritesItsFieldsAndNoOther},
		{"UpdateKeyClearsWhatIsNil", updateKeyClearsWhatIsNil},
		{"UpdateKeyOfNoKeyIsNotFound", updateKeyOfNoKeyIsNotFound},
		{"TouchKeyOnlyMovesForward", touchKeyOnlyMovesForward},
		{"TheKeysOfADeletedWorkspaceAreRevoked", theKeysOfADeletedWorkspaceAreRevoked},
	}
}

// fullKey has every field set, to values that a careless column would spoil.
func (w *world) fullKey(workspace, creator keypin.ID) *keypin.APIKey {
	key := w.newKey(workspace)
	key.ChainID = w.id()
	key.CreatedBy = &creator
	key.Name = "ключ 🔑 e\u0301 %_'\"\\ ﷽"
	key.Type, key.Prefix, key.Suffix = keypin.KeyReadOnly, "mkapi", "zZ9aB8"
	key.Scopes = []keypin.Scope{"workflows:read", "api-keys:read", "voices:read"}
	key.Active = false
	key.RevokeAt, key.ExpiresAt, key.LastUsedAt = pointer(w.after(time.Hour)), pointer(w.after(2*time.Hour)), pointer(w.after(-time.Second))
	key.RateLimit = pointer(keypin.MaxRateLimit)
	key.AllowedIPs = []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("192.0.2.7/32"),
	}
	key.Metadata = map[string]string{"équipe": "π\n<&>", "": "", "a\"b": "日本"}
	key.RotatedFrom, key.RotatedTo = pointer(w.id()), pointer(w.id())
	key.UpdatedAt = w.after(time.Minute)
	key.Version = 1 << 40
	return key
}

func aKeyComesBackAsItWasWritten(t *testing.T, w *world) {
	key := w.fullKey(w.workspace().ID, w.user().ID)
	w.insertKeys(key)
	wantFound(t, key)(w.store.Key(t.Context(), key.WorkspaceID, key.ID))
	wantFound(t, key)(w.store.KeyByHash(t.Context(), key.Hash))
	page, err := w.store.Keys(t.Context(), key.WorkspaceID, keypin.KeyQuery{Page: everything, Status: keypin.StatusAll, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	wantEqual(t, keypin.KeyPage{Keys: []keypin.APIKey{*key}, Total: 1}, page)
}

func aKeyWithOnlyWhatItNeedsComesBackSo(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	wantFound(t, key)(w.store.Key(t.Context(), key.WorkspaceID, key.ID))
	wantFound(t, key)(w.store.KeyByHash(t.Context(), key.Hash))
}

func timesKeepTheirMicroseconds(t *testing.T, w *world) {
	fine := w.now.Add(789 * time.Nanosecond).In(time.FixedZone("far", 9*3600))
	key := w.newKey(w.workspace().ID)
	key.CreatedAt, key.UpdatedAt, key.ExpiresAt = fine, time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC), pointer(time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC))
	w.insertKeys(key)
	got, err := w.store.Key(t.Context(), key.WorkspaceID, key.ID)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]time.Time{
		"finer than a microsecond": {keypin.Timestamp(fine), got.CreatedAt},
		"before 1970":              {key.UpdatedAt, got.UpdatedAt},
		"far away":                 {*key.ExpiresAt, *got.ExpiresAt},
	} {
		if pair[0] != pair[1] { // the zone too
			t.Errorf("%s: got %v, want %v", name, pair[1], pair[0])
		}
	}
}

func aKeyThatIsNotThereIsNotFound(t *testing.T, w *world) {
	workspace := w.workspace()
	w.key(workspace.ID)
	wantNotFound(t, none(w.store.Key(t.Context(), workspace.ID, w.id())))
	wantNotFound(t, none(w.store.Key(t.Context(), w.id(), w.id())))
	wantNotFound(t, none(w.store.KeyByHash(t.Context(), w.hash())))
	wantNotFound(t, none(w.store.KeyByHash(t.Context(), keypin.KeyHash{})))
}

func aSecondKeyWithTheSameIDOrHashIsAConflict(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	other := w.workspace()
	sameID, sameHash := w.newKey(other.ID), w.newKey(other.ID)
	sameID.ID, sameHash.Hash = key.ID, key.Hash
	for _, second := range []*keypin.APIKey{sameID, sameHash} {
		w.refused(keypin.CodeConflict, func(tx keypin.Tx) error { return tx.InsertKey(t.Context(), second) })
	}
	wantFound(t, key)(w.store.KeyByHash(t.Context(), key.Hash))
	wantNotFound(t, none(w.store.KeyByHash(t.Context(), sameID.Hash)))
}

func updateKeyWritesItsFieldsAndNoOther(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	changed := w.fullKey(key.WorkspaceID, w.user().ID)
	changed.ID = key.ID
	w.tx(func(tx keypin.Tx) error { return tx.UpdateKey(t.Context(), changed) })

	want := *changed
	want.ChainID, want.Hash, want.Prefix, want.Suffix, want.Type = key.ChainID, key.Hash, key.Prefix, key.Suffix, key.Type
	want.CreatedBy, want.CreatedAt, want.LastUsedAt = key.CreatedBy, key.CreatedAt, key.LastUsedAt
	wantFound(t, &want)(w.store.Key(t.Context(), key.WorkspaceID, key.ID))
	wantNotFound(t, none(w.store.KeyByHash(t.Context(), changed.Hash)))
}

func updateKeyClearsWhatIsNil(t *testing.T, w *world) {
	key := w.fullKey(w.workspace().ID, w.user().ID)
	w.insertKeys(key)
	cleared := w.updateKey(key, func(k *keypin.APIKey) {
		k.RevokeAt, k.ExpiresAt, k.RateLimit, k.RotatedFrom, k.RotatedTo = nil, nil, nil, nil, nil
		k.AllowedIPs, k.Metadata, k.Scopes = nil, nil, nil
	})
	wantFound(t, cleared)(w.store.Key(t.Context(), key.WorkspaceID, key.ID))
}

func updateKeyOfNoKeyIsNotFound(t *testing.T, w *world) {
	w.refused(keypin.CodeNotFound, func(tx keypin.Tx) error { return tx.UpdateKey(t.Context(), w.newKey(w.id())) })
}

func touchKeyOnlyMovesForward(t *testing.T, w *world) {
	key, other := w.key(w.workspace().ID), w.key(w.workspace().ID)
	for _, step := range []struct{ at, want time.Duration }{{time.Minute, time.Minute}, {time.Second, time.Minute}, {time.Hour, time.Hour}} {
		w.tx(func(tx keypin.Tx) error {
			return tx.TouchKey(t.Context(), keypin.LastUse{KeyID: key.ID, At: w.after(step.at)})
		})
		want := *key
		want.LastUsedAt = pointer(w.after(step.want))
		wantFound(t, &want)(w.store.Key(t.Context(), key.WorkspaceID, key.ID))
	}
	wantFound(t, other)(w.store.Key(t.Context(), other.WorkspaceID, other.ID))
	w.tx(func(tx keypin.Tx) error { return tx.TouchKey(t.Context(), keypin.LastUse{KeyID: w.id(), At: w.now}) })
}

func theKeysOfADeletedWorkspaceAreRevoked(t *testing.T, w *world) {
	workspace := w.workspace()
	deletion := w.after(time.Hour)
	plain, sooner, later := w.newKey(workspace.ID), w.newKey(workspace.ID), w.newKey(workspace.ID)
	sooner.RevokeAt, later.RevokeAt = pointer(w.after(time.Minute)), pointer(w.after(24*time.Hour))
	elsewhere := w.newKey(w.workspace().ID)
	w.insertKeys(plain, sooner, later, elsewhere)
	w.delete(workspace, deletion)

	for name, c := range map[string]struct {
		key  *keypin.APIKey
		want *time.Time
	}{
		"not revoked before": {plain, &deletion}, "revoked before": {sooner, sooner.RevokeAt},
		"to be revoked after": {later, &deletion}, "of another workspace": {elsewhere, nil},
	} {
		got, err := w.store.KeyByHash(t.Context(), c.key.Hash)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Run(name, func(t *testing.T) {
			wantEqual(t, c.want, got.RevokeAt)
			for _, now := range []time.Time{{}, w.now, deletion.Add(-time.Microsecond), deletion} { // and a clock that is set back
				wantEqual(t, c.want != nil, got.State(now) == keypin.KeyRevoked)
			}
		})
	}
}
