package storetest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keypin/keypin/internal/keypin"
)

func usageTests() []test {
	return []test{
		{"CountsAddUpInEveryStep", countsAddUpInEveryStep},
		{"AQueryEndsWhereItSays", aQueryEndsWhereItSays},
		{"CountsOfOneCallAddUpToo", countsOfOneCallAddUpToo},
		{"CountsOfWhatIsGoneAreNoError", countsOfWhatIsGoneAreNoError},
		{"CountsThatFailLeaveNothing", countsThatFailLeaveNothing},
		{"WhatIsOlderThanTheRetentionGoesAway", whatIsOlderThanTheRetentionGoesAway},
		{"OldCountsGoAwayFasterThanNewOnesCome", oldCountsGoAwayFasterThanNewOnesCome},
		{"TheTopKeysAreTheMostUsedOnes", theTopKeysAreTheMostUsedOnes},
		{"ATopKeyIsTheNewestOfItsChain", aTopKeyIsTheNewestOfItsChain},
		{"TopKeysCountTheWholeRangeAndNoMore", topKeysCountTheWholeRangeAndNoMore},
		{"TheLastUseIsTheLatest", theLastUseIsTheLatest},
		{"AKeyThatWasNeverUsedHasNoLastUse", aKeyThatWasNeverUsedHasNoLastUse},
	}
}

// use is a count of one chain.
func (w *world) use(key *keypin.APIKey, at time.Time, code string, count int64) keypin.UsageCount {
	return keypin.UsageCount{WorkspaceID: key.WorkspaceID, ChainID: key.ChainID, Minute: keypin.UsageMinute.Floor(at), Code: code, Count: count}
}

func (w *world) addUsage(counts ...keypin.UsageCount) {
	w.t.Helper()
	w.tx(func(tx keypin.Tx) error { return tx.AddUsage(w.t.Context(), counts) })
}

// span asks for all buckets that [from, to) touches.
func span(step keypin.UsageStep, from, to time.Time) keypin.UsageQuery {
	return keypin.UsageQuery{From: step.Floor(from), To: step.Ceil(to), Step: step}
}

// wantUsage wants the same of the chain and, for it is the only one, of its workspace.
func (w *world) wantUsage(key *keypin.APIKey, query keypin.UsageQuery, want ...keypin.UsagePoint) {
	w.t.Helper()
	of, err := w.store.ChainUsage(w.t.Context(), key.WorkspaceID, key.ChainID, query)
	wantCode(w.t, "", err)
	wantEqual(w.t, want, of)
	all, err := w.store.WorkspaceUsage(w.t.Context(), key.WorkspaceID, query)
	wantCode(w.t, "", err)
	wantEqual(w.t, want, all)
}

func countsAddUpInEveryStep(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	noon := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	w.addUsage(w.use(key, noon, "valid", 3), w.use(key, noon, "revoked", 1))
	w.addUsage(w.use(key, noon, "valid", 1<<40))
	w.addUsage(w.use(key, noon.Add(time.Minute), "valid", 5), w.use(key, noon.Add(time.Hour), "expired", 7), w.use(key, noon.Add(24*time.Hour), "valid", 9))

	w.wantUsage(key, span(keypin.UsageMinute, noon, noon.Add(24*time.Hour)),
		keypin.UsagePoint{At: noon, Counts: map[string]int64{"valid": 3 + 1<<40, "revoked": 1}},
		keypin.UsagePoint{At: noon.Add(time.Minute), Counts: map[string]int64{"valid": 5}},
		keypin.UsagePoint{At: noon.Add(time.Hour), Counts: map[string]int64{"expired": 7}})
	w.wantUsage(key, span(keypin.UsageHour, noon, noon.Add(25*time.Hour)),
		keypin.UsagePoint{At: noon, Counts: map[string]int64{"valid": 8 + 1<<40, "revoked": 1}},
		keypin.UsagePoint{At: noon.Add(time.Hour), Counts: map[string]int64{"expired": 7}},
		keypin.UsagePoint{At: noon.Add(24 * time.Hour), Counts: map[string]int64{"valid": 9}})
	w.wantUsage(key, span(keypin.UsageDay, noon, noon.Add(24*time.Hour)),
		keypin.UsagePoint{At: noon.Add(-12 * time.Hour), Counts: map[string]int64{"valid": 8 + 1<<40, "revoked": 1, "expired": 7}},
		keypin.UsagePoint{At: noon.Add(12 * time.Hour), Counts: map[string]int64{"valid": 9}})
}

