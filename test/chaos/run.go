package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/keypin/keypin/test/chaos/check"
	"github.com/keypin/keypin/test/cluster/nodes"
)

// options say what a run is.
type options struct {
	program string // bin/keypin
	file    string // the log's
	seed    uint64
	long    bool
	mode    check.Mode
	nodes   int
	only    string        // faults whose names hold this; "" = all
	wait    time.Duration // before the first fault
	out     io.Writer     // what happens, for people
}

// world is a run.
type world struct {
	options
	links   *links
	cluster *nodes.Cluster
	record  *record
	pool    *pool
	clients []*clients
	owners  []*owner
	good    target   // a key that nobody changes
	limited target   // and one with a limit
	needs   []string // what every node recovers
}

const owners = 6

// draws gives a source of draws of its own to each part of a run, so that what one
// draws does not depend on how fast another is.
func (w *world) draws(part uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, part)) }

// run makes a run, and gives its log and what was wrong with it.
func run(ctx context.Context, o options) (entries []check.Entry, found []check.Violation, err error) {
	w := &world{options: o, links: newLinks(), needs: []string{check.Verifies, check.Creates, check.Fresh}}
	if o.mode != check.Deny { // there limits are unknown for a minute after a loss
		w.needs = append(w.needs, check.Limits)
	}
	defer w.links.close()
	if w.record, err = newRecord(o.file); err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, w.record.close()) }()
	w.pool = newPool(w.record.now)
	w.cluster, err = nodes.Start(ctx, nodes.Options{
		Program: o.program, Nodes: o.nodes, Through: w.links.through,
		Env: []string{"KEYPIN_RATE_LIMITS_WITHOUT_REDIS=" + string(o.mode)},
	})
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if len(found) > 0 || err != nil {
			err = errors.Join(err, w.keepLogs())
		}
		err = errors.Join(err, w.cluster.Stop())
	}()
	if err := w.prepare(ctx); err != nil {
		return nil, nil, err
	}
	defer func() {
		for _, c := range w.clients {
			err = errors.Join(err, c.close())
		}
	}()
	if err := w.play(ctx); err != nil {
		return w.record.all(), nil, err
	}
	entries = w.record.all()
	return entries, check.Log(entries), nil
}

// prepare makes the clients and the keys that every run has.
func (w *world) prepare(ctx context.Context) error {
	w.record.add(check.Entry{Kind: check.Run, Setup: &check.Setup{Seed: w.seed, Nodes: w.nodes, Mode: w.mode, Recovers: w.needs}})
	for i, n := range w.cluster.Nodes {
		c, err := newClients(i, n, w.cluster.Token, w.record)
		if err != nil {
			return err
		}
		w.clients = append(w.clients, c)
	}
	for i := range owners {
		w.owners = append(w.owners, &owner{world: w, random: w.draws(100 + uint64(i)), number: i})
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	good, limited := w.owners[0].create(ctx, 0), w.owners[0].create(ctx, 30)
	for i, limit := range []int{6, 60} { // a third of each is whole
		k := w.owners[i].create(ctx, limit)
		if k == nil || good == nil || limited == nil {
			return errors.New("a key could not be made before the run")
		}
		w.owners[i].keys = append(w.owners[i].keys, k)
	}
	w.good, w.limited = target{id: good.id, secret: good.secret}, target{id: limited.id, secret: limited.secret}
	return nil
}

// play lets the load run while things break, and asks in the end what is there.
func (w *world) play(ctx context.Context) error {
	loaded, stop := context.WithCancel(ctx)
	defer stop()
	var running sync.WaitGroup
	for i, c := range w.clients {
		running.Go(func() { w.load(loaded, c, w.draws(200+uint64(i))) })
	}
	for _, o := range w.owners {
		running.Go(func() { o.run(loaded) })
	}
	pause(ctx, time.Second+w.wait)
	err := w.breakThings(ctx)
	pause(ctx, 1500*time.Millisecond)
	stop()
	running.Wait()
	if err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	w.finish(ctx)
	return nil
}

// rate is how often each node is asked about a key.
const rate = 12 * time.Millisecond

// mostInFlight bounds the questions that wait at one node: fewer come while it is
// stalled than in that time.
const mostInFlight = 500

// load asks about keys at one node, at the same pace whether it answers or not, until
// ctx ends and everything is answered.
func (w *world) load(ctx context.Context, c *clients, r *rand.Rand) {
	all := doors()
	tick := time.NewTicker(rate)
	defer tick.Stop()
	free := make(chan struct{}, mostInFlight)
	var flying sync.WaitGroup
	defer flying.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		t := w.pool.draw(r)
		d := all[min(r.IntN(len(all)+3)/2, len(all)-1)] // the first doors more often
		if t.id == "" {
			continue
		}
		select {
		case free <- struct{}{}:
			flying.Go(func() {
				c.check(context.WithoutCancel(ctx), d, t)
				<-free
			})
		default:
		}
	}
}

// breakThings goes through the schedule.
func (w *world) breakThings(ctx context.Context) error {
	steps := w.schedule(w.draws(1), w.long)
	for i, step := range steps {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		ended, err := w.step(ctx, fmt.Sprintf("%2d/%d", i+1, len(steps)), step)
		if err != nil {
			return err
		}
		if w.long { // a calm, in which nothing may fail
			pause(ctx, ended+5*time.Second-w.record.now())
			pause(ctx, 1200*time.Millisecond)
		} else {
			pause(ctx, 300*time.Millisecond)
		}
	}
	return nil
}

// step breaks something, waits until it is whole, and until all nodes are as before.
func (w *world) step(ctx context.Context, number string, faults []fault) (ended time.Duration, err error) {
	var running sync.WaitGroup
	errs := make([]error, len(faults))
	entries := make([]check.Entry, len(faults))
	for i, f := range faults {
		running.Go(func() {
			pause(ctx, time.Duration(i)*300*time.Millisecond)
			e := check.Entry{Kind: check.Fault, Begin: w.record.now(), Fault: &f.hits}
			say(w.out, "%7.2f s  %s  %s (nodes %s) for %.1f s\n", e.Begin.Seconds(), number, f.hits.Name, people(f.hits.Nodes), f.hold.Seconds())
			errs[i] = f.do(ctx, f.hold)
			e.End = w.record.now()
			entries[i] = e
		})
	}
	running.Wait()
	for i, e := range entries {
		if errs[i] != nil {
			errs[i] = fmt.Errorf("%s: %w", e.Fault.Name, errs[i])
		}
		w.record.add(e)
		ended = max(ended, e.End)
	}
	if err := errors.Join(errs...); err != nil {
		return ended, err
	}
	w.recover(ctx, ended)
	return ended, nil
}

// people count nodes from 1.
func people(nodes []int) string {
	text := ""
	for _, n := range nodes {
		text += fmt.Sprint(n + 1)
	}
	return text
}

// keepLogs saves what the nodes and PostgreSQL logged beside the run's log.
func (w *world) keepLogs() error {
	var errs []error
	keep := func(name, from string) {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(w.file+"."+name+".log", text, 0o600)
		}
		errs = append(errs, err)
	}
	for _, n := range w.cluster.Nodes {
		keep(n.Name, n.Log())
	}
	keep("postgres", w.cluster.Postgres.Log())
	say(w.out, "the logs of nodes and PostgreSQL are kept: %s\n", filepath.Clean(w.file)+".*.log")
	return errors.Join(errs...)
}
