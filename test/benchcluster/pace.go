package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// ofEach are how many connections a node is asked over, and connections those of three,
// which can be shared by one, two and three alike.
const (
	ofEach      = 8
	connections = ofEach * nodeCount
)

// load asks servers about the keys in turn, at a rate.
type load struct {
	keys []key
	at   []string // the servers: data listeners, as a rule
	rate int      // a second, over all of them
	// over is how many connections there are to all of them.
	over int
	// refusals says that a key may be over its limit.
	refusals bool
}

// outcome is how the verifications of a load ended.
type outcome struct{ admitted, refused int }

// run asks for some time, and refuses a load that was not kept up, or of which anything
// ended otherwise than it should.
func (l load) run(ctx context.Context, long time.Duration) (outcome, error) {
	outcomes := make([]outcome, l.over)
	errs := make([]error, l.over)
	clients := make([]*measure.Connection, l.over)
	requests := make([][]measure.Request, len(l.at))
	for i, address := range l.at {
		for _, k := range l.keys {
			requests[i] = append(requests[i], verification(address, k))
		}
	}
	defer func() { hangUp(clients) }()
	for i := range clients {
		c, err := measure.Dial(ctx, l.at[i%len(l.at)])
		if err != nil {
			return outcome{}, err
		}
		clients[i] = c
	}
	total := int(float64(l.rate) * long.Seconds())
	began := time.Now()
	var running sync.WaitGroup
	for i, c := range clients {
		running.Go(func() {
			outcomes[i], errs[i] = l.share(ctx, c, requests[i%len(l.at)], i, total, began)
		})
	}
	running.Wait()
	if err := errors.Join(first(errs), ctx.Err()); err != nil {
		return outcome{}, err
	}
	if took := time.Since(began); took > long+long/20 {
		return outcome{}, fmt.Errorf("%d requests a second took %s instead of %s: too many for this machine", l.rate, took.Round(time.Millisecond), long)
	}
	var all outcome
	for _, o := range outcomes {
		all.admitted += o.admitted
		all.refused += o.refused
	}
	return all, nil
}

// share sends one connection's requests, each at its time, or as soon after it as the
// one before was answered. Over time every connection asks about every key.
func (l load) share(ctx context.Context, c *measure.Connection, requests []measure.Request, i, total int, began time.Time) (o outcome, err error) {
	for n, round := i, 0; n < total && ctx.Err() == nil; n, round = n+l.over, round+1 {
		due := began.Add(time.Duration(float64(n) / float64(l.rate) * float64(time.Second)))
		wait(due)
		code, err := ask(c, requests[l.pick(n, round)])
		switch {
		case err != nil:
			return o, err
		case code == "valid":
			o.admitted++
		case code == "rate_limited" && l.refusals:
			o.refused++
		default:
			return o, fmt.Errorf("a verification ended with %q", code)
		}
	}
	return o, nil
}

// pick is which key the n-th request is about, which is the round-th of its connection.
// Few keys move on by one from round to round, so that none stays at some connections,
// and with them at some nodes.
func (l load) pick(n, round int) int {
	if len(l.keys) <= 10*l.over {
		return (n%l.over + round) % len(l.keys)
	}
	return n % len(l.keys)
}

// wait waits until then.
func wait(until time.Time) {
	if d := time.Until(until); d > 0 {
		time.Sleep(d)
	}
}
