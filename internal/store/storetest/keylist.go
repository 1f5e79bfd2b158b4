package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

func keyListTests() []test {
	return []test{
		{"AnUnknownWorkspaceHasNoKeys", anUnknownWorkspaceHasNoKeys},
		{"PagesJoinToTheWholeListInBothDirections", pagesJoinToTheWholeList},
		{"EverySortHasItsOrder", everySortHasItsOrder},
		{"FiltersMatchLiterally", filtersMatchLiterally},
		{"FiltersCombineAndAreCounted", filtersCombineAndAreCounted},
		{"TheHalvesFollowTheClock", theHalvesFollowTheClock},
		{"ManyKeysThatLapseAtOnceMoveToTheOtherHalf", manyKeysThatLapseAtOnce},
		{"TotalAndPageAreOfOneInstant", totalAndPageAreOfOneInstant},
		{"RandomChangesListAsTheModelDoes", randomChangesListAsTheModelDoes},
	}
}

// list reads a page that must come.
func (w *world) list(t testing.TB, workspace keypin.ID, query keypin.KeyQuery) keypin.KeyPage {
	t.Helper()
	if query.Now.IsZero() {
		query.Now = w.now
	}
	page, err := w.store.Keys(w.t.Context(), workspace, query)
	if err != nil {
		t.Fatalf("Keys: %v", err)
	}
	return page
}

func names(keys []keypin.APIKey) []string {
	all := make([]string, len(keys))
	for i, key := range keys {
		all[i] = key.Name
	}
	return all
}

func anUnknownWorkspaceHasNoKeys(t *testing.T, w *world) {
	w.key(w.workspace().ID)
	for _, status := range []keypin.KeyStatus{"", keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll} {
		wantEqual(t, keypin.KeyPage{}, w.list(t, w.id(), keypin.KeyQuery{Page: everything, Status: status}))
		wantEqual(t, keypin.KeyPage{}, w.list(t, w.id(), keypin.KeyQuery{Page: everything, Status: status, Text: "key"}))
	}
}

func pagesJoinToTheWholeList(t *testing.T, w *world) {
	workspace := w.workspace().ID
	var keys []*keypin.APIKey
	for i := range 29 { // some at the same instant, some ended
		key := w.newKey(workspace)
		key.CreatedAt = w.after(time.Duration(i/5) * time.Second)
		key.Active = i%3 != 0
		keys = append(keys, key)
	}
	w.insertKeys(keys...)
	for _, status := range []keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll} {
		for _, sort := range []keypin.KeySort{"", keypin.SortOldest} {
			query := keypin.KeyQuery{Status: status, Sort: sort, Now: w.now}
			want := expectedKeys(values(keys), query)
			for offset := range len(want) + 2 {
				for _, limit := range []int{1, 7} {
					query.Page = keypin.Page{Offset: offset, Limit: limit}
					got := w.list(t, workspace, query)
					end := min(offset+limit, len(want))
					if got.Total != len(want) || !slices.Equal(names(got.Keys), names(want[min(offset, end):end])) {
						t.Fatalf("%s by %q from %d, %d: got %d %v, want %d %v", status, sort, offset, limit,
							got.Total, names(got.Keys), len(want), names(want[min(offset, end):end]))
					}
				}
			}
		}
	}
	far := w.list(t, workspace, keypin.KeyQuery{Page: keypin.Page{Offset: 1e18, Limit: 100}})
	wantEqual(t, keypin.KeyPage{Total: len(keys)}, far)
}

