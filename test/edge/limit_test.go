package edge

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

const window = time.Minute

// most is the largest number of instants in any window (t-60 s, t].
func most(at []time.Time) (n int) {
	slices.SortFunc(at, time.Time.Compare)
	first := 0
	for last := range at {
		for at[last].Sub(at[first]) >= window {
			first++
		}
		n = max(n, last-first+1)
	}
	return n
}

// limited makes a key with a limit.
func limited(limit int) func(*keypin.APIKey) { return func(k *keypin.APIKey) { k.RateLimit = &limit } }

// Three Guards and the service itself check one key, 10 times as often as its limit, for
// three minutes: in no window of 60 s is it let in more often than its limit.
func TestTheLimitHoldsOverAllWhoCheck(t *testing.T) {
	for _, limit := range []int{1, 30, 479, 480, 1000, 6000} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(t, 1, nil)
			key, _ := s.newKey(limited(limit))
			var mu sync.Mutex
			var at []time.Time
			var wg sync.WaitGroup
			began := time.Now()
			everyone := func(i int, check func() bool) {
				random := rand.New(rand.NewPCG(uint64(limit), uint64(i)))
				pause := window / time.Duration(10*limit) * 4
				for time.Since(began) < 3*window {
					time.Sleep(time.Duration(random.Int64N(int64(2*pause) + 1)))
					if check() {
						mu.Lock()
						at = append(at, time.Now())
						mu.Unlock()
					}
				}
			}
			var guards []*client.Guard
			for i := range 3 {
				g := newGuard(t, &network{to: s})
				guards = append(guards, g)
				wg.Go(func() { everyone(i, func() bool { return code(t, g, key) == client.OutcomeValid }) })
			}
			wg.Go(func() {
				everyone(3, func() bool {
					o, err := s.checks.Verify(t.Context(), &verify.Request{Secret: keypin.NewSecret(key.Reveal()), Cost: 1})
					return err == nil && o.Code == verify.CodeValid
				})
			})
			wg.Wait()
			for _, g := range guards {
				g.Close()
			}
			close(s.stop)
			if n := most(at); n > limit || n < limit*9/10 {
				t.Errorf("limit %d: up to %d in a window, %d in three minutes", limit, n, len(at))
			}
		})
	}
}

// steadily calls as often as the limit allows, evenly, through one Guard, and gives how
// many of the calls were let in, and how often the service was asked.
func steadily(t *testing.T, limit, windows int) (calls, in, asked int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, 1, nil)
		n := &network{to: s}
		g := newGuard(t, n)
		key, _ := s.newKey(limited(limit))
		awaitFresh(t, g)
		began := time.Now()
		for i := range limit * windows {
			time.Sleep(time.Until(began.Add(time.Duration(i) * window / time.Duration(limit))))
			calls++
			if code(t, g, key) == client.OutcomeValid {
				in++
			}
		}
		asked = n.count()
		g.Close()
		close(s.stop)
	})
	return calls, in, asked
}

func TestASteadyClientAtItsLimitIsLetIn99PercentOfTheTime(t *testing.T) {
	for _, limit := range []int{1, 10, 60, 300, 479, 480, 600, 1000, 3000, 10_000, 60_000} {
		calls, in, asked := steadily(t, limit, 4)
		t.Logf("limit %d: %d of %d let in, %.2f calls to the service for each", limit, in, calls, float64(asked)/float64(calls))
		if in*100 < calls*99 {
			t.Errorf("limit %d: %d of %d let in", limit, in, calls)
		}
		if limit >= 10_000 && asked*10 > calls {
			t.Errorf("limit %d: asked %d times for %d calls", limit, asked, calls)
		}
	}
}
