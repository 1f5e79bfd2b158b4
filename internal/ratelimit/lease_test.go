package ratelimit

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keypin/keypin/internal/keypin"
)

// Units that are taken at once and spent at any instant of their hold, beside others
// that are spent at once: whatever the pattern, no window of the instants at which they
// were spent holds more than the limit.
func TestTheLimitHoldsForTheInstantsAtWhichLeasesAreSpent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{1, 5, 40, exactLimit, exactLimit + 1, 5000}).Draw(t, "limit")
		var w Window
		var spent []time.Duration
		now := time.Duration(0)
		for range rapid.IntRange(1, 300).Draw(t, "questions") {
			now += time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "step"))
			if rapid.IntRange(0, 20).Draw(t, "long") == 0 {
				now += windowLength - time.Second + time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "pause"))
			}
			cost := rapid.IntRange(1, max(1, limit/4)).Draw(t, "cost")
			hold := rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, 250 * time.Millisecond, keypin.MaxHold}).Draw(t, "hold")
			d := w.Lease(now, limit, cost, hold)
			if d.Reset > windowLength || d.RetryAfter > windowLength || d.Admitted != (d.RetryAfter == 0) {
				t.Fatalf("%+v", d)
			}
			if !d.Admitted {
				continue
			}
			for range cost {
				spent = append(spent, now+time.Duration(rapid.Int64Range(0, int64(hold)).Draw(t, "spent later")))
			}
		}
		slices.Sort(spent)
		for i := range spent {
			if j := i + limit; j < len(spent) && spent[j]-spent[i] < windowLength {
				t.Fatalf("limit %d: %d spent within %v, from %v", limit, limit+1, spent[j]-spent[i], spent[i])
			}
		}
		if w.n > 520 {
			t.Fatalf("%d entries", w.n)
		}
	})
}

func TestALeaseCountsUntilAWindowAfterItMayBeSpent(t *testing.T) {
	var w Window
	const hold = 250 * time.Millisecond
	for _, step := range []struct {
		at   time.Duration
		cost int
		want Decision
	}{
		{0, 2, Decision{Admitted: true, Reset: windowLength}},
		{windowLength, 1, Decision{Reset: hold, RetryAfter: hold}},
		{windowLength + hold - 1, 1, Decision{Reset: 1, RetryAfter: 1}},
		{windowLength + hold, 1, Decision{Admitted: true, Remaining: 1, Reset: windowLength}},
	} {
		h := time.Duration(0)
		if step.at == 0 {
			h = hold
		}
		if got := w.Lease(step.at, 2, step.cost, h); got != step.want {
			t.Errorf("at %v: %+v, want %+v", step.at, got, step.want)
		}
	}
}

func TestAHoldIsBounded(t *testing.T) {
	var w Window
	w.Lease(0, 1, 1, time.Hour)
	if got := w.Lease(windowLength+keypin.MaxHold, 1, 1, -time.Hour); !got.Admitted {
		t.Errorf("an hour's hold lasts longer than %v: %+v", keypin.MaxHold, got)
	}
	if got := w.Lease(2*windowLength+keypin.MaxHold, 1, 1, 0); !got.Admitted {
		t.Errorf("a hold below 0 counts: %+v", got)
	}
}

func TestAChainWhoseLeaseIsHeldIsNotForgotten(t *testing.T) {
	m := NewMemory(epoch)
	ask := keypin.Admission{Chain: chainID(1), Limit: 1, Cost: 1, Hold: keypin.MaxHold}
	if _, ok, _ := m.Admit(t.Context(), ask, epoch); !ok {
		t.Fatal("refused")
	}
	for i := range m.shards {
		m.shards[i].sweep(windowLength + keypin.MaxHold - 1)
	}
	if _, ok, _ := m.Admit(t.Context(), ask, epoch.Add(windowLength+keypin.MaxHold-1)); ok {
		t.Error("a sweep refilled the limit")
	}
	for i := range m.shards {
		m.shards[i].sweep(3 * windowLength)
	}
	if known, _ := m.chains(); known != 0 {
		t.Errorf("%d chains are known after their window", known)
	}
}
