package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// load is what is measured: so many clients, each of which does next over and over.
type load struct {
	clients int
	// client makes a client: what it does each time, and how it ends.
	client func(ctx context.Context, i int) (next func() error, end func(), err error)
}

// requests is the load of clients that send the requests one after the other, each
// client beginning with another one.
func (s server) requests(clients, status int, all ...measure.Request) load {
	return load{clients: clients, client: func(ctx context.Context, i int) (func() error, func(), error) {
		c, err := measure.Dial(ctx, s.Address)
		if err != nil {
			return nil, nil, err
		}
		at := i * len(all) / clients
		return func() error {
			at++
			_, err := c.Do(all[at%len(all)], status)
			return err
		}, c.Close, nil
	}}
}

// turn runs the load for some time, and for at least one round of every client. It
// begins with some that are not counted.
func (l load) turn(ctx context.Context, long time.Duration) (measure.Sample, error) {
	taken := make([][]time.Duration, l.clients)
	errs := make([]error, l.clients)
	var warm, running sync.WaitGroup
	warm.Add(l.clients)
	var began time.Time
	begin := make(chan struct{})
	for i := range l.clients {
		running.Go(func() {
			next, end, err := l.client(ctx, i)
			if err == nil {
				defer end()
				err = next()
			}
			warm.Done()
			<-begin
			for err == nil && ctx.Err() == nil && (time.Since(began) < long || len(taken[i]) == 0) {
				at := time.Now()
				if err = next(); err == nil {
					taken[i] = append(taken[i], time.Since(at))
				}
			}
			errs[i] = err
		})
	}
	warm.Wait()
	began = time.Now()
	close(begin)
	running.Wait()
	elapsed := time.Since(began)
	all := slices.Concat(taken...)
	if err := errors.Join(errors.Join(errs...), ctx.Err()); err != nil {
		return measure.Sample{}, err
	}
	slices.Sort(all)
	return measure.Sample{
		Rate: float64(len(all)) / elapsed.Seconds(),
		P50:  all[len(all)/2],
		P99:  all[len(all)*99/100],
	}, nil
}

// turns gives each load its turn, so many times, every other time in reverse.
func turns(ctx context.Context, rounds int, long time.Duration, loads ...load) ([][]measure.Sample, error) {
	samples := make([][]measure.Sample, len(loads))
	for round := range rounds {
		for j := range loads {
			i := j
			if round%2 == 1 {
				i = len(loads) - 1 - j
			}
			s, err := loads[i].turn(ctx, long)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	return samples, nil
}
