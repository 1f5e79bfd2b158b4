package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// load is what is measured: so many clients, each of which does next over and over.
type load struct {
	clients int
	// client makes a client: what it does each time, and how it ends.
	client func(ctx context.Context, i int) (next func() error, end func(), err error)
}

// sample is what one turn of a load shows.
type sample struct {
	rate     float64 // per second
	p50, p99 time.Duration
}

// requests is the load of clients that send the requests one after the other, each
// client beginning with another one.
func (s *server) requests(clients, status int, all ...request) load {
	return load{clients: clients, client: func(ctx context.Context, i int) (func() error, func(), error) {
		c, err := dial(ctx, s.address)
		if err != nil {
			return nil, nil, err
		}
		at := i * len(all) / clients
		return func() error {
			at++
			_, err := c.do(all[at%len(all)], status)
			return err
		}, c.close, nil
	}}
}

// turn runs the load for some time, and for at least one round of every client. It
// begins with some that are not counted.
func (l load) turn(ctx context.Context, long time.Duration) (sample, error) {
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
		return sample{}, err
	}
	slices.Sort(all)
	return sample{
		rate: float64(len(all)) / elapsed.Seconds(),
		p50:  all[len(all)/2],
		p99:  all[len(all)*99/100],
	}, nil
}

// turns gives each load its turn, so many times, every other time in reverse.
func turns(ctx context.Context, rounds int, long time.Duration, loads ...load) ([][]sample, error) {
	samples := make([][]sample, len(loads))
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

// median of an attribute of the samples.
func median[T int | float64 | time.Duration](samples []sample, of func(sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

func rate(s sample) float64      { return s.rate }
func p50(s sample) time.Duration { return s.p50 }
func p99(s sample) time.Duration { return s.p99 }

// ratio compares two loads turn by turn.
type ratio struct{ median, least, most float64 }

func ratioOf[T float64 | time.Duration](of, to []sample, attribute func(sample) T) ratio {
	values := make([]float64, len(of))
	for i := range of {
		values[i] = float64(attribute(of[i])) / float64(attribute(to[i]))
	}
	slices.Sort(values)
	return ratio{values[len(values)/2], values[0], values[len(values)-1]}
}