func everySortHasItsOrder(t *testing.T, w *world) {
	workspace := w.workspace().ID
	var keys []*keypin.APIKey
	for i, name := range []string{"beta", "Alpha", "émile", "alpha", "_", "BETA", "日本", "🔑"} {
		key := w.newKey(workspace)
		key.Name, key.CreatedAt = name, w.after(time.Duration(i)*time.Second)
		if i%2 == 1 {
			key.LastUsedAt = pointer(w.after(time.Duration(10-i/4) * time.Minute))
		}
		keys = append(keys, key)
	}
	w.insertKeys(keys...)
	for sort, want := range map[keypin.KeySort][]string{
		keypin.SortNewest:            {"🔑", "日本", "BETA", "_", "alpha", "émile", "Alpha", "beta"},
		keypin.SortOldest:            {"beta", "Alpha", "émile", "alpha", "_", "BETA", "日本", "🔑"},
		keypin.SortName:              {"_", "alpha", "Alpha", "BETA", "beta", "émile", "日本", "🔑"},
		keypin.SortNameReverse:       {"🔑", "日本", "émile", "BETA", "beta", "alpha", "Alpha", "_"},
		keypin.SortLastUsed:          {"alpha", "Alpha", "🔑", "BETA", "日本", "_", "émile", "beta"},
		keypin.SortLeastRecentlyUsed: {"日本", "_", "émile", "beta", "🔑", "BETA", "alpha", "Alpha"},
	} {
		var got []string
		for offset := 0; offset < len(keys); offset += 3 {
			got = append(got, names(w.list(t, workspace, keypin.KeyQuery{Page: keypin.Page{Offset: offset, Limit: 3}, Sort: sort}).Keys)...)
		}
		t.Run(string(sort), func(t *testing.T) { wantEqual(t, want, got) })
	}
	wantEqual(t, 6, len(keypin.KeySorts()))
}

func filtersMatchLiterally(t *testing.T, w *world) {
	workspace := w.workspace().ID
	var keys []*keypin.APIKey
	for i, name := range []string{"100% sure", "under_score", "Éclair", "back\\slash", "star*", "quote'", "Plain"} {
		key := w.newKey(workspace)
		key.Name, key.CreatedAt, key.Suffix = name, w.after(-time.Duration(i)*time.Second), "00000"+string(rune('a'+i))
		keys = append(keys, key)
	}
	w.insertKeys(keys...)
	for text, want := range map[string][]string{
		"%":      {"100% sure"},
		"_":      {"under_score"},
		"\\":     {"back\\slash"},
		"*":      {"star*"},
		"'":      {"quote'"},
		"PLAI":   {"Plain"},
		"éclair": nil, // only ASCII letters are folded
		"Éclair": {"Éclair"},
		"00000c": {"Éclair"},
		"0a":     {"100% sure"},
		"none":   nil,
		"; --":   nil,
	} {
		page := w.list(t, workspace, keypin.KeyQuery{Page: everything, Text: text})
		t.Run(fmt.Sprintf("%q", text), func(t *testing.T) {
			wantEqual(t, want, names(page.Keys))
			wantEqual(t, len(want), page.Total)
		})
	}
}

func filtersCombineAndAreCounted(t *testing.T, w *world) {
	workspace, creators := w.workspace().ID, []keypin.ID{w.user().ID, w.user().ID}
	scopes := []keypin.Scope{"voices:read", "voices:write", "catalog:read"}
	var keys []*keypin.APIKey
	for i := range 48 {
		key := w.newKey(workspace)
		key.CreatedAt = w.after(time.Duration(i) * time.Second)
		key.Type = keypin.KeyTypes()[i%3]
		key.Scopes = scopes[:i%4]
		key.Active = i%5 > 0
		if i%7 > 0 {
			key.CreatedBy = &creators[i%2]
		}
		keys = append(keys, key)
	}
	w.insertKeys(keys...)
	for _, status := range []keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll} {
		for _, text := range []string{"", "KEY 1"} {
			for _, keyType := range []keypin.KeyType{"", keypin.KeyTest} {
				for _, scope := range []keypin.Scope{"", "voices:write", "voices:", "read"} {
					for _, creator := range []*keypin.ID{nil, &creators[0], {}} {
						for _, page := range []keypin.Page{everything, {Offset: 2, Limit: 3}} {
							query := keypin.KeyQuery{Page: page, Status: status, Now: w.now, Text: text, Type: keyType, Scope: scope, CreatedBy: creator}
							wantPage(t, values(keys), query, w.list(t, workspace, query))
						}
					}
				}
			}
		}
	}
}

