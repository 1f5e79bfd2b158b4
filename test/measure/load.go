package measure

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Load is what is measured: so many clients, each of which does next over and over.
type Load struct {
	Clients int
	// Most is how often a client does it in a turn, at most; 0 = as often as it can.
	Most int
	// Client makes a client: what it does each time, and how it ends.
	Client func(ctx context.Context, i int) (next func() error, end func(), err error)
}

// Requests is the load of clients that send the requests one after the other, each
// client beginning with another one.
func (s *Server) Requests(clients, status int, all ...Request) Load {
	return Load{Clients: clients, Client: func(ctx context.Context, i int) (func() error, func(), error) {
		c, err := Dial(ctx, s.Address)
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
func (l Load) turn(ctx context.Context, long time.Duration) (Sample, error) {
	taken := make([][]time.Duration, l.Clients)
	errs := make([]error, l.Clients)
	var warm, running sync.WaitGroup
	warm.Add(l.Clients)
	var began time.Time
	begin := make(chan struct{})
	for i := range l.Clients {
		running.Go(func() {
			next, end, err := l.Client(ctx, i)
			if err == nil {
				defer end()
				err = next()
			}
			warm.Done()
			<-begin
			for err == nil && ctx.Err() == nil && (time.Since(began) < long || len(taken[i]) == 0) && (l.Most == 0 || len(taken[i]) < l.Most) {
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
		return Sample{}, err
	}
	slices.Sort(all)
	return Sample{
		Rate: float64(len(all)) / elapsed.Seconds(),
		P50:  all[len(all)/2],
		P99:  all[len(all)*99/100],
	}, nil
}

// Turns gives each load its turn, so many times, every other time in reverse.
func Turns(ctx context.Context, rounds int, long time.Duration, loads ...Load) ([][]Sample, error) {
	samples := make([][]Sample, len(loads))
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