func aQueryEndsWhereItSays(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	noon := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	for minute := -1; minute <= 2; minute++ {
		w.addUsage(w.use(key, noon.Add(time.Duration(minute)*time.Minute), "valid", int64(minute+10)))
	}
	w.wantUsage(key, span(keypin.UsageMinute, noon, noon.Add(2*time.Minute)),
		keypin.UsagePoint{At: noon, Counts: map[string]int64{"valid": 10}},
		keypin.UsagePoint{At: noon.Add(time.Minute), Counts: map[string]int64{"valid": 11}})
	w.wantUsage(key, keypin.UsageQuery{From: noon, To: noon, Step: keypin.UsageMinute})
}

func countsOfOneCallAddUpToo(t *testing.T, w *world) {
	workspace := w.workspace().ID
	one, two := w.key(workspace), w.key(workspace)
	var counts []keypin.UsageCount
	for range 3 {
		counts = append(counts, w.use(one, w.now, "valid", 2), w.use(two, w.now, "valid", 5))
	}
	w.addUsage(counts...)
	for key, want := range map[*keypin.APIKey]int64{one: 6, two: 15} {
		got, err := w.store.ChainUsage(t.Context(), workspace, key.ChainID, span(keypin.UsageHour, w.now, w.now.Add(1)))
		wantCode(t, "", err)
		wantEqual(t, []keypin.UsagePoint{{At: keypin.UsageHour.Floor(w.now), Counts: map[string]int64{"valid": want}}}, got)
	}
	all, err := w.store.WorkspaceUsage(t.Context(), workspace, span(keypin.UsageDay, w.now, w.now.Add(1)))
	wantCode(t, "", err)
	wantEqual(t, []keypin.UsagePoint{{At: keypin.UsageDay.Floor(w.now), Counts: map[string]int64{"valid": 21}}}, all)
	w.addUsage() // nothing is no error
}

func countsOfWhatIsGoneAreNoError(t *testing.T, w *world) {
	nobody := w.newKey(w.id())
	w.addUsage(w.use(nobody, w.now, "valid", 1))
	top, err := w.store.TopKeys(t.Context(), nobody.WorkspaceID, span(keypin.UsageHour, w.now, w.now.Add(1)), keypin.MaxTopKeys)
	wantCode(t, "", err)
	wantEqual(t, nil, top)
	workspace := w.workspace()
	key := w.key(workspace.ID)
	w.delete(workspace, w.now)
	w.addUsage(w.use(key, w.now, "revoked", 1))
}

func countsThatFailLeaveNothing(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	w.refused(keypin.CodeConflict, func(tx keypin.Tx) error {
		if err := tx.AddUsage(t.Context(), []keypin.UsageCount{w.use(key, w.now, "valid", 1)}); err != nil {
			return err
		}
		return keypin.E(keypin.CodeConflict, "Something else failed.")
	})
	w.wantUsage(key, span(keypin.UsageDay, w.now, w.now.Add(1)))
}

func whatIsOlderThanTheRetentionGoesAway(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	for _, step := range keypin.UsageSteps() {
		oldest := step.Oldest(w.now)
		w.addUsage(w.use(key, oldest.Add(-time.Minute), "valid", 1), w.use(key, oldest, "valid", 2))
	}
	w.addUsage(w.use(key, w.now, "valid", 4)) // it sees that the others are old
	for _, step := range keypin.UsageSteps() {
		oldest := step.Oldest(w.now)
		points, err := w.store.ChainUsage(t.Context(), key.WorkspaceID, key.ChainID, span(step, oldest.Add(-step.Width()), oldest.Add(step.Width())))
		wantCode(t, "", err)
		if len(points) != 1 || !points[0].At.Equal(oldest) || points[0].Counts["valid"] != 2 {
			t.Errorf("%s: of the bucket before %v and this one are left %v", step, oldest, points)
		}
	}
}

func oldCountsGoAwayFasterThanNewOnesCome(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	long := w.now.Add(-1000 * time.Hour)
	var old []keypin.UsageCount
	for i := range 500 {
		old = append(old, w.use(key, long.Add(time.Duration(i)*time.Minute), "valid", 1))
	}
	w.addUsage(old...)
	for range 20 {
		w.addUsage(w.use(key, w.now, "valid", 1))
	}
	w.wantUsage(key, span(keypin.UsageMinute, long, long.Add(500*time.Minute)))
}

