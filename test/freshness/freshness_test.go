package freshness_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keypin/keypin/internal/verify"
)

var (
	seed = flag.Uint64("seed", 0, "the first seed; 0 = a random one")
	runs = flag.Int("runs", 300, "how many seeds to simulate")
)

// outcome is what a run found.
type outcome struct {
	violations []string
	hits       int
	asked      int
	recovery   time.Duration
}

// simulate lets nodes, servers and the network run for a while under random faults, and
// then without any.
func simulate(t *testing.T, seed uint64, sabotage string) (found outcome) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(seed, 0))
		ctx, cancel := context.WithCancel(t.Context())
		w := &world{ctx: ctx, began: time.Now(), sabotage: sabotage}
		w.build(random)
		for _, m := range w.nodes {
			if err := w.start(m); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		var running sync.WaitGroup
		for _, m := range w.nodes {
			for range 3 {
				r := rand.New(rand.NewPCG(random.Uint64(), 3))
				running.Go(func() { m.ask(r) })
			}
		}
		for range 2 {
			r := rand.New(rand.NewPCG(random.Uint64(), 4))
			running.Go(func() { w.change(r) })
		}
		w.mu.Lock()
		w.slow = random.IntN(2) == 0
		w.mu.Unlock()
		for time.Since(w.began) < 8*time.Second {
			time.Sleep(time.Duration(random.Int64N(int64(1500 * time.Millisecond))))
			w.fault(random)
		}
		found.recovery = w.calm()
		cancel()
		for _, m := range w.nodes {
			if err := m.node.Close(); err != nil {
				t.Error(err)
			}
		}
		running.Wait()
		time.Sleep(time.Minute) // whatever is on its way arrives
		found.violations, found.hits, found.asked = w.violations, w.hits, w.asked
	})
	return found
}

// build makes one server, or two with a standby that commits wait for or not, and nodes.
func (w *world) build(random *rand.Rand) {
	shape := random.IntN(4)
	w.synchronous = shape >= 2
	for i := range min(shape, 1) + 1 {
		s := &server{w: w, random: rand.New(rand.NewPCG(random.Uint64(), 5)), timeline: "0", primary: i == 0, synchronous: w.synchronous && i == 0, state: map[int]uint64{}}
		s.begin()
		w.servers = append(w.servers, s)
	}
	for range 2 {
		m := &machine{process: &process{w: w, deaf: w.sabotage == ignoresTheWall}, w: w, sleeps: random.IntN(2) == 0, random: rand.New(rand.NewPCG(random.Uint64(), 6))}
		for range w.servers {
			m.links = append(m.links, &link{})
		}
		w.nodes = append(w.nodes, m)
	}
}

// change changes keys at whichever server the caller believes to be the primary.
func (w *world) change(random *rand.Rand) {
	for w.ctx.Err() == nil {
		time.Sleep(time.Duration(random.Int64N(int64(400 * time.Millisecond))))
		for _, s := range w.servers {
			w.mu.Lock()
			primary := s.primary && s.up
			w.mu.Unlock()
			if primary {
				key := random.IntN(keys)
				time.AfterFunc(0, func() { s.change(key) })
			}
		}
	}
}

// calm ends the faults, and gives how long it takes until every node is fresh again.
func (w *world) calm() time.Duration {
	time.Sleep(5 * time.Second) // those that end by themselves do
	w.mu.Lock()
	w.slow = false
	w.mu.Unlock()
	began := time.Now()
	for time.Since(began) < time.Minute {
		fresh := 0
		for _, m := range w.nodes {
			if now := m.now(); now.Sub(m.node.AsOf(now)) < verify.Bound {
				fresh++
			}
		}
		if fresh == len(w.nodes) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(began)
}

func TestNoRequestIsJudgedByAStateThatIsOlderThanTheBound(t *testing.T) {
	t.Parallel()
	first := *seed
	if first == 0 {
		first = rand.Uint64()
	}
	t.Logf("seeds from %d, %d of them", first, *runs)
	var total outcome
	for i := range *runs {
		found := simulate(t, first+uint64(i), nothing)
		for _, v := range found.violations {
			t.Errorf("seed %d: %s", first+uint64(i), v)
		}
		if found.recovery > 2*time.Second {
			t.Errorf("seed %d: a node was not fresh until %s after the faults", first+uint64(i), found.recovery)
		}
		total.hits, total.asked = total.hits+found.hits, total.asked+found.asked
		if t.Failed() {
			break
		}
	}
	t.Logf("%d answers, %d of them from what was remembered", total.asked, total.hits)
	if total.hits*2 < total.asked {
		t.Errorf("only %d of %d answers came from what was remembered: the simulation shows little", total.hits, total.asked)
	}
}

func TestEveryStepOfTheArgumentIsNeeded(t *testing.T) {
	t.Parallel()
	for _, sabotage := range []string{
		neverEmpties, emptiesTooEarly, countsFromTheEnd, pingsElsewhere, pingsWithoutCommit, trustsForTwo, ignoresTheWall, readsAnywhere, provesNothing,
	} {
		t.Run(sabotage, func(t *testing.T) {
			for i := range 5000 {
				if found := simulate(t, uint64(i), sabotage); len(found.violations) > 0 {
					t.Log(fmt.Sprintf("seed %d: ", i) + found.violations[0])
					return
				}
			}
			t.Error("the simulation did not notice")
		})
	}
}
