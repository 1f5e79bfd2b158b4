package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/keypin/keypin/test/measure"
)

const (
	// defaultRate is of a node. Three are well below what they and the client can do on two
	// cores.
	defaultRate = 3_000
	// plainKeys have no limit.
	plainKeys = 64
	// hotKeys have one that is not reached, and are asked about so often that nodes lease.
	hotKeys  = 8
	hotLimit = 1_000_000
	// warmUp is not counted: connections are made, keys looked up, units leased.
	warmUp = 500 * time.Millisecond
	// flatness is by how much a verification may cost more where there are more nodes.
	flatness = 1.10
)

// cost is processor time for each verification, in seconds a million.
type cost struct{ asked, engines float64 }

// costs are of the turns, by number of nodes less one.
type costs [nodeCount][]cost

// compared is what is measured with one, two and three nodes.
type compared struct {
	plain, hot costs // each node is asked at the rate
	each       costs // so is each of as many bare handlers
	fixed      costs // all nodes together are asked as often as three before
	bare       costs // so are all bare handlers together
}

// processors measures what a verification costs with one, two and three nodes.
func (b *bench) processors(ctx context.Context) ([]row, error) {
	plain, err := b.keys(ctx, plainKeys, 0)
	if err != nil {
		return nil, err
	}
	hot, err := b.keys(ctx, hotKeys, hotLimit)
	if err != nil {
		return nil, err
	}
	if err := b.awaitLimits(ctx); err != nil {
		return nil, err
	}
	var c compared
	for round := range b.rounds {
		for i := range nodeCount {
			n := i + 1
			if round%2 == 1 {
				n = nodeCount - i
			}
			if err := b.compare(ctx, n, plain, hot, &c); err != nil {
				return nil, fmt.Errorf("%d nodes: %w", n, err)
			}
			measure.Say("round %d, %d nodes: seconds a million %.1f, with a limit %.1f, the bare handler %.1f; at the fixed rate %.1f, the bare handler %.1f", round+1, n,
				c.plain[n-1][round].asked, c.hot[n-1][round].asked, c.each[n-1][round].asked, c.fixed[n-1][round].asked, c.bare[n-1][round].asked)
		}
	}
	if err := b.scale(ctx, nodeCount); err != nil {
		return nil, err
	}
	return c.rows(b.rate), nil
}

// compare gives n nodes, and n bare handlers, their turns.
func (b *bench) compare(ctx context.Context, n int, plain, hot []key, into *compared) error {
	if err := b.scale(ctx, n); err != nil {
		return err
	}
	if err := b.awaitLimits(ctx); err != nil {
		return err
	}
	nodes, at := b.nodeTimes, b.dataListeners(n)
	fixed := b.rate * nodeCount
	bare, stop, err := b.bareHandlers(ctx, n, plain[0])
	if err != nil {
		return err
	}
	defer stop()
	others := func() (time.Duration, error) { return timesOf(bare) }
	handlers := make([]string, n)
	for i := range bare {
		handlers[i] = bare[i].Address
	}
	for _, turn := range []struct {
		load load
		of   func() (time.Duration, error)
		into *costs
	}{
		{load{keys: plain, at: at, rate: b.rate * n, over: ofEach * n}, nodes, &into.plain},
		{load{keys: plain, at: handlers, rate: b.rate * n, over: ofEach * n}, others, &into.each},
		{load{keys: hot, at: at, rate: b.rate * n, over: ofEach * n}, nodes, &into.hot},
		{load{keys: plain, at: at, rate: fixed, over: connections}, nodes, &into.fixed},
		{load{keys: plain, at: handlers, rate: fixed, over: connections}, others, &into.bare},
	} {
		one, err := b.costOf(ctx, turn.load, turn.of)
		if err != nil {
			return err
		}
		turn.into[n-1] = append(turn.into[n-1], one)
	}
	return nil
}

// bareHandlers starts as many as there are nodes, and gives what ends them.
func (b *bench) bareHandlers(ctx context.Context, n int, k key) (all []measure.Other, stop func(), err error) {
	stop = func() {
		for _, h := range all {
			h.Stop()
		}
	}
	for range n {
		h, err := measure.StartBare(ctx, b.bare, "", []string{"PATH=" + os.Getenv("PATH")}, b.Nodes[0].Data, b.request(0, k))
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, h)
	}
	return all, stop, nil
}

func timesOf(others []measure.Other) (sum time.Duration, err error) {
	for _, o := range others {
		one, err := measure.ProcessorTime(o.Command.Process.Pid)
		if err != nil {
			return 0, err
		}
		sum += one
	}
	return sum, nil
}

// costOf runs the load for a turn, and gives what those who were asked used.
func (b *bench) costOf(ctx context.Context, l load, of func() (time.Duration, error)) (cost, error) {
	if _, err := l.run(ctx, warmUp); err != nil {
		return cost{}, err
	}
	asked, err1 := of()
	before, err2 := b.used()
	if err := errors.Join(err1, err2); err != nil {
		return cost{}, err
	}
	o, err := l.run(ctx, b.turn)
	if err != nil {
		return cost{}, err
	}
	askedThen, err1 := of()
	after, err2 := b.used()
	engines := after.since(before)
	each := 1e6 / float64(o.admitted)
	return cost{(askedThen - asked).Seconds() * each, (engines.postgres + engines.redis).Seconds() * each}, errors.Join(err1, err2)
}

// rows compare more nodes with one, turn by turn.
func (c *compared) rows(rate int) (rows []row) {
	each := measure.Grouped(rate) + "/s at each of"
	all := measure.Grouped(rate*nodeCount) + "/s over"
	rows = c.plain.rows("keys without a limit, "+each, &c.each)
	rows = append(rows, c.hot.rows(fmt.Sprintf("%d keys with a limit, %s", hotKeys, each), &c.each)...)
	return append(rows, c.fixed.rows("keys without a limit, "+all, &c.bare)...)
}

// rows compare with one node, beside what the same does to bare handlers.
func (c *costs) rows(what string, bare *costs) (rows []row) {
	for i := range c {
		plural := "s"
		if i == 0 {
			plural = ""
		}
		asked, engines := c.column(i, func(t int) float64 { return c[i][t].asked }), c.column(i, func(t int) float64 { return c[i][t].engines })
		r := row{
			what:   fmt.Sprintf("seconds for a million verifications: %s %d node%s", what, i+1, plural),
			figure: asked.String(), beside: "PostgreSQL and Redis: " + engines.String(), aim: noAim,
		}
		growth := c.growth(i)
		r.beside += "; as many bare handlers: " + bare.column(i, func(t int) float64 { return bare[i][t].asked }).String()
		if i > 0 {
			r.figure += "; to 1 node " + spreadOf(growth).String()
			other := bare.growth(i)
			r.beside += "; to 1 " + spreadOf(other).String()
			for t := range growth {
				growth[t] /= other[t]
			}
			ratio := spreadOf(growth)
			r.aim = measure.Judged(fmt.Sprintf("%s times theirs, ≤ %.2f", measure.Short(ratio.median), flatness), ratio.median <= flatness)
		}
		rows = append(rows, r)
	}
	return rows
}

func (c *costs) column(i int, of func(turn int) float64) spread {
	values := make([]float64, len(c[i]))
	for t := range values {
		values[t] = of(t)
	}
	return spreadOf(values)
}

// growth is what a verification costs with more nodes to what it costs with one.
func (c *costs) growth(i int) []float64 {
	ratios := make([]float64, len(c[i]))
	for t := range ratios {
		ratios[t] = c[i][t].asked / c[0][t].asked
	}
	return ratios
}