// usedKeys makes n keys, of which each is used more than the one before.
func (w *world) usedKeys(workspace keypin.ID, n int, at time.Time) []*keypin.APIKey {
	w.t.Helper()
	keys := make([]*keypin.APIKey, n)
	var counts []keypin.UsageCount
	for i := range keys {
		keys[i] = w.newKey(workspace)
		counts = append(counts, w.use(keys[i], at, "valid", int64(10*i+1)), w.use(keys[i], at, "rate_limited", 2))
	}
	w.insertKeys(keys...)
	w.addUsage(counts...)
	return keys
}

func theTopKeysAreTheMostUsedOnes(t *testing.T, w *world) {
	workspace := w.workspace().ID
	keys := w.usedKeys(workspace, keypin.MaxTopKeys+3, w.now)
	w.usedKeys(w.workspace().ID, 3, w.now)
	top, err := w.store.TopKeys(t.Context(), workspace, span(keypin.UsageMinute, w.now, w.now.Add(1)), keypin.MaxTopKeys)
	wantCode(t, "", err)
	var want []keypin.KeyUsage
	for i, key := range slices.Backward(keys) {
		if len(want) < keypin.MaxTopKeys {
			want = append(want, keypin.KeyUsage{ChainID: key.ChainID, KeyID: key.ID, Name: key.Name, Total: int64(10*i + 3),
				Counts: map[string]int64{"valid": int64(10*i + 1), "rate_limited": 2}})
		}
	}
	wantEqual(t, want, top)
}

func aTopKeyIsTheNewestOfItsChain(t *testing.T, w *world) {
	workspace := w.workspace().ID
	first, second, third := w.newKey(workspace), w.newKey(workspace), w.newKey(workspace)
	second.ChainID, third.ChainID = first.ID, first.ID
	first.RotatedTo, second.RotatedFrom = &second.ID, &first.ID
	second.RotatedTo, third.RotatedFrom = &third.ID, &second.ID
	w.insertKeys(first, second, third)
	for _, key := range []*keypin.APIKey{first, second, third} {
		w.addUsage(w.use(key, w.now, "valid", 1))
	}
	top, err := w.store.TopKeys(t.Context(), workspace, span(keypin.UsageDay, w.now, w.now.Add(1)), keypin.MaxTopKeys)
	wantCode(t, "", err)
	wantEqual(t, []keypin.KeyUsage{{ChainID: first.ID, KeyID: third.ID, Name: third.Name, Total: 3, Counts: map[string]int64{"valid": 3}}}, top)
}

// topKeysCountTheWholeRangeAndNoMore compares the sum over a range with one made by hand.
func topKeysCountTheWholeRangeAndNoMore(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	begin := keypin.UsageDay.Floor(w.now)
	var counts []keypin.UsageCount
	for i := range 200 { // over two days, on minutes that are no round number apart
		counts = append(counts, w.use(key, begin.Add(time.Duration(i*13)*time.Minute), "valid", 1))
	}
	w.addUsage(counts...)
	rapid.Check(t, func(rt *rapid.T) {
		step := rapid.SampledFrom(keypin.UsageSteps()).Draw(rt, "step")
		from := step.Floor(begin.Add(time.Duration(rapid.IntRange(0, 2*24*60).Draw(rt, "from")) * time.Minute))
		query := keypin.UsageQuery{From: from, To: from.Add(time.Duration(rapid.IntRange(1, 1500).Draw(rt, "buckets")) * step.Width()), Step: step}
		want := int64(0)
		for _, c := range counts {
			if !c.Minute.Before(query.From) && c.Minute.Before(query.To) {
				want++
			}
		}
		top, err := w.store.TopKeys(t.Context(), key.WorkspaceID, query, keypin.MaxTopKeys)
		if err != nil || want > 0 && (len(top) != 1 || top[0].Total != want) || want == 0 && len(top) > 0 {
			rt.Fatalf("%v: got %v (%v), want %d", query, top, err, want)
		}
	})
}

func theLastUseIsTheLatest(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	use := func(at time.Duration, ip, agent string) keypin.LastUse {
		address, _ := netip.ParseAddr(ip) // "" is the unknown one
		return keypin.LastUse{KeyID: key.ID, At: w.after(at), IP: address, UserAgent: agent}
	}
	first, early, same, late := use(time.Minute, "192.0.2.1", "one/1"), use(time.Second, "192.0.2.2", "two/2"), use(time.Minute, "192.0.2.3", "three/3"), use(time.Hour, "2001:db8::1", "агент 🔑")
	unknown := use(2*time.Hour, "", "")
	for _, step := range []struct{ use, want keypin.LastUse }{{first, first}, {early, first}, {same, first}, {late, late}, {unknown, unknown}} {
		w.tx(func(tx keypin.Tx) error { return tx.TouchKey(t.Context(), step.use) })
		wantFound(t, &step.want)(w.store.LastUse(t.Context(), key.WorkspaceID, key.ID))
	}
}

