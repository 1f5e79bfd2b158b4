package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/keypin/keypin/internal/keypin"
)

// admission is a line of the log that the window is compared with.
type admission struct {
	at   time.Duration
	cost int
}

// admittedSince sums the log over (after, ∞).
func admittedSince(log []admission, after time.Duration) int {
	sum := 0
	for _, a := range log {
		if a.at > after {
			sum += a.cost
		}
	}
	return sum
}

func (w *Window) clone() *Window {
	c := *w
	c.entries = slices.Clone(w.entries)
	return &c
}

// drawLimit draws from 1 to 1,000,000, small limits as often as large ones.
func drawLimit(t *rapid.T) int {
	highest := rapid.SampledFrom([]int{1, 3, 20, exactLimit, exactLimit + 3, 5000, keypin.MaxRateLimit}).Draw(t, "highest")
	return rapid.IntRange(max(1, highest/20), highest).Draw(t, "limit")
}

// drawStep draws how far the clock moves: most often a little, at times by what
// matters to the rule, backwards or far.
func drawStep(t *rapid.T, limit int) time.Duration {
	interval := windowLength / time.Duration(limit)
	base := rapid.SampledFrom([]time.Duration{
		0, 0, 1, time.Millisecond, interval, interval, mergeSpan, time.Second, windowLength - mergeSpan, windowLength, 2 * windowLength,
		-1, -mergeSpan, -interval, -windowLength, -time.Hour,
	}).Draw(t, "step")
	return base + time.Duration(rapid.IntRange(-2, 2).Draw(t, "off"))
}

func drawCost(t *rapid.T, limit int) int {
	highest := rapid.SampledFrom([]int{0, 1, 1, 1, 5, max(1, limit/100), max(1, limit/5), limit, limit + 1}).Draw(t, "highest cost")
	return rapid.IntRange(min(1, highest), highest).Draw(t, "cost")
}

func TestNoWindowEverHoldsMoreThanTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w Window
		var log []admission
		now, latest := time.Duration(0), time.Duration(0)
		limit := drawLimit(t)
		exact := limit <= exactLimit
		for range rapid.IntRange(1, 200).Draw(t, "rounds") {
			if rapid.IntRange(0, 9).Draw(t, "change the limit") == 0 {
				limit = drawLimit(t)
				exact = exact && limit <= exactLimit
			}
			step, cost := drawStep(t, limit), drawCost(t, limit)
			for range rapid.SampledFrom([]int{1, 1, 2, 30}).Draw(t, "calls") {
				now = max(now+step, 0)
				latest = max(latest, now)
				d := w.Admit(now, limit, cost)

				inWindow := admittedSince(log, latest-windowLength)
				checkDecision(t, &w, d, log, limit, cost, exact)
				if d.Admitted && cost > 0 {
					if inWindow+cost > limit {
						t.Fatalf("at %v: %d admitted in the window, and %d more at limit %d", latest, inWindow, cost, limit)
					}
					log = append(log, admission{latest, cost})
				}
			}
		}
	})
}

// checkDecision compares a decision with the log as it was before it.
func checkDecision(t *rapid.T, w *Window, d Decision, log []admission, limit, cost int, exact bool) {
	at := w.latest
	slack := mergeSpan
	if exact {
		slack = 0
	}
	// Admitted unless the log, read generously by the slack, is full.
	if fits := admittedSince(log, at-windowLength-slack)+cost <= limit; !d.Admitted && (fits || cost == 0) {
		t.Fatalf("at %v: cost %d refused at limit %d with %d admitted", at, cost, limit, admittedSince(log, at-windowLength))
	}
	if d.Admitted && cost > 0 {
		log = append(slices.Clone(log), admission{at, cost})
	}
	inWindow := admittedSince(log, at-windowLength)
	if d.Remaining < 0 || d.Remaining > max(0, limit-inWindow) || exact && d.Remaining != max(0, limit-inWindow) {
		t.Fatalf("at %v: %d remain of %d with %d admitted", at, d.Remaining, limit, inWindow)
	}
	// The oldest admission that is counted, exactly or generously.
	earliest, some := time.Duration(0), false
	for _, a := range log {
		if a.at > at-windowLength {
			earliest, some = a.at+windowLength-at, true
			break
		}
	}
	if some && (d.Reset <= 0 || d.Reset > windowLength) || !some && (d.Reset < 0 || d.Reset > slack) {
		t.Fatalf("at %v: resets in %v", at, d.Reset)
	}
	if exact && d.Reset != earliest {
		t.Fatalf("at %v: resets in %v, not in %v", at, d.Reset, earliest)
	}
	checkRetryAfter(t, w, d, limit, cost)
	if len(w.entries) > 1024 || w.n > 514 {
		t.Fatalf("%d entries in room for %d", w.n, len(w.entries))
	}
}

