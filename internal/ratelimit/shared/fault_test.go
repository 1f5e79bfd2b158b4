package shared

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

// overload calls ten times as often as the limit, at the nodes in turn, for the simulated
// time, and logs what is admitted. Now and then each node looks at Redis.
type overload struct {
	t     *testing.T
	clock *simulated
	nodes []*Limiter
	chain keypin.ID
	limit int
	log   []spent
	turn  int
	codes map[keypin.Code]int
}

func (o *overload) run(d time.Duration) (admitted int) {
	o.t.Helper()
	step := windowLength / time.Duration(10*o.limit)
	for end := o.clock.elapsed.Load() + int64(d); o.clock.elapsed.Load() < end; o.clock.advance(step) {
		at := time.Duration(o.clock.elapsed.Load())
		if every := 20 * time.Second; at/every != (at-step)/every {
			o.look()
		}
		o.turn++
		l := o.nodes[o.turn%len(o.nodes)]
		state, ok, err := l.Admit(o.t.Context(), keypin.Admission{Chain: o.chain, Limit: o.limit, Cost: 1}, o.clock.now())
		if err != nil {
			o.codes[keypin.CodeOf(err)]++
			continue
		}
		if state.Limit != o.limit || !ok && state.RetryAfter <= 0 {
			o.t.Errorf("at %v: %+v, %t", at, state, ok)
		}
		if ok {
			admitted++
			o.log = append(o.log, spent{at, at})
		}
	}
	return admitted
}

func (o *overload) look() (broken int) {
	which := make([]int, bucketCount)
	for i := range which {
		which[i] = i
	}
	for _, l := range o.nodes {
		_ = l.look(o.t.Context(), which) // it may be gone
		broken += l.Stats().Without
	}
	return broken
}

// awaitRedis waits until all nodes are with Redis again. The simulated time stands still.
func (o *overload) awaitRedis() {
	o.t.Helper()
	for deadline := time.Now().Add(5 * time.Second); o.look() > 0; {
		if time.Now().After(deadline) {
			o.t.Fatalf("the nodes are without Redis: %+v", o.nodes[0].Stats())
		}
	}
}

// most is the largest number admitted in any window that begins then or later.
func (o *overload) most(from time.Duration) int {
	log := slices.DeleteFunc(slices.Clone(o.log), func(s spent) bool { return s.from < from })
	most := 0
	for {
		if _, n, found := overLimit(log, most); found {
			most = n
			continue
		}
		return most
	}
}

// misfortune is something that befalls Redis, and what ends it.
type misfortune struct {
	begin, end func(context.Context) error
	// outage says that Redis does not answer in between.
	outage   bool
	settings map[string]string
}

func faultsOf(r *engines.Redis) map[string]misfortune {
	none := func(context.Context) error { return nil }
	return map[string]misfortune{
		"killed and started empty": {
			begin: func(context.Context) error { return r.Kill() }, end: r.Start, outage: true,
		},
		"killed and started at once": {
			begin: func(ctx context.Context) error {
				if err := r.Kill(); err != nil {
					return err
				}
				return r.Start(ctx)
			}, end: none,
		},
		"killed and started with its append-only file": {
			begin: func(context.Context) error { return r.Kill() }, end: r.Start, outage: true, settings: map[string]string{"appendonly": "yes"},
		},
		"emptied": {
			begin: func(ctx context.Context) error { _, err := r.Do(ctx, "FLUSHALL"); return err }, end: none,
		},
		"stalled": {
			begin: func(context.Context) error { return r.Signal(syscall.SIGSTOP) }, outage: true,
			end: func(context.Context) error { return r.Signal(syscall.SIGCONT) },
		},
	}
}

func faulty(t *testing.T, url string, mode Mode, limit int) *overload {
	t.Helper()
	clock := new(simulated)
	o := &overload{t: t, clock: clock, chain: chainID(7), limit: limit, codes: map[keypin.Code]int{}}
	o.nodes = simulateAt(t, url, clock, mode, 3)
	clock.advance(memory)
	if got := o.run(windowLength); got != limit {
		t.Fatalf("%d admitted before the fault", got)
	}
	return o
}

// What each mode says of a loss, whatever the loss. The fault comes when the limit is
// used up and lasts for two windows.
func TestALossCountsAsOne(t *testing.T) {
	const limit = 30
	for _, mode := range []Mode{Local, Deny, Allow} {
		for name := range faultsOf(nil) {
			t.Run(fmt.Sprintf("%s, %s", mode, name), func(t *testing.T) {
				r := startRedis(t, engines.RedisOptions{Settings: faultsOf(nil)[name].settings})
				f := faultsOf(r)[name]
				o := faulty(t, r.URL(), mode, limit)
				begin := time.Duration(o.clock.elapsed.Load())
				if err := f.begin(t.Context()); err != nil {
					t.Fatal(err)
				}
				during := o.run(2 * windowLength)
				if err := f.end(t.Context()); err != nil {
					t.Fatal(err)
				}
				o.awaitRedis()
				back := time.Duration(o.clock.elapsed.Load())
				after := o.run(memory)
				last := o.run(2 * windowLength)
				t.Logf("%d admitted in 120 s of the fault, %d in the 61 s after, %d in 120 s; at most %d in a window", during, after, last, o.most(0))
				check := func(what string, got, least, most int) {
					t.Helper()
					if got < least || got > most {
						t.Errorf("%s: %d, want %d to %d", what, got, least, most)
					}
				}
				check("admitted in two windows at the end", last, 2*limit, 2*limit)
				switch mode {
				case Local:
					check("most in a window", o.most(0), limit, 2*limit)
					check("most in a window that begins a minute after the loss", o.most(begin+windowLength), limit, limit)
					check("admitted meanwhile", during, 2*limit-3, 2*limit)
				case Deny:
					check("most in a window", o.most(0), limit, limit)
					if f.outage {
						check("admitted meanwhile", during, 0, 0)
					}
				case Allow:
					if f.outage {
						check("admitted meanwhile", during, 20*limit, 20*limit)
					}
					check("most in a window after it", o.most(back), limit, limit)
				}
				for code := range o.codes {
					if code != keypin.CodeUnavailable {
						t.Errorf("answered %s", code)
					}
				}
			})
		}
	}
}