func aKeyThatWasNeverUsedHasNoLastUse(t *testing.T, w *world) {
	workspace := w.workspace().ID
	key := w.key(workspace)
	wantNotFound(t, none(w.store.LastUse(t.Context(), workspace, key.ID)))
	gone := w.id()
	w.tx(func(tx keypin.Tx) error { return tx.TouchKey(t.Context(), keypin.LastUse{KeyID: gone, At: w.now}) })
	wantNotFound(t, none(w.store.LastUse(t.Context(), workspace, gone)))
	old := w.newKey(workspace)
	old.LastUsedAt = pointer(w.now) // as it comes from elsewhere, without an address
	w.insertKeys(old)
	wantFound(t, &keypin.LastUse{KeyID: old.ID, At: w.now})(w.store.LastUse(t.Context(), workspace, old.ID))
}

func usageCrossings() map[string]crossing {
	around := func(w *world) keypin.UsageQuery { return span(keypin.UsageHour, w.now, w.now.Add(1)) }
	return map[string]crossing{
		"ChainUsage": func(t *testing.T, w *world, r keypin.Reader, mine, theirs *tenant) {
			for _, of := range []struct {
				workspace, chain keypin.ID
				want             int
			}{
				{mine.workspace.ID, mine.key.ChainID, 1}, {mine.workspace.ID, theirs.key.ChainID, 0}, {theirs.workspace.ID, mine.key.ChainID, 0},
				{mine.workspace.ID, theirs.workspace.ID, 0}, {keypin.ID{}, theirs.key.ChainID, 0},
			} {
				points, err := r.ChainUsage(t.Context(), of.workspace, of.chain, around(w))
				wantCode(t, "", err)
				wantEqual(t, of.want, len(points))
			}
		},
		"WorkspaceUsage": func(t *testing.T, w *world, r keypin.Reader, mine, _ *tenant) {
			points, err := r.WorkspaceUsage(t.Context(), mine.workspace.ID, around(w))
			wantCode(t, "", err)
			wantEqual(t, []keypin.UsagePoint{{At: keypin.UsageHour.Floor(w.now), Counts: map[string]int64{"valid": 1}}}, points)
		},
		"TopKeys": func(t *testing.T, w *world, r keypin.Reader, mine, _ *tenant) {
			top, err := r.TopKeys(t.Context(), mine.workspace.ID, around(w), keypin.MaxTopKeys)
			wantCode(t, "", err)
			wantEqual(t, []keypin.KeyUsage{{ChainID: mine.key.ChainID, KeyID: mine.key.ID, Name: mine.key.Name, Total: 1, Counts: map[string]int64{"valid": 1}}}, top)
		},
		"LastUse": func(t *testing.T, w *world, r keypin.Reader, mine, theirs *tenant) {
			wantFound(t, &keypin.LastUse{KeyID: mine.key.ID, At: w.now})(r.LastUse(t.Context(), mine.workspace.ID, mine.key.ID))
			wantNotFound(t, none(r.LastUse(t.Context(), mine.workspace.ID, theirs.key.ID)))
		},
		// Their chain counted in my workspace is nobody's: it shows in neither list of keys.
		"AddUsage": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant) {
			mixed := *theirs.key
			mixed.WorkspaceID = mine.workspace.ID
			wantCode(t, "", tx.AddUsage(t.Context(), []keypin.UsageCount{w.use(&mixed, w.now, "valid", 100)}))
			top, err := tx.TopKeys(t.Context(), mine.workspace.ID, around(w), keypin.MaxTopKeys)
			wantCode(t, "", err)
			wantEqual(t, []keypin.ID{mine.key.ID}, []keypin.ID{top[0].KeyID})
			wantEqual(t, 1, len(top))
		}),
	}
}

func (w *world) usageOf(x *tenant) []any {
	w.t.Helper()
	var all []any
	for _, step := range keypin.UsageSteps() {
		points, err := w.store.WorkspaceUsage(w.t.Context(), x.workspace.ID, span(step, w.now, w.now.Add(1)))
		wantCode(w.t, "", err)
		of, err := w.store.ChainUsage(w.t.Context(), x.workspace.ID, x.key.ChainID, span(step, w.now, w.now.Add(1)))
		wantCode(w.t, "", err)
		all = append(all, fmt.Sprint(points, of))
	}
	use, err := w.store.LastUse(w.t.Context(), x.workspace.ID, x.key.ID)
	wantCode(w.t, "", err)
	return append(all, use)
}
