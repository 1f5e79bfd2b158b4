package storetest

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keypin/keypin/internal/keypin"
)

// expectedKeys answers the query, all but its page, by looking at every key.
func expectedKeys(keys []keypin.APIKey, query keypin.KeyQuery) []keypin.APIKey {
	var matching []keypin.APIKey
	for _, key := range keys {
		if matches(&key, query) {
			matching = append(matching, key)
		}
	}
	slices.SortFunc(matching, func(a, b keypin.APIKey) int { return compare(&a, &b, query.Sort) })
	return matching
}

func matches(key *keypin.APIKey, query keypin.KeyQuery) bool {
	usable := key.State(query.Now) == keypin.KeyUsable
	switch {
	case query.Status == keypin.StatusActive && !usable, query.Status == keypin.StatusRevoked && usable:
		return false
	case query.Text != "" && !strings.Contains(lowerASCII(key.Name), lowerASCII(query.Text)) && !strings.Contains(key.Suffix, query.Text):
		return false
	case query.Type != "" && key.Type != query.Type:
		return false
	case query.Scope != "" && !slices.Contains(key.Scopes, query.Scope):
		return false
	case query.CreatedBy != nil && (key.CreatedBy == nil || *key.CreatedBy != *query.CreatedBy):
		return false
	}
	return true
}

func compare(a, b *keypin.APIKey, sort keypin.KeySort) int {
	newest := b.CreatedAt.Compare(a.CreatedAt)
	if newest == 0 {
		newest = bytes.Compare(b.ID[:], a.ID[:])
	}
	c := 0
	switch sort {
	case keypin.SortOldest:
		return -newest
	case keypin.SortName:
		c = strings.Compare(lowerASCII(a.Name), lowerASCII(b.Name))
	case keypin.SortNameReverse:
		c = strings.Compare(lowerASCII(b.Name), lowerASCII(a.Name))
	case keypin.SortLastUsed:
		c = lastUsed(b).Compare(lastUsed(a))
	case keypin.SortLeastRecentlyUsed:
		c = lastUsed(a).Compare(lastUsed(b))
	default: // newest first
	}
	if c != 0 {
		return c
	}
	return newest
}

func lastUsed(key *keypin.APIKey) time.Time {
	if key.LastUsedAt == nil {
		return time.Time{}
	}
	return *key.LastUsedAt
}

func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// wantPage wants the page that the model would give.
func wantPage(t fataler, keys []keypin.APIKey, query keypin.KeyQuery, got keypin.KeyPage) {
	t.Helper()
	matching := expectedKeys(keys, query)
	end := min(query.Offset+query.Limit, len(matching))
	want := matching[min(query.Offset, end):end]
	if got.Total != len(matching) || !slices.Equal(ids(got.Keys), ids(want)) {
		t.Fatalf("%+v: got a total of %d, want %d; keys (-want +got)\n%s", query, got.Total, len(matching), cmp.Diff(ids(want), ids(got.Keys)))
	}
}

// fataler is what a testing.TB and a rapid.T have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func ids(keys []keypin.APIKey) []keypin.ID {
	all := make([]keypin.ID, len(keys))
	for i, key := range keys {
		all[i] = key.ID
	}
	return all
}

// randomChangesListAsTheModelDoes changes keys at random, while the clock goes on and
// sometimes back, and compares every list with the model's.
func randomChangesListAsTheModelDoes(t *testing.T, w *world) {
	creators := []keypin.ID{w.user().ID, w.user().ID}
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{world: w, workspace: w.workspace().ID, now: w.now, creators: creators}
		steps := map[string]func(*rapid.T){
			"insert": m.insert, "change": m.change, "touch": m.touch, "wait": m.wait, "filter": m.filter, "check": m.check,
		}
		// Not rapid's Repeat, whose steps are three times as many: each change waits for the disk.
		for _, step := range rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(steps))), 6, 14).Draw(rt, "steps") {
			steps[step](rt)
		}
		m.check(rt)
	})
}

// model is a workspace's keys, kept beside the store's.
type model struct {
	*world
	workspace keypin.ID
	keys      []keypin.APIKey
	now       time.Time
	creators  []keypin.ID
}

// instant draws an instant around now, or none.
func (m *model) instant(rt *rapid.T, name string) *time.Time {
	if rapid.Bool().Draw(rt, name+" is set") {
		return pointer(m.now.Add(time.Duration(rapid.IntRange(-3, 6).Draw(rt, name)) * time.Second))
	}
	return nil
}

