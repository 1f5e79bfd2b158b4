package shared

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

// spent is one unit in the log that the limiter is compared with: the instant of its
// admission lies between the two.
type spent struct{ from, to time.Duration }

// overLimit looks for a window of 60 s into which more than limit units fall wholly.
func overLimit(log []spent, limit int) (from time.Duration, units int, found bool) {
	slices.SortFunc(log, func(a, b spent) int { return int(a.to - b.to) })
	byStart := slices.Clone(log)
	slices.SortFunc(byStart, func(a, b spent) int { return int(a.from - b.from) })
	for i := range byStart {
		begin := byStart[i].from
		n := 0
		for _, s := range byStart[i:] {
			if s.from-begin >= windowLength {
				break
			}
			if s.to-begin < windowLength {
				n++
			}
		}
		if n > limit {
			return begin, n, true
		}
	}
	return 0, 0, false
}

// slow lets the simulated time pass while a question is on its way.
type slow struct {
	clock  *simulated
	random *rand.Rand
	most   time.Duration
}

func (s *slow) pass() {
	if s.most > 0 {
		s.clock.advance(time.Duration(s.random.Int64N(int64(s.most))).Truncate(time.Microsecond))
	}
}

func (s *slow) DialHook(next redis.DialHook) redis.DialHook { return next }
func (s *slow) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		s.pass()
		return err
	}
}

func (s *slow) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestNoWindowEverHoldsMoreThanTheLimitOverAllNodes(t *testing.T) {
	r := startRedis(t, engines.RedisOptions{})
	clock := new(simulated)
	way := &slow{clock: clock, random: rand.New(rand.NewPCG(1, 2))}
	all := simulate(t, r, clock, Deny, 3, way)
	clock.advance(memory)
	chain := 0
	leased := uint64(0)
	rapid.Check(t, func(rt *rapid.T) {
		chain++
		nodes := all[:rapid.IntRange(1, 3).Draw(rt, "nodes")]
		limit := rapid.SampledFrom([]int{1, 5, 60, 256, 257, 600, 2000}).Draw(rt, "limit")
		way.most = rapid.SampledFrom([]time.Duration{0, 0, 2 * time.Millisecond, 200 * time.Millisecond}).Draw(rt, "delay")
		var log []spent
		for range rapid.IntRange(1, 8).Draw(rt, "phases") {
			step := rapid.SampledFrom([]time.Duration{time.Microsecond, time.Millisecond, 20 * time.Millisecond, time.Second / 2}).Draw(rt, "step")
			cost := rapid.SampledFrom([]int{1, 1, 1, 3, 16, 100}).Draw(rt, "cost")
			hold := rapid.SampledFrom([]time.Duration{0, 0, 0, 250 * time.Millisecond, keypin.MaxHold}).Draw(rt, "hold")
			sticky := rapid.Bool().Draw(rt, "sticky")
			for i := range rapid.IntRange(1, 150).Draw(rt, "calls") {
				node := nodes[0]
				if !sticky {
					node = nodes[i%len(nodes)]
				}
				begin := clock.elapsed.Load()
				_, ok := admit(t, node, keypin.Admission{Chain: chainID(chain), Limit: limit, Cost: cost, Hold: hold})
				s := spent{time.Duration(begin), time.Duration(clock.elapsed.Load())}
				if last := s.from + hold; hold > 0 { // spent in between, if it is not too late
					ok = ok && s.to <= last
					if ok {
						s.from = s.to + time.Duration(rapid.Int64Range(0, int64(last-s.to)).Draw(rt, "spent later"))
						s.to = s.from
					}
				}
				if ok {
					log = append(log, slices.Repeat([]spent{s}, cost)...)
				}
				clock.advance(step)
			}
			clock.advance(rapid.SampledFrom([]time.Duration{0, leaseHold, windowLength - time.Second, windowLength}).Draw(rt, "pause"))
		}
		if from, n, found := overLimit(log, limit); found {
			rt.Fatalf("%d admitted in the window from %v at limit %d", n, from, limit)
		}
		leased = all[0].Stats().LeaseSpent
	})
	if s := all[0].Stats(); leased == 0 || s.LeaseReturned == 0 || s.LeaseTaken < s.LeaseSpent+s.LeaseReturned+s.LeaseLapsed {
		t.Errorf("nothing was leased, spent and given back: %+v", s)
	}
}

