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
type simulated struct{ elapsed atomic.Int64 }

func (s *simulated) now() time.Time          { return start.Add(time.Duration(s.elapsed.Load())) }
func (s *simulated) advance(d time.Duration) { s.elapsed.Add(int64(d)) }

func (s *simulated) redis() string {
	return strconv.FormatInt(s.now().UnixMicro(), 10)
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
	}
}

// simulate makes nodes that share a simulated time with Redis. Their epochs are old.
func simulate(t testing.TB, r *engines.Redis, clock *simulated, mode Mode, nodes int, way ...*slow) []*Limiter {
	t.Helper()
	return simulateAt(t, r.URL(), clock, mode, nodes, way...)
}

func simulateAt(t testing.TB, url string, clock *simulated, mode Mode, nodes int, way ...*slow) []*Limiter {
	t.Helper()
	all := make([]*Limiter, nodes)
	for i := range all {
		options, serverTime := optionsFor(url, clock.now, mode, nodes), clock.redis
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
