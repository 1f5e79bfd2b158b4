package shared

import (
	"crypto/rand"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/ratelimit"
	"github.com/keypin/keypin/test/engines"
)

// start is when the simulated time begins. It carries no monotonic reading, so that both
// clocks of a node are this one.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// simulated is a time that all nodes and Redis share.
type simulated struct {
	elapsed atomic.Int64
	ahead   atomic.Int64 // by how much Redis' clock was set
}

func (s *simulated) now() time.Time          { return start.Add(time.Duration(s.elapsed.Load())) }
func (s *simulated) advance(d time.Duration) { s.elapsed.Add(int64(d)) }

func (s *simulated) redis() string {
	return strconv.FormatInt(s.now().Add(time.Duration(s.ahead.Load())).UnixMicro(), 10)
}

func startRedis(t testing.TB, options engines.RedisOptions) *engines.Redis {
	t.Helper()
	r, err := engines.StartRedis(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// optionsFor are those of one of n nodes.
func optionsFor(url string, clock keypin.Clock, mode Mode, nodes int) Options {
	return Options{
		URL: keypin.NewSecret(url), WithoutRedis: mode, Nodes: func() int { return nodes },
		Clock: clock, Random: rand.Reader, Local: ratelimit.NewMemory(clock()),
		timeout: 10 * time.Second, // not to be without Redis on a busy machine
	}
}

// simulate makes nodes that share a simulated time with Redis. Their epochs are old.
func simulate(t testing.TB, r *engines.Redis, clock *simulated, mode Mode, nodes int, way ...*slow) []*Limiter {
	t.Helper()
	return simulateAt(t, r.URL(), 10*time.Second, clock, mode, nodes, way...)
}

func simulateAt(t testing.TB, url string, timeout time.Duration, clock *simulated, mode Mode, nodes int, way ...*slow) []*Limiter {
	t.Helper()
	all := make([]*Limiter, nodes)
	for i := range all {
		options, serverTime := optionsFor(url, clock.now, mode, nodes), clock.redis
		options.timeout = timeout
		for _, w := range way {
			options.Hooks = append(options.Hooks, w)
			serverTime = func() string { w.pass(); return clock.redis() }
		}
		l, err := connect(t.Context(), options, serverTime)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
		all[i] = l
	}
	return all
}

func admit(t testing.TB, l *Limiter, ask keypin.Admission) (keypin.RateLimit, bool) {
	t.Helper()
	state, ok, err := l.Admit(t.Context(), ask, l.options.Clock())
	if err != nil {
		t.Fatal(err)
	}
	return state, ok
}

func chainID(n int) keypin.ID {
	return keypin.ID{15: byte(n), 14: byte(n >> 8), 13: byte(n >> 16), 0: 1}
}

func TestTheAnswerTellsTheStateOfTheLimit(t *testing.T) {
	clock := new(simulated)
	l := simulate(t, startRedis(t, engines.RedisOptions{}), clock, Local, 1)[0]
	clock.advance(memory)
	begin := clock.now()
	at := func(s int) time.Time { return begin.Add(time.Duration(s) * time.Second) }
	for i, step := range []struct {
		now  time.Time
		cost int
		want keypin.RateLimit
		ok   bool
	}{
		{at(0), 0, keypin.RateLimit{Limit: 3, Remaining: 3, ResetAt: at(0)}, true},
		{at(1), 1, keypin.RateLimit{Limit: 3, Remaining: 2, ResetAt: at(61)}, true},
		{at(2), 2, keypin.RateLimit{Limit: 3, Remaining: 0, ResetAt: at(61)}, true},
		{at(3), 2, keypin.RateLimit{Limit: 3, Remaining: 0, ResetAt: at(61), RetryAfter: 59 * time.Second}, false},
		{at(3), 4, keypin.RateLimit{Limit: 3, Remaining: 0, ResetAt: at(61), RetryAfter: 60 * time.Second}, false},
		{at(61), 0, keypin.RateLimit{Limit: 3, Remaining: 1, ResetAt: at(62)}, true},
		{at(62), 3, keypin.RateLimit{Limit: 3, Remaining: 0, ResetAt: at(122)}, true},
		{at(122), 0, keypin.RateLimit{Limit: 3, Remaining: 3, ResetAt: at(122)}, true},
	} {
		clock.advance(step.now.Sub(clock.now()))
		got, ok := admit(t, l, keypin.Admission{Chain: chainID(1), Limit: 3, Cost: step.cost})
		if diff := cmp.Diff(step.want, got); diff != "" || ok != step.ok {
			t.Errorf("%d: admitted %t (-want +got):\n%s", i, ok, diff)
		}
	}
}

func TestAClockOfRedisThatIsSetForwardCountsAsALoss(t *testing.T) {
	clock := new(simulated)
	l := simulate(t, startRedis(t, engines.RedisOptions{}), clock, Deny, 1)[0]
	clock.advance(memory)
	ask := keypin.Admission{Chain: chainID(1), Limit: 1, Cost: 1}
	if _, ok := admit(t, l, ask); !ok {
		t.Fatal("refused")
	}
	clock.ahead.Store(int64(windowLength))
	for range 2 {
		if _, ok, err := l.Admit(t.Context(), ask, clock.now()); ok || keypin.CodeOf(err) != keypin.CodeUnavailable {
			t.Errorf("%t, %v", ok, err)
		}
	}
	if s := l.Stats(); s.Losses != 1 || s.Doubted != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAClockOfRedisThatIsSetBackRefusesForAWindowAtMost(t *testing.T) {
	clock := new(simulated)
	l := simulate(t, startRedis(t, engines.RedisOptions{}), clock, Allow, 1)[0]
	ask := keypin.Admission{Chain: chainID(1), Limit: 2, Cost: 1}
	admit(t, l, ask)
	admit(t, l, ask)
	clock.ahead.Store(-int64(time.Hour))
	for range 4 {
		if state, ok := admit(t, l, ask); ok {
			t.Errorf("at %v: %+v, %t", clock.now(), state, ok)
		}
		clock.advance(windowLength / 4)
	}
	clock.advance(keypin.MaxHold)
	if _, ok := admit(t, l, ask); !ok {
		t.Error("refused for more than a window")
	}
}

func TestWhatIsLeasedAndNotSpentIsGivenBack(t *testing.T) {
	const limit = 6000
	clock := new(simulated)
	all := simulate(t, startRedis(t, engines.RedisOptions{}), clock, Deny, 2)
	clock.advance(memory)
	ask := keypin.Admission{Chain: chainID(1), Limit: limit, Cost: 1}
	spent := 0
	for range 200 { // a thousand in a second
		admit(t, all[0], ask)
		spent++
		clock.advance(time.Millisecond)
	}
	held := all[0].Stats().LeaseTaken - all[0].Stats().LeaseSpent
	look := keypin.Admission{Chain: chainID(1), Limit: limit}
	if state, _ := admit(t, all[1], look); held == 0 || state.Remaining != limit-spent-int(held) {
		t.Fatalf("%d are held, %d remain", held, state.Remaining)
	}
	clock.advance(leaseHold)
	c := all[0].chains.locked(ask.Chain)
	c.rate = rate{} // no lease now
	c.mu.Unlock()
	admit(t, all[0], ask)
	if state, _ := admit(t, all[1], look); state.Remaining != limit-spent-1 {
		t.Errorf("%d remain after %d", state.Remaining, spent+1)
	}
}

func TestAKeyWhoseLimitIsLowerThanTheNumberOfNodesHasNoShare(t *testing.T) {
	clock := new(simulated)
	r := startRedis(t, engines.RedisOptions{})
	l := simulate(t, r, clock, Local, 3)[0]
	ask := keypin.Admission{Chain: chainID(1), Limit: 2, Cost: 1}
	if _, ok := admit(t, l, ask); !ok {
		t.Error("refused although Redis answers") // its epoch is young
	}
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := l.Admit(t.Context(), ask, clock.now()); ok || keypin.CodeOf(err) != keypin.CodeUnavailable {
		t.Errorf("%t, %v", ok, err)
	}
	ask.Limit = 3
	for i := range 2 {
		if state, ok := admit(t, l, ask); ok != (i == 0) || state.Limit != 3 || state.Remaining != 0 {
			t.Errorf("%+v, %t", state, ok)
		}
	}
}

func TestANewNodeDoesNotTrustAnEpochThatIsYoung(t *testing.T) {
	clock := new(simulated)
	r := startRedis(t, engines.RedisOptions{})
	simulate(t, r, clock, Deny, 1)
	clock.advance(memory / 2)
	l := simulate(t, r, clock, Deny, 1)[0]
	ask := keypin.Admission{Chain: chainID(1), Limit: 1, Cost: 1}
	clock.advance(memory/2 - 1)
	if _, ok, err := l.Admit(t.Context(), ask, clock.now()); ok || keypin.CodeOf(err) != keypin.CodeUnavailable {
		t.Errorf("%t, %v", ok, err)
	}
	clock.advance(time.Microsecond)
	if _, ok := admit(t, l, ask); !ok {
		t.Error("refused")
	}
}

func TestALeaseLastsFromBeforeItWasAskedFor(t *testing.T) {
	clock := new(simulated)
	way := &slow{clock: clock}
	l := simulate(t, startRedis(t, engines.RedisOptions{}), clock, Deny, 1, way)[0]
	clock.advance(memory)
	ask := keypin.Admission{Chain: chainID(1), Limit: 6000, Cost: 1}
	for range 200 { // often enough for leases
		admit(t, l, ask)
		clock.advance(time.Millisecond)
	}
	clock.advance(leaseHold)
	way.answer = leaseHold / 2
	admit(t, l, ask)
	way.answer = 0
	for _, step := range []struct {
		advance time.Duration
		calls   uint64
	}{{0, 0}, {leaseHold/2 - 1, 0}, {1, 1}} {
		clock.advance(step.advance)
		before := l.Stats().Calls
		if _, ok := admit(t, l, ask); !ok || l.Stats().Calls != before+step.calls {
			t.Errorf("%v later: %t, with %d calls", step.advance, ok, l.Stats().Calls-before)
		}
	}
}
