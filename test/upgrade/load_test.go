package upgrade

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/test/chaos/check"
)

// pace is how often each part of the load asks.
const pace = 15 * time.Millisecond

// load asks every node about keys that were changed lately, and lets owners change theirs
// through any node, until stop is called.
func (w *world) load(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	for _, d := range w.doors {
		running.Go(func() { w.askAround(ctx, d) })
	}
	for i := range 3 {
		running.Go(func() {
			o := owner{world: w, number: i, next: i, tick: time.NewTicker(pace)}
			defer o.tick.Stop()
			for ctx.Err() == nil {
				o.cycle(ctx)
			}
		})
	}
	return func() {
		cancel()
		running.Wait()
	}
}

// askAround asks a node about the keys that were changed last.
func (w *world) askAround(ctx context.Context, d *door) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.mu.Lock()
		var k key
		if len(w.recent) > 0 {
			k = w.recent[rand.IntN(len(w.recent))]
		}
		w.mu.Unlock()
		if k.id != "" {
			w.check(context.WithoutCancel(ctx), d, k, [][]string{nil, narrow(), wide()}[rand.IntN(3)]...)
		}
	}
}

// owner changes keys of its own, one change after the other.
type owner struct {
	*world
	number, cycles int
	next           int // the node that is asked next
	tick           *time.Ticker
	last           key // of the cycle before
}

// cycle makes seven changes: an odd number, so that each comes to another node than in
// the cycle before. The key of the last cycle lives as long as this one.
func (o *owner) cycle(ctx context.Context) {
	o.cycles++
	once := fmt.Sprintf("owner-%d-%d", o.number, o.cycles)
	k, ok := o.insist(ctx, creation(once, 0))
	if !ok {
		return
	}
	for _, c := range []change{scoping(k, narrow()), activation(k, false), activation(k, true), scoping(k, wide())} {
		if _, ok := o.insist(ctx, c); !ok {
			return
		}
	}
	if k, ok = o.insist(ctx, rotation(once+"-rotate", k, 0)); !ok {
		return
	}
	if o.last.id != "" {
		o.insist(ctx, revocation(o.last))
	}
	o.last = k
}

// insist asks one node after the other until the change is answered, and reports whether
// it was made. It gives up when ctx ends.
func (o *owner) insist(ctx context.Context, c change) (key, bool) {
	for {
		select {
		case <-ctx.Done():
			return key{}, false
		case <-o.tick.C:
		}
		d := o.doors[o.next%len(o.doors)]
		o.next++
		made, e := o.make(context.WithoutCancel(ctx), d, c)
		if e.Acknowledged() {
			return made, true
		}
		inFlight := e.Status == 409 && e.Code == string(client.CodeConflict)
		if e.Refused() && !inFlight {
			return key{}, false // the log is judged, and this is in it
		}
	}
}

// settle waits until every node that is there has answered some of the load.
func (w *world) settle(t *testing.T, there ...*door) {
	t.Helper()
	type count struct{ checks, changes int64 }
	until := map[*door]count{}
	for _, d := range there {
		until[d] = count{d.checks.Load() + 20, d.changes.Load() + 10}
	}
	eventually(t, "the load is not answered", func() bool {
		for d, c := range until {
			if d.checks.Load() < c.checks || d.changes.Load() < c.changes {
				return false
			}
		}
		return true
	})
}

// eventually asks until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ask(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// judge looks at every node's view of every key in the end, and at the whole log. Nobody
// else asks any more.
func (w *world) judge(t *testing.T) {
	t.Helper()
	var looking sync.WaitGroup
	for _, d := range w.doors {
		looking.Go(func() {
			for id, secret := range w.secrets {
				w.add(w.view(t.Context(), d, key{id, secret}))
			}
		})
	}
	looking.Wait()
	for _, v := range check.Log(w.entries) {
		if v.Rule != "recovery" { // of faults, of which there are none: unanswered says more
			t.Error(v.Excerpt())
		}
	}
	w.unanswered(t)
	answers := map[string]int{}
	for _, e := range w.entries {
		answers[fmt.Sprintf("%s %d", e.Kind, e.Status)]++
	}
	t.Logf("%d keys; answers by status, 0 for none: %v", len(w.secrets), answers)
}

// view is what a node shows of a key.
func (w *world) view(ctx context.Context, d *door, k key) check.Entry {
	e := check.Entry{Kind: check.Final, Node: d.node, Key: k.id, Begin: w.now()}
	shown, err := d.manage.Keys.Get(ctx, k.id)
	e.End = w.now()
	if answered(&e, err); err == nil {
		seen := state(shown)
		e.Seen = &seen
	}
	nothing := 0
	e.Code = string(client.OutcomeNotFound) // what is not answered is as good as lost
	if v, err := d.data.Keys.Verify(ctx, client.VerifyParams{Key: k.secret, Cost: &nothing}); err == nil {
		e.Code = string(v.Code)
	}
	return e
}

// unanswered reports what a node did not answer though it was there from when it was
// asked: it was not just being replaced.
func (w *world) unanswered(t *testing.T) {
	t.Helper()
	for _, e := range w.entries {
		if e.Kind != check.Check && e.Kind != check.Change || e.Status != 0 {
			continue
		}
		excused := false
		for _, a := range w.away {
			excused = excused || a.node == e.Node && a.begin <= e.End && e.Begin <= a.end
		}
		if !excused {
			t.Errorf("node %d did not answer at %.3f s: %s", e.Node+1, e.Begin.Seconds(), e.Error)
		}
	}
}
