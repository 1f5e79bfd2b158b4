package durability

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// owners is the number of clients with keys of their own.
const owners = 6

// TestNothingAcknowledgedIsLostWhenTheProcessIsKilled kills the program with SIGKILL
// 100 times under concurrent creates, patches, rotations and revocations, on one data
// folder. DURABILITY_SEED repeats a run's draws, though not what the machine made of
// them; DURABILITY_ROUNDS asks for another number of rounds.
func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	rounds := setting(t, "DURABILITY_ROUNDS", 100)
	seed := setting(t, "DURABILITY_SEED", time.Now().UnixNano())
	t.Logf("DURABILITY_SEED=%d", seed)
	w := newWorld(t, rand.New(rand.NewPCG(uint64(seed), 0)))
	for round := range rounds {
		w.round(20+w.random.IntN(60), round%10 == 0)
		if t.Failed() {
			t.Fatalf("in round %d with DURABILITY_SEED=%d", round+1, seed)
		}
	}
	w.finish()
	sum := w.sum()
	t.Logf("%d kills: %d changes acknowledged; of those whose answer was lost %d had happened and %d had not; %d retried, %d replayed",
		rounds, sum.acknowledged, sum.happened, sum.lost, sum.retried, sum.replayed)
	if rounds >= 100 && (sum.happened == 0 || sum.lost == 0 || sum.retried == 0 || sum.replayed == 0) {
		t.Error("the kills hit nothing that tells; the test shows too little")
	}
}

// setting is a whole number out of the environment.
func setting(t *testing.T, name string, otherwise int64) int64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// world is the program, its data, and who changes them.
type world struct {
	t            *testing.T
	random       *rand.Rand
	program, dir string
	token        string
	process      *process // the program's life that has not ended
	clients      []*client
	shared       *apiKey
}

// newWorld starts the program, and makes what the clients need.
func newWorld(t *testing.T, random *rand.Rand) *world {
	w := &world{t: t, random: random, program: build(t), dir: filepath.Join(t.TempDir(), "data")}
	w.process = start(t, w.program, w.dir)
	w.token = mint(t, w.program, w.dir)
	var number atomic.Int64
	number.Store(1000) // a rate limit that no check exceeds
	first := creation(int(number.Add(1)), "")
	answer, err := w.process.call(w.token, first.request)
	if err != nil {
		t.Fatal(err)
	}
	if w.shared, err = first.apply(answer); err != nil {
		t.Fatal(err)
	}
	w.shared.shared = true
	newClient := func() *client {
		c := &client{t: t, token: w.token, number: &number, random: rand.New(rand.NewPCG(random.Uint64(), 0))}
		w.clients = append(w.clients, c)
		return c
	}
	for range owners {
		newClient()
	}
	for _, field := range patched() {
		c := newClient()
		c.shared, c.field = w.shared, field
	}
	w.clients[0].audited++ // of the shared key's creation
	return w
}

// round kills the program after some acknowledged changes, looks into the file if
// asked to, starts the program again, and compares.
func (w *world) round(changes int, look bool) {
	w.load(w.process, changes)
	if look {
		w.look()
	}
	w.process = start(w.t, w.program, w.dir)
	w.settle(func(k *apiKey) bool { return !k.checked })
}

// load lets all clients change keys, and kills the program at some moment after so
// many acknowledged changes.
func (w *world) load(p *process, changes int) {
	var acknowledged atomic.Int64
	enough := make(chan struct{})
	var running sync.WaitGroup
	for _, c := range w.clients {
		running.Go(func() {
			c.run(p, func() {
				if acknowledged.Add(1) == int64(changes) {
					close(enough)
				}
			})
		})
	}
	select {
	case <-enough:
	case <-p.gone:
		w.t.Error("the program ended by itself")
	case <-time.After(patience):
		w.t.Errorf("only %d changes were acknowledged", acknowledged.Load())
	}
	// Answers follow commits, so the moment after one is the same each time; what
	// comes next is hit anywhere.
	<-time.After(time.Duration(w.random.Int64N(int64(8 * time.Millisecond))))
	p.kill(w.t)
	running.Wait()
}

// look reads the file of the dead program. A change whose answer was lost may be there
// or not; a rotation may have ended a grace too.
func (w *world) look() {
	known, rows, lost := 1, 0, 0 // the shared key is no client's
	for _, c := range w.clients {
		known += len(c.keys)
		rows += c.audited
		if c.pending != nil {
			lost++
		}
	}
	keys, audited := read(w.t, w.dir)
	between(w.t, "keys", keys, known, known+lost)
	between(w.t, "audit rows of keys", audited, rows, rows+2*lost)
}

// settle finds out what became of the changes without an answer, and checks the keys
// that are chosen.
func (w *world) settle(chosen func(*apiKey) bool) {
	p := w.process
	// A shared key's version is known when all of its changes are.
	w.each(func(c *client) error { return c.settle(p) })
	w.each(func(c *client) error { return c.replay(p) })
	w.each(func(c *client) error {
		var errs []error
		for _, k := range c.keys {
			if chosen(k) {
				errs = append(errs, c.check(p, k))
			}
		}
		return errors.Join(errs...)
	})
	if err := w.clients[0].check(p, w.shared); err != nil {
		w.t.Error(err)
	}
}

// each lets all clients do something at once.
func (w *world) each(do func(*client) error) {
	var running sync.WaitGroup
	for _, c := range w.clients {
		running.Go(func() {
			if err := do(c); err != nil {
				w.t.Error(err)
			}
		})
	}
	running.Wait()
}

// finish kills the program once more and compares everything with everything that
// is known: no answer is missing now.
func (w *world) finish() {
	w.process.kill(w.t)
	w.look()
	w.process = start(w.t, w.program, w.dir)
	w.settle(func(*apiKey) bool { return true })
	total := 1
	for _, c := range w.clients {
		total += len(c.keys)
	}
	answer, err := w.process.call(w.token, request{method: http.MethodGet, path: "/api-keys?status=all&limit=1"})
	if err != nil {
		w.t.Fatal(err)
	}
	between(w.t, "keys in their list", answer.total, total, total)
}

func (w *world) sum() outcomes {
	var sum outcomes
	for _, c := range w.clients {
		sum.add(c.outcomes)
	}
	return sum
}