// A client that calls steadily at its limit, over nodes that it uses in turn.
func TestASteadyClientIsAdmitted99PercentOfTheTimeOverAllNodes(t *testing.T) {
	r := startRedis(t, engines.RedisOptions{})
	clock := new(simulated)
	all := simulate(t, r, clock, Deny, 3)
	clock.advance(memory)
	random := rand.New(rand.NewPCG(1, 2))
	chain := 0
	for _, limit := range []int{1, 60, 256, 257, 600, 6000, 60_000} {
		for nodes := 1; nodes <= 3; nodes++ {
			for name, pick := range map[string]func(i int) int{
				"in turn":   func(i int) int { return i % nodes },
				"at random": func(int) int { return random.IntN(nodes) },
				"in spells": func(i int) int { return i / max(1, limit/100) % nodes },
			} {
				if nodes == 1 && name != "in turn" {
					continue
				}
				for _, l := range all {
					l.options.Nodes = func() int { return nodes }
				}
				chain++
				cost := max(1, limit/6000)
				calls, windows, admitted := limit/cost, 3, 0
				begin := clock.elapsed.Load()
				before := total(all)
				for i := range windows * calls {
					at := begin + int64(i)*int64(windowLength)/int64(calls)
					clock.advance(time.Duration(at - clock.elapsed.Load()))
					if _, ok := admit(t, all[pick(i)], keypin.Admission{Chain: chainID(chain), Limit: limit, Cost: cost}); ok {
						admitted++
					}
				}
				after := total(all)
				what := fmt.Sprintf("limit %d, %d nodes, %s", limit, nodes, name)
				t.Logf("%s: %.2f %% admitted, %.3f calls for each", what, 100*float64(admitted)/float64(windows*calls), float64(after.Calls-before.Calls)/float64(admitted))
				if admitted*100 < 99*windows*calls {
					t.Errorf("%s: %d of %d admitted", what, admitted, windows*calls)
				}
			}
		}
	}
}

func total(all []*Limiter) (s Stats) {
	for _, l := range all {
		of := l.Stats()
		s.Calls += of.Calls
		s.LeaseTaken += of.LeaseTaken
		s.LeaseSpent += of.LeaseSpent
		s.LeaseReturned += of.LeaseReturned
	}
	return s
}

// Ten times as many calls as the limit: all that may be admitted is, and little is asked.
func TestUnderTenfoldOverloadTheLimitIsUsedUp(t *testing.T) {
	r := startRedis(t, engines.RedisOptions{})
	clock := new(simulated)
	all := simulate(t, r, clock, Deny, 3)
	clock.advance(memory)
	for chain, limit := range []int{60, 600, 6000} {
		const windows = 2
		var log []spent
		before := total(all)
		for i := range 10 * limit * windows {
			at := time.Duration(clock.elapsed.Load())
			if _, ok := admit(t, all[i%3], keypin.Admission{Chain: chainID(chain), Limit: limit, Cost: 1}); ok {
				log = append(log, spent{at, at})
			}
			clock.advance(windowLength / time.Duration(10*limit))
		}
		calls := total(all).Calls - before.Calls
		t.Logf("limit %d: %d admitted of %d, %.3f calls for each of %d requests", limit, len(log), windows*limit, float64(calls)/float64(10*limit*windows), 10*limit*windows)
		if len(log)*100 < 99*windows*limit {
			t.Errorf("limit %d: %d admitted", limit, len(log))
		}
		if from, n, found := overLimit(log, limit); found {
			t.Errorf("limit %d: %d admitted in the window from %v", limit, n, from)
		}
	}
}