// checkRetryAfter asks again when and just before the decision said.
func checkRetryAfter(t *rapid.T, w *Window, d Decision, limit, cost int) {
	switch {
	case d.Admitted:
		if d.RetryAfter != 0 {
			t.Fatalf("admitted, and to be retried after %v", d.RetryAfter)
		}
	case cost > limit:
		if d.RetryAfter != windowLength || w.clone().Admit(w.latest+windowLength, limit, cost).Admitted {
			t.Fatalf("cost %d above limit %d: retry after %v", cost, limit, d.RetryAfter)
		}
	default:
		if d.RetryAfter <= 0 || d.RetryAfter > windowLength {
			t.Fatalf("retry after %v", d.RetryAfter)
		}
		if !w.clone().Admit(w.latest+d.RetryAfter, limit, cost).Admitted {
			t.Fatalf("refused after waiting for %v", d.RetryAfter)
		}
		if w.clone().Admit(w.latest+d.RetryAfter-1, limit, cost).Admitted {
			t.Fatalf("admitted before %v", d.RetryAfter)
		}
	}
}

var steadyLimits = []int{1, 2, 3, 7, 59, 60, 61, 100, 255, 256, 257, 258, 300, 511, 512, 513, 1000, 60_000, 1_000_000}

// steady is a client that spends limit units in every window, a few at a time.
type steady struct{ limit, cost int }

// newSteady takes single units up to 50,000 calls in a window, so that the tests
// stay fast.
func newSteady(limit int) steady { return steady{limit, max(1, limit/50_000)} }

func (s steady) calls() int              { return s.limit / s.cost }
func (s steady) interval() time.Duration { return windowLength / time.Duration(s.calls()) }

// onGrid is when the n-th of evenly spaced calls comes.
func (s steady) onGrid(n int) time.Duration {
	return time.Duration(n) * windowLength / time.Duration(s.calls())
}

// atLeast99 makes eleven windows' worth of calls and checks the share of those
// admitted, over all and, but for what one call may weigh, in each window.
func (s steady) atLeast99(t *testing.T, at func(n int) time.Duration) {
	t.Helper()
	const windows = 11
	var w Window
	all := 0
	for i := range windows {
		admitted := 0
		for j := range s.calls() {
			if w.Admit(at(i*s.calls()+j), s.limit, s.cost).Admitted {
				admitted++
			}
		}
		if admitted+1 < s.calls()-s.calls()/100 {
			t.Errorf("%+v: %d of %d admitted in window %d", s, admitted, s.calls(), i)
		}
		all += admitted
	}
	if all*100 < windows*s.calls()*99 {
		t.Errorf("%+v: %d of %d admitted", s, all, windows*s.calls())
	}
}

func TestASteadyClientIsAdmitted99PercentOfTheTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	clients := []steady{{keypin.MaxRateLimit, 1}}
	for _, limit := range steadyLimits {
		clients = append(clients, newSteady(limit))
	}
	for _, s := range clients {
		phase := time.Duration(random.Int64N(int64(10 * windowLength)))
		t.Run(fmt.Sprintf("evenly spaced %+v", s), func(t *testing.T) {
			s.atLeast99(t, func(n int) time.Duration { return phase + s.onGrid(n) })
		})
		if s.calls() > 100_000 {
			continue // once by single units is enough
		}
		t.Run(fmt.Sprintf("waiting a little more than the interval %+v", s), func(t *testing.T) {
			at := phase
			s.atLeast99(t, func(int) time.Duration {
				at += s.interval() + 1 + time.Duration(random.Int64N(int64(s.interval())/100+1))
				return at
			})
		})
		// A client that is early now and late then has more than its limit in some
		// windows, and at small limits one refusal weighs more than 1 %.
		if s.limit < 100 {
			continue
		}
		t.Run(fmt.Sprintf("with jitter %+v", s), func(t *testing.T) {
			s.atLeast99(t, func(n int) time.Duration {
				return phase + s.onGrid(n) + time.Duration(random.Int64N(int64(s.interval())/2+1))
			})
		})
	}
}

