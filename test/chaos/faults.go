package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/keypin/keypin/test/chaos/check"
)

// fault is something that is broken for a while. do returns once it is whole again.
type fault struct {
	hits check.Broken
	hold time.Duration
	do   func(ctx context.Context, hold time.Duration) error
}

// kind makes a fault of its kind, by drawing what it leaves open.
type kind func(*rand.Rand) fault

// families are the kinds of faults by what they hit: the three links, the nodes'
// processes and those of the engines.
func (w *world) families() [][]kind {
	return [][]kind{w.linkKinds(toDatabase), w.linkKinds(toListen), w.linkKinds(toRedis), w.nodeKinds(), w.postgresKinds(), w.redisKinds()}
}

// between draws a time.
func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)))
}

// all are the numbers of all nodes.
func (w *world) all() []int {
	all := make([]int, len(w.cluster.Nodes))
	for i := range all {
		all[i] = i
	}
	return all
}

// some draws one node, or all of them, one time in three.
func (w *world) some(r *rand.Rand) []int {
	if r.IntN(3) == 0 {
		return w.all()
	}
	return []int{r.IntN(len(w.cluster.Nodes))}
}

// linkKinds are what can befall a connection.
func (w *world) linkKinds(to string) []kind {
	hits := func(what string, nodes []int) (check.Broken, []string) {
		names := make([]string, len(nodes))
		for i, n := range nodes {
			names[i] = linkName(n, to)
		}
		return check.Broken{Name: to + " " + what, Nodes: nodes, Limiter: to == toRedis, Unseen: to == toListen}, names
	}
	poison := func(what string, draw func(*rand.Rand) []toxic) kind {
		return func(r *rand.Rand) fault {
			broken, names := hits(what, w.some(r))
			toxics := draw(r)
			return fault{broken, between(r, 500*time.Millisecond, 4*time.Second), func(ctx context.Context, hold time.Duration) error {
				return w.links.poison(ctx, names, toxics, hold)
			}}
		}
	}
	fixed := func(toxics ...toxic) func(*rand.Rand) []toxic { return func(*rand.Rand) []toxic { return toxics } }
	return []kind{
		poison("latency", func(r *rand.Rand) []toxic {
			half := 20 + r.Int64N(600) // milliseconds, one way
			attributes := map[string]int64{"latency": half, "jitter": half / 2}
			return []toxic{{"latency", up, attributes}, {"latency", down, attributes}}
		}),
		poison("stalled", fixed(toxic{"timeout", up, map[string]int64{"timeout": 0}}, toxic{"timeout", down, map[string]int64{"timeout": 0}})),
		poison("reset", fixed(toxic{"reset_peer", down, map[string]int64{"timeout": 0}})),
		poison("half-open, answers dropped", fixed(toxic{"timeout", down, map[string]int64{"timeout": 0}})),
		poison("half-open, questions dropped", fixed(toxic{"timeout", up, map[string]int64{"timeout": 0}})),
		poison("slow", func(r *rand.Rand) []toxic {
			attributes := map[string]int64{"rate": 1 + r.Int64N(8)} // kB/s
			return []toxic{{"bandwidth", up, attributes}, {"bandwidth", down, attributes}}
		}),
		poison("in slices", func(r *rand.Rand) []toxic {
			attributes := map[string]int64{"average_size": 8 + r.Int64N(56), "size_variation": 4, "delay": 1000 + r.Int64N(4000)}
			return []toxic{{"slicer", up, attributes}, {"slicer", down, attributes}}
		}),
		func(r *rand.Rand) fault {
			broken, names := hits("cut", w.some(r))
			return fault{broken, between(r, 200*time.Millisecond, 4*time.Second), func(ctx context.Context, hold time.Duration) error {
				return w.links.cut(ctx, names, hold)
			}}
		},
	}
}

// nodeKinds are what can befall a node's process.
func (w *world) nodeKinds() []kind {
	one := func(r *rand.Rand, what string) check.Broken {
		return check.Broken{Name: "node " + what, Nodes: []int{r.IntN(len(w.cluster.Nodes))}, Unseen: true}
	}
	return []kind{
		func(r *rand.Rand) fault {
			broken := one(r, "killed")
			broken.Ends = true
			node := w.cluster.Nodes[broken.Nodes[0]]
			return fault{broken, between(r, 0, 2*time.Second), func(ctx context.Context, hold time.Duration) error {
				if err := node.Kill(); err != nil {
					return err
				}
				pause(ctx, hold)
				return w.restart(ctx, broken.Nodes[0])
			}}
		},
		func(r *rand.Rand) fault {
			broken := one(r, "stopped")
			broken.Limiter = true // what it asked of Redis before has taken too long after
			return fault{broken, between(r, 500*time.Millisecond, 5*time.Second), stall(w.cluster.Nodes[broken.Nodes[0]].Signal)}
		},
	}
}

