package main

import (
	"context"
	"fmt"
	"time"

	"github.com/keypin/keypin/test/measure"
)

const (
	// callsFor is how long keys are asked about that are admitted.
	callsFor = 12 * time.Second
	// admittedRate is how often one key is asked about that is always admitted.
	admittedRate = 3_000
	// overLimit is of the key that is asked about overload times as often.
	overLimit = 6_000
	overload  = 10
	// every is how often each lukewarm key is asked about.
	every         = 4 * time.Second
	lukewarmLimit = 600
)

// calls measures how often Redis is asked for each request that is admitted.
func (b *bench) calls(ctx context.Context) (rows []row, err error) {
	lukewarm, err := b.keys(ctx, b.lukewarm, lukewarmLimit)
	if err != nil {
		return nil, err
	}
	hot, err := b.keys(ctx, 1, hotLimit)
	if err != nil {
		return nil, err
	}
	over, err := b.keys(ctx, 1, overLimit)
	if err != nil {
		return nil, err
	}
	if err := b.awaitLimits(ctx); err != nil {
		return nil, err
	}
	idle, err := b.idleScripts(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range []struct {
		what string
		load load
		long time.Duration
	}{
		{fmt.Sprintf("one key, %s requests a second, all admitted", measure.Grouped(admittedRate)), load{keys: hot, rate: admittedRate}, callsFor},
		{
			fmt.Sprintf("one key with a limit of %s a minute, %d times as many requests, one minute", measure.Grouped(overLimit), overload),
			load{keys: over, rate: overLimit / 60 * overload, refusals: true}, time.Minute,
		},
		{
			fmt.Sprintf("%s keys, each once in %.0f s, all admitted", measure.Grouped(len(lukewarm)), every.Seconds()),
			load{keys: lukewarm, rate: max(1, int(float64(len(lukewarm))/every.Seconds()))}, callsFor,
		},
	} {
		c.load.at, c.load.over = b.dataListeners(nodeCount), connections
		one, o, err := b.callsOf(ctx, c.load, c.long, idle)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.what, err)
		}
		rows = append(rows, row{
			"calls of Redis for each admitted request, " + c.what, fmt.Sprintf("%.3f", one),
			fmt.Sprintf("%s admitted, %s refused; %.0f looks a second at Redis were not counted", measure.Grouped(o.admitted), measure.Grouped(o.refused), idle), noAim,
		})
	}
	return rows, nil
}

// idleScripts is how many scripts Redis runs a second while nobody asks the nodes.
func (b *bench) idleScripts(ctx context.Context) (float64, error) {
	before, err := b.scripts(ctx)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	wait(began.Add(settle))
	after, err := b.scripts(ctx)
	if err != nil {
		return 0, err
	}
	return float64(after-before) / time.Since(began).Seconds(), nil
}

// callsOf runs the load and gives the calls for each admission beside those that are made
// anyway.
func (b *bench) callsOf(ctx context.Context, l load, long time.Duration, idle float64) (float64, outcome, error) {
	before, err := b.scripts(ctx)
	if err != nil {
		return 0, outcome{}, err
	}
	began := time.Now()
	o, err := l.run(ctx, long)
	if err != nil {
		return 0, o, err
	}
	after, err := b.scripts(ctx)
	if err != nil {
		return 0, o, err
	}
	if o.admitted == 0 {
		return 0, o, fmt.Errorf("none of %d requests was admitted", o.refused)
	}
	return (float64(after-before) - idle*time.Since(began).Seconds()) / float64(o.admitted), o, nil
}