func TestAnEvenlySpacedClientIsNeverRefusedUpToTheExactLimit(t *testing.T) {
	for limit := 1; limit <= exactLimit; limit++ {
		var w Window
		for n := range 5 * limit {
			if d := w.Admit(steady{limit, 1}.onGrid(n), limit, 1); !d.Admitted {
				t.Fatalf("limit %d: call %d was refused: %+v", limit, n, d)
			}
		}
	}
}

func TestAClientThatWaitsAsToldGets99PercentOfItsLimit(t *testing.T) {
	const windows = 11
	for _, limit := range steadyLimits {
		for _, cost := range []int{newSteady(limit).cost, 7, max(1, limit/3)} {
			if cost > limit {
				continue
			}
			var w Window
			admitted, now := 0, time.Duration(0)
			for now < windows*windowLength {
				d := w.Admit(now, limit, cost)
				if d.Admitted {
					admitted += cost
					continue
				}
				if d.RetryAfter <= 0 {
					t.Fatalf("limit %d, cost %d: retry after %v", limit, cost, d.RetryAfter)
				}
				now += d.RetryAfter
			}
			if possible := windows * (limit / cost * cost); admitted*100 < possible*99 {
				t.Errorf("limit %d, cost %d: %d of %d", limit, cost, admitted, possible)
			}
		}
	}
}

func TestAnAdmissionLeavesAtExactlySixtySeconds(t *testing.T) {
	var w Window
	for _, step := range []struct {
		at   time.Duration
		want Decision
	}{
		{5, Decision{Admitted: true, Reset: windowLength}},
		{windowLength + 4, Decision{Reset: 1, RetryAfter: 1}},
		{windowLength + 5, Decision{Admitted: true, Reset: windowLength}},
	} {
		if got := w.Admit(step.at, 1, 1); got != step.want {
			t.Errorf("at %d: %+v, want %+v", step.at, got, step.want)
		}
	}
}

func TestACostIsAdmittedWhollyOrNotAtAll(t *testing.T) {
	var w Window
	for i, step := range []struct {
		limit, cost int
		want        Decision
	}{
		{10, 0, Decision{Admitted: true, Remaining: 10}},
		{10, 11, Decision{Remaining: 10, RetryAfter: windowLength}},
		{10, 8, Decision{Admitted: true, Remaining: 2, Reset: windowLength}},
		{10, 3, Decision{Remaining: 2, Reset: windowLength, RetryAfter: windowLength}},
		{10, 2, Decision{Admitted: true, Remaining: 0, Reset: windowLength}},
		{10, 0, Decision{Admitted: true, Remaining: 0, Reset: windowLength}},
		{5, 0, Decision{Admitted: true, Remaining: 0, Reset: windowLength}},
		{5, 1, Decision{Remaining: 0, Reset: windowLength, RetryAfter: windowLength}},
		{10, -5, Decision{Admitted: true, Remaining: 0, Reset: windowLength}},
		{12, 1, Decision{Admitted: true, Remaining: 1, Reset: windowLength}},
		{0, 1, Decision{Remaining: 0, Reset: windowLength, RetryAfter: windowLength}},
		{1 << 40, keypin.MaxRateLimit, Decision{Remaining: keypin.MaxRateLimit - 11, Reset: windowLength, RetryAfter: windowLength}},
	} {
		if got := w.Admit(0, step.limit, step.cost); got != step.want {
			t.Errorf("%d: %+v, want %+v", i, got, step.want)
		}
	}
}

func TestABusyWindowAllocatesNothing(t *testing.T) {
	for _, limit := range []int{1, exactLimit, keypin.MaxRateLimit} {
		var w Window
		now := time.Duration(0)
		ask := func() { now += windowLength / 300; w.Admit(now, limit, 1) }
		for range 1000 {
			ask()
		}
		if n := testing.AllocsPerRun(1000, ask); n != 0 {
			t.Errorf("limit %d: %v allocations", limit, n)
		}
	}
}