// restart starts a node as a supervisor would: again, when what it needs is away.
func (w *world) restart(ctx context.Context, node int) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 40*time.Second)
	defer cancel()
	for {
		err := w.cluster.Nodes[node].Start(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// stall stops what gets the signals, and lets it go on after a while.
func stall(signal func(syscall.Signal) error) func(context.Context, time.Duration) error {
	return func(ctx context.Context, hold time.Duration) error {
		err := signal(syscall.SIGSTOP)
		pause(ctx, hold)
		return errors.Join(err, signal(syscall.SIGCONT))
	}
}

// away ends something, and starts it after a while.
func away(end func() error, start func(context.Context) error) func(context.Context, time.Duration) error {
	return func(ctx context.Context, hold time.Duration) error {
		if err := end(); err != nil {
			return err
		}
		pause(ctx, hold)
		return start(context.WithoutCancel(ctx))
	}
}

// postgresKinds are what can befall PostgreSQL.
func (w *world) postgresKinds() []kind {
	p := w.cluster.Postgres
	of := func(what string, from, to time.Duration, do func(context.Context, time.Duration) error) kind {
		return func(r *rand.Rand) fault {
			return fault{check.Broken{Name: "PostgreSQL " + what, Nodes: w.all(), Unseen: true}, between(r, from, to), do}
		}
	}
	return []kind{
		of("restarted", 0, time.Millisecond, away(p.Shutdown, p.Start)),
		of("killed", 0, time.Millisecond, away(p.Kill, p.Start)),
		of("away", time.Second, 4*time.Second, away(p.Shutdown, p.Start)),
		of("stalled", 500*time.Millisecond, 5*time.Second, stall(p.Signal)),
	}
}

// redisKinds are what can befall Redis, which keeps nothing when it ends.
func (w *world) redisKinds() []kind {
	p := w.cluster.Redis
	of := func(what string, from, to time.Duration, do func(context.Context, time.Duration) error) kind {
		return func(r *rand.Rand) fault {
			return fault{check.Broken{Name: "Redis " + what, Nodes: w.all(), Limiter: true}, between(r, from, to), do}
		}
	}
	return []kind{
		of("restarted empty", 0, time.Millisecond, away(p.Kill, p.Start)),
		of("away", time.Second, 4*time.Second, away(p.Shutdown, p.Start)),
		of("emptied", 0, time.Millisecond, func(ctx context.Context, _ time.Duration) error {
			_, err := p.Do(context.WithoutCancel(ctx), "FLUSHALL")
			return err
		}),
		of("stalled", 500*time.Millisecond, 4*time.Second, stall(p.Signal)),
	}
}

// perFamily is how many kinds of every family the short form has.
const perFamily = 2

// schedule draws the faults of a run, some of them two at a time. The long form has all
// kinds, the short one some of every family: another seed, other kinds.
func (w *world) schedule(r *rand.Rand, long bool) [][]fault {
	families := w.families()
	if w.only != "" {
		return w.chosen(r, families)
	}
	var steps [][]fault
	for _, kinds := range families {
		r.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
		if !long {
			kinds = kinds[:perFamily]
		}
		for _, k := range kinds {
			steps = append(steps, []fault{k(r)})
		}
	}
	r.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	if w.mode == check.Deny {
		// Each loss ends all admissions for a minute, so that what comes before is all
		// that shows the limit.
		slices.SortStableFunc(steps, func(a, b []fault) int { return limiterLast(a[0]) - limiterLast(b[0]) })
	}
	if !long || w.mode == check.Deny {
		return steps
	}
	// A second fault in every fourth step. Two of one family could undo one another.
	for i := 0; i < len(steps); i += 4 {
		first := steps[i][0]
		for range 10 {
			second := families[r.IntN(len(families))]
			f := second[r.IntN(len(second))](r)
			if family(f) != family(first) {
				steps[i] = append(steps[i], f)
				break
			}
		}
	}
	return steps
}

// chosen are faults of the kinds whose names hold the text that was asked for.
func (w *world) chosen(r *rand.Rand, families [][]kind) (steps [][]fault) {
	const most, draws = 12, 10_000
	for range draws {
		if f := pick(r, pick(r, families))(r); len(steps) < most && strings.Contains(f.hits.Name, w.only) {
			steps = append(steps, []fault{f})
		}
	}
	return steps
}

func limiterLast(f fault) int {
	if f.hits.Limiter {
		return 1
	}
	return 0
}

func family(f fault) string {
	var first string
	_, _ = fmt.Sscan(f.hits.Name, &first) // a name has a first word
	return first
}