func (m *model) insert(rt *rapid.T) {
	var keys []*keypin.APIKey
	for range rapid.SampledFrom([]int{1, 2, 25}).Draw(rt, "keys") {
		key := m.newKey(m.workspace)
		key.Name = rapid.SampledFrom([]string{"a", "A", "ab", "B%", "b_", "é"}).Draw(rt, "name")
		key.Type = rapid.SampledFrom(keypin.KeyTypes()).Draw(rt, "type")
		key.Scopes = rapid.SampledFrom([][]keypin.Scope{nil, {"voices:read"}, {"voices:read", "catalog:read"}}).Draw(rt, "scopes")
		key.CreatedBy = rapid.SampledFrom([]*keypin.ID{nil, &m.creators[0], &m.creators[1]}).Draw(rt, "creator")
		key.Active = rapid.Bool().Draw(rt, "active")
		key.ExpiresAt, key.RevokeAt = m.instant(rt, "expiry"), m.instant(rt, "revocation")
		key.CreatedAt, key.UpdatedAt = m.now, m.now
		keys = append(keys, key)
	}
	m.insertKeys(keys...)
	m.keys = append(m.keys, values(keys)...)
}

// pick draws one of the keys, of which there is one then.
func (m *model) pick(rt *rapid.T) *keypin.APIKey {
	if len(m.keys) == 0 {
		m.insert(rt)
	}
	return &m.keys[rapid.IntRange(0, len(m.keys)-1).Draw(rt, "key")]
}

func (m *model) change(rt *rapid.T) {
	key := m.pick(rt)
	*key = *m.updateKey(key, func(k *keypin.APIKey) {
		k.Active = rapid.Bool().Draw(rt, "active")
		k.ExpiresAt, k.RevokeAt = m.instant(rt, "expiry"), m.instant(rt, "revocation")
		k.UpdatedAt = m.now
		k.Version++
	})
}

func (m *model) touch(rt *rapid.T) {
	key, at := m.pick(rt), m.now
	m.tx(func(tx keypin.Tx) error { return tx.TouchKey(m.t.Context(), keypin.LastUse{KeyID: key.ID, At: at}) })
	if lastUsed(key).Before(at) {
		key.LastUsedAt = &at
	}
}

func (m *model) wait(rt *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(-2, 5).Draw(rt, "seconds")) * time.Second)
}

func (m *model) filter(rt *rapid.T) {
	m.compare(rt, keypin.KeyQuery{
		Page:      keypin.Page{Offset: rapid.IntRange(0, len(m.keys)+1).Draw(rt, "offset"), Limit: rapid.IntRange(1, 100).Draw(rt, "limit")},
		Status:    rapid.SampledFrom([]keypin.KeyStatus{"", keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll}).Draw(rt, "status"),
		Text:      rapid.SampledFrom([]string{"", "a", "%", "É", "x0"}).Draw(rt, "text"),
		Type:      rapid.SampledFrom(append(keypin.KeyTypes(), "")).Draw(rt, "type"),
		Scope:     rapid.SampledFrom([]keypin.Scope{"", "voices:read", "catalog:read"}).Draw(rt, "scope"),
		CreatedBy: rapid.SampledFrom([]*keypin.ID{nil, &m.creators[0], &m.creators[1]}).Draw(rt, "creator"),
		Sort:      rapid.SampledFrom(append(keypin.KeySorts(), "")).Draw(rt, "sort"),
	})
}

// check compares a list such as everybody asks for, from somewhere in it.
func (m *model) check(rt *rapid.T) {
	m.compare(rt, keypin.KeyQuery{
		Page:   keypin.Page{Offset: rapid.IntRange(0, len(m.keys)).Draw(rt, "offset"), Limit: 10},
		Status: rapid.SampledFrom([]keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll}).Draw(rt, "status"),
	})
}

func (m *model) compare(rt *rapid.T, query keypin.KeyQuery) {
	query.Now = m.now
	page, err := m.store.Keys(m.t.Context(), m.workspace, query)
	if err != nil {
		rt.Fatalf("Keys: %v", err)
	}
	wantPage(rt, m.keys, query, page)
}

var _ fataler = testing.TB(nil)