func theHalvesFollowTheClock(t *testing.T, w *world) {
	workspace := w.workspace().ID
	expires, revoked, both, never, suspended := w.newKey(workspace), w.newKey(workspace), w.newKey(workspace), w.newKey(workspace), w.newKey(workspace)
	final, finalLater := w.newKey(workspace), w.newKey(workspace) // revoked by their last change: at any instant
	final.RevokeAt, final.UpdatedAt = pointer(w.after(2*time.Hour)), w.after(2*time.Hour)
	finalLater.RevokeAt, finalLater.UpdatedAt, finalLater.ExpiresAt = pointer(w.after(time.Hour)), w.after(3*time.Hour), pointer(w.after(time.Minute))
	expires.ExpiresAt, revoked.RevokeAt = pointer(w.after(time.Hour)), pointer(w.after(2*time.Hour))
	both.ExpiresAt, both.RevokeAt = pointer(w.after(4*time.Hour)), pointer(w.after(3*time.Hour))
	suspended.Active, suspended.ExpiresAt = false, pointer(w.after(time.Hour))
	keys := []*keypin.APIKey{expires, revoked, both, never, suspended, final, finalLater}
	w.insertKeys(keys...)
	// There and back again: what a list remembers must not make the next one wrong.
	for _, hours := range []int{0, 1, 2, 3, 4, 2, 0, -1, 3} {
		for _, offset := range []time.Duration{-time.Microsecond, 0, time.Microsecond} {
			for _, status := range []keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll} {
				query := keypin.KeyQuery{Page: everything, Status: status, Now: w.after(time.Duration(hours)*time.Hour + offset)}
				wantPage(t, values(keys), query, w.list(t, workspace, query))
			}
		}
	}
}

func manyKeysThatLapseAtOnce(t *testing.T, w *world) {
	workspace := w.workspace().ID
	var keys []*keypin.APIKey
	for i := range 600 {
		key := w.newKey(workspace)
		key.CreatedAt = w.after(time.Duration(i) * time.Millisecond)
		if i%10 > 0 {
			key.ExpiresAt = pointer(w.after(time.Hour))
		}
		keys = append(keys, key)
	}
	w.insertKeys(keys...)
	for round := range 30 {
		for _, status := range []keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked} {
			query := keypin.KeyQuery{Page: keypin.Page{Offset: round * 20, Limit: 10}, Status: status, Now: w.after(time.Hour)}
			if round > 20 { // and the clock is set back
				query.Now = w.now
			}
			wantPage(t, values(keys), query, w.list(t, workspace, query))
		}
	}
	// What lists did on the way must leave the keys changeable, and counted.
	for _, key := range keys[:100] {
		w.updateKey(key, func(k *keypin.APIKey) { k.ExpiresAt, k.UpdatedAt = nil, w.after(2*time.Hour) })
	}
	page := w.list(t, workspace, keypin.KeyQuery{Page: everything, Status: keypin.StatusActive, Now: w.after(2 * time.Hour)})
	wantEqual(t, 150, page.Total)
}

func totalAndPageAreOfOneInstant(t *testing.T, w *world) {
	workspace := w.workspace().ID
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	keys := make([]*keypin.APIKey, 90)
	for i := range keys {
		keys[i] = w.newKey(workspace)
	}
	go func() {
		for _, key := range keys {
			if err := w.store.Tx(ctx, func(tx keypin.Tx) error { return tx.InsertKey(ctx, key) }); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	defer stop()
	for {
		page := w.list(t, workspace, keypin.KeyQuery{Page: everything, Status: keypin.StatusActive})
		if len(page.Keys) != page.Total {
			t.Errorf("got %d keys and a total of %d", len(page.Keys), page.Total)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
	}
}
