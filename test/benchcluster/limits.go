package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// defaultMinutes is how long limits are looked at.
const defaultMinutes = 4

// tail is how much longer than whole minutes keys are asked about: a minute counts from
// the first admission.
const tail = 3 * time.Second

// client presents one key, as if many clients did at once if streams is more than one.
type client struct {
	key     key
	limit   int
	gap     time.Duration // between two calls
	streams int           // that share the calls
	phase   time.Duration // of the first call
	first   int           // the node that is called first

	mu       sync.Mutex
	admitted []request
	refused  []request
	lateness []time.Duration // by which calls were sent after their time
}

// overloads are the keys that are called far more often than they may be, and steadies
// those that are called exactly as often, by limit a minute; with how many of each.
var (
	overloads = []struct{ limit, keys int }{{600, 4}, {6_000, 2}}
	steadies  = []struct{ limit, keys int }{{30, 50}, {60, 50}, {120, 50}, {600, 50}}
)

// limits measures whether limits are kept, and whether they are used.
func (b *bench) limits(ctx context.Context) (rows []row, err error) {
	over, steady, err := b.clients(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.awaitLimits(ctx); err != nil {
		return nil, err
	}
	if err := b.call(ctx, slices.Concat(over, steady)); err != nil {
		return nil, err
	}
	for _, o := range overloads {
		rows = append(rows, b.overloadRows(of(over, o.limit), o.limit)...)
	}
	for _, s := range steadies {
		rows = append(rows, steadyRow(of(steady, s.limit), s.limit))
	}
	return rows, nil
}

// of are the clients whose keys have the limit.
func of(all []*client, limit int) []*client {
	return slices.DeleteFunc(slices.Clone(all), func(c *client) bool { return c.limit != limit })
}

// clients make keys and say how they are called.
func (b *bench) clients(ctx context.Context) (over, steady []*client, err error) {
	// A stream waits for its answer, so there are as many as let each have ten times as long
	// as answers take.
	const longest = 10 * time.Millisecond
	for _, o := range overloads {
		keys, err := b.keys(ctx, o.keys, o.limit)
		if err != nil {
			return nil, nil, err
		}
		gap := minute / time.Duration(overload*o.limit)
		for i, k := range keys {
			over = append(over, &client{key: k, limit: o.limit, gap: gap, streams: int(longest/gap) + 1, phase: gap * time.Duration(i) / time.Duration(len(keys)), first: i})
		}
	}
	for _, s := range steadies {
		keys, err := b.keys(ctx, s.keys, s.limit)
		if err != nil {
			return nil, nil, err
		}
		gap := minute / time.Duration(s.limit)
		for i, k := range keys {
			steady = append(steady, &client{key: k, limit: s.limit, gap: gap, streams: 1, phase: gap * time.Duration(i) / time.Duration(len(keys)), first: i})
		}
	}
	return over, steady, nil
}

// call lets the clients call for whole minutes and a little.
func (b *bench) call(ctx context.Context, clients []*client) error {
	long := time.Duration(b.minutes)*minute + tail
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var errs []error
	began := time.Now()
	var running sync.WaitGroup
	for _, c := range clients {
		for stream := range c.streams {
			running.Go(func() {
				if err := b.stream(ctx, c, stream, began, long); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
					cancel() // the rest would take minutes
				}
			})
		}
	}
	running.Wait()
	if err := first(errs); err != nil {
		return err
	}
	return ctx.Err()
}

// stream makes every so manieth call of a client, at its time, at one node after the
// other.
func (b *bench) stream(ctx context.Context, c *client, stream int, began time.Time, long time.Duration) error {
	// A node hangs up on who does not say soon what they want.
	connections := make([]*measure.Connection, nodeCount)
	defer func() { hangUp(connections) }()
	requests := make([]measure.Request, nodeCount)
	for node := range requests {
		requests[node] = b.request(node, c.key)
	}
	for n := stream; ctx.Err() == nil; n += c.streams {
		due := c.phase + time.Duration(n)*c.gap
		if due >= long {
			return nil
		}
		wait(began.Add(due))
		node := (c.first + n) % nodeCount
		if connections[node] == nil {
			var err error
			if connections[node], err = measure.Dial(ctx, b.Nodes[node].Data); err != nil {
				return err
			}
		}
		begin := time.Since(began)
		code, err := ask(connections[node], requests[node])
		r := request{begin, time.Since(began)}
		if err != nil {
			return err
		}
		if err := c.note(code, r, begin-due); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) note(code string, r request, late time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lateness = append(c.lateness, late)
	switch code {
	case "valid":
		c.admitted = append(c.admitted, r)
	case "rate_limited":
		c.refused = append(c.refused, r)
	default:
		return fmt.Errorf("a key with a limit ends with %q", code)
	}
	return nil
}

// overloadRows tell of keys that are called far more often than they may be.
func (b *bench) overloadRows(clients []*client, limit int) []row {
	most := 0
	used, cycles := make([]float64, len(clients)), make([]time.Duration, len(clients))
	calls := 0
	for i, c := range clients {
		most = max(most, mostWithin(c.admitted))
		used[i], cycles[i] = fulfilled(c.admitted, limit, b.minutes), cycle(c.admitted, limit)
		calls += len(c.admitted) + len(c.refused)
	}
	what := fmt.Sprintf("limit %s, %d times as many requests, %d keys", measure.Grouped(limit), overload, len(clients))
	s := spreadOf(used)
	return []row{
		{what + ": admitted in any 60 s, at most", measure.Grouped(most), measure.Grouped(calls) + " requests", measure.Judged("≤ "+measure.Grouped(limit), most <= limit)},
		{
			fmt.Sprintf("%s: admitted in %d minutes, of what may be", what, b.minutes), fmt.Sprintf("%s (%s–%s)", share(s.median), share(s.least), share(s.most)),
			fmt.Sprintf("%s are admitted every %.2f s", measure.Grouped(limit), percentile(cycles, 50).Seconds()), noAim,
		},
	}
}

// steadyAim is which share of a steady client's calls must be admitted.
const steadyAim = 0.99

// steadyRow tells of keys that are called exactly as often as they may be. The first
// minute, in which nothing can be refused, does not count.
func steadyRow(clients []*client, limit int) row {
	shares := make([]float64, len(clients))
	admitted, calls, most := 0, 0, 0
	var late []time.Duration
	for i, c := range clients {
		most = max(most, mostWithin(c.admitted))
		a, r := after(c.admitted, minute), after(c.refused, minute)
		shares[i] = float64(a) / float64(a+r)
		admitted += a
		calls += a + r
		late = append(late, c.lateness...)
	}
	whole, least := float64(admitted)/float64(calls), spreadOf(shares).least
	return row{
		fmt.Sprintf("a steady client at its limit of %d a minute: admitted", limit),
		fmt.Sprintf("%s (least of %d keys: %s)", share(whole), len(clients), share(least)),
		fmt.Sprintf("%s of %s calls, at most %d in any 60 s; sent %s late (p99 %s)", measure.Grouped(admitted), measure.Grouped(calls), most,
			measure.Milliseconds(percentile(late, 50)), measure.Milliseconds(percentile(late, 99))),
		measure.Judged("≥ 99 %", whole >= steadyAim && most <= limit),
	}
}

// after is how many requests began after an instant.
func after(requests []request, from time.Duration) (n int) {
	for _, r := range requests {
		if r.begin >= from {
			n++
		}
	}
	return n
}
