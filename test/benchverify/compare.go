package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/keypin/keypin/test/measure"
	"github.com/keypin/keypin/test/measure/bulk"
)

// load is what gets its turns.
type load struct {
	address string
	requests
	outcome string                   // of all verifications; "" when Keypin is not asked
	renew   func() (requests, error) // before each turn; nil = the same requests again
}

// The loads, as they are numbered.
const (
	bareVerify = iota
	verify
	bareForward
	forward
	miss
	public
	betterauth
)

// compare measures servers on the cores, one after the other, in turns.
func (b *bench) compare(ctx context.Context, c cores, s *service, other *betterAuth) (rows []measure.Row, err error) {
	if err := s.on(ctx, c); err != nil {
		return nil, err
	}
	loads, err := b.loadsOf(s)
	if err != nil {
		return nil, err
	}
	for _, bare := range []struct {
		load    int
		request measure.Request
	}{
		{bareVerify, verification(s.DataAddress, "", s.keys[0])},
		{bareForward, forwarded(s.DataAddress, s.keys[0])},
	} {
		p, err := measure.StartBare(ctx, filepath.Join(b.dir, "ceiling"), c.server, c.environment(), s.DataAddress, bare.request)
		if err != nil {
			return nil, err
		}
		defer p.Stop()
		loads[bare.load].address = p.Address
	}
	if other != nil {
		node, err := other.on(ctx, c)
		if err != nil {
			return nil, err
		}
		defer node.Stop()
		r, err := store(filepath.Join(b.dir, "better-auth.requests"), each(other.keys, other.verification))
		if err != nil {
			return nil, err
		}
		loads = append(loads, load{address: node.Address, requests: r})
	}
	samples, err := b.turns(ctx, c, s, loads)
	if err != nil {
		return nil, err
	}
	return report(c, samples), nil
}

// loadsOf are the loads of Keypin and of the bare handlers, which are sent the same.
func (b *bench) loadsOf(s *service) ([]load, error) {
	loads := make([]load, betterauth)
	for i, what := range map[int]struct {
		name, address string
		request       func(key string) measure.Request
	}{
		verify:  {"verify", s.DataAddress, func(key string) measure.Request { return verification(s.DataAddress, "", key) }},
		forward: {"forward", s.DataAddress, func(key string) measure.Request { return forwarded(s.DataAddress, key) }},
		public:  {"public", s.Address, func(key string) measure.Request { return verification(s.Address, s.asker, key) }},
	} {
		r, err := store(filepath.Join(b.dir, what.name+".requests"), each(s.keys, what.request))
		if err != nil {
			return nil, err
		}
		loads[i] = load{address: what.address, requests: r, outcome: "valid"}
	}
	loads[bareVerify].requests, loads[bareForward].requests = loads[verify].requests, loads[forward].requests
	loads[miss] = load{address: s.DataAddress, outcome: "not_found", renew: func() (requests, error) { return b.neverSeen(s) }}
	return loads, nil
}

// neverSeen are requests with keys of the right form, none of which was presented
// before.
func (b *bench) neverSeen(s *service) (requests, error) {
	const perSecond = 50_000 // more than are answered
	var all []measure.Request
	for len(all) < perSecond*(1+int(b.turn.Seconds())) {
		keys, err := bulk.Unknown.Block(b.unknown)
		if err != nil {
			return requests{}, err
		}
		b.unknown++
		all = append(all, each(keys, func(key string) measure.Request { return verification(s.DataAddress, "", key) })...)
	}
	r, err := store(filepath.Join(b.dir, "miss.requests"), all)
	r.once = true
	return r, err
}

// turns gives each load its turn, so many times, every other time in reverse. One
// round that is not counted goes first.
func (b *bench) turns(ctx context.Context, c cores, s *service, loads []load) ([][]measure.Sample, error) {
	client, err := newWrk(b.dir, c.client, min(2, c.n))
	if err != nil {
		return nil, err
	}
	samples := make([][]measure.Sample, len(loads))
	for round := range b.rounds + 1 {
		for j := range loads {
			i := j
			if round%2 == 1 {
				i = len(loads) - 1 - j
			}
			sample, err := b.turnOf(ctx, client, s, &loads[i])
			if err := errors.Join(err, ctx.Err()); err != nil {
				return nil, fmt.Errorf("%s: %w", name(i), err)
			}
			if round > 0 {
				samples[i] = append(samples[i], sample)
			}
		}
	}
	return samples, nil
}

func (b *bench) turnOf(ctx context.Context, client wrk, s *service, l *load) (measure.Sample, error) {
	if l.renew != nil {
		renewed, err := l.renew()
		if err != nil {
			return measure.Sample{}, err
		}
		l.requests = renewed
	}
	before, err := s.outcomes(ctx)
	if err != nil {
		return measure.Sample{}, err
	}
	sample, requests, err := client.run(ctx, l.address, l.requests, b.turn)
	if err != nil || l.outcome == "" {
		return sample, err
	}
	after, err := s.outcomes(ctx)
	if err != nil {
		return measure.Sample{}, err
	}
	return sample, all(l.outcome, before, after, requests)
}

func name(load int) string {
	return [...]string{"the bare handler for verify", "verify", "the bare handler for forward-auth", "forward-auth",
		"verify of unknown keys", "verify on the public listener", "better-auth"}[load]
}

// report shows what the samples say.
func report(c cores, samples [][]measure.Sample) []measure.Row {
	rate := func(what string, of, to int, aim measure.Aim) measure.Row {
		return measure.Row{
			What: fmt.Sprintf("%s, %s", what, c), Figure: measure.Throughput(samples[of]),
			Against: name(to) + ": " + measure.Throughput(samples[to]),
			Ratio:   measure.RatioOf(samples[of], samples[to], measure.Rate), Aim: aim,
		}
	}
	tail := func(what string, of, to int) measure.Row {
		return measure.Row{
			What: fmt.Sprintf("%s, %s: p99", what, c), Figure: measure.Milliseconds(measure.Median(samples[of], measure.P99)),
			Against: name(to) + ": " + measure.Milliseconds(measure.Median(samples[to], measure.P99)),
			Ratio:   measure.RatioOf(samples[of], samples[to], measure.P99), Aim: measure.AtMost(1.5),
		}
	}
	rows := []measure.Row{
		rate("verify", verify, bareVerify, measure.AtLeast(0.85)),
		tail("verify", verify, bareVerify),
		rate("forward-auth", forward, bareForward, measure.AtLeast(0.85)),
		tail("forward-auth", forward, bareForward),
		rate("verify, unknown keys", miss, bareVerify, measure.AtLeast(0.25)),
		rate("verify on the public listener, asked by a key", public, bareVerify, measure.Aim{}),
	}
	if len(samples) > betterauth {
		rows = append(rows, rate("verify", verify, betterauth, measure.AtLeast(20)))
	}
	return rows
}
