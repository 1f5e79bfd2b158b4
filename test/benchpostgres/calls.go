package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/keypin/keypin/test/engines"
	"github.com/keypin/keypin/test/measure"
)

const (
	callTurn   = 500 * time.Millisecond
	manyAtOnce = 32 // clients
	// stockForCalls is how many keys there are, so that each call finds one that no other
	// call is about.
	stockForCalls = 100_000
	keysPath      = "/api/v1/api-keys"
	newKey        = `{"name":"Continuous integration","scopes":["workflows:read","voices:read"]}`
)

// calls compares the management calls with bare inserts, on each PostgreSQL.
func (b *bench) calls(ctx context.Context) (all findings, err error) {
	versions, err := engines.Postgreses()
	if err != nil {
		return all, err
	}
	for _, binaries := range versions {
		f, err := b.callsOn(ctx, binaries)
		if err != nil {
			return all, err
		}
		all.ratios = append(all.ratios, f.ratios...)
		all.figures = append(all.figures, f.figures...)
	}
	return all, nil
}

func (b *bench) callsOn(ctx context.Context, binaries string) (f findings, err error) {
	p, version, err := b.postgres(ctx, binaries)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, p.Stop()) }()
	bare, err := openBare(ctx, p)
	if err != nil {
		return f, err
	}
	const database = "calls"
	s := b.node(p, database, "")
	if err := b.stock(ctx, p, s, database, stockForCalls); err != nil {
		return f, err
	}
	ids, err := someIDs(ctx, p, database, stockForCalls, stockForCalls)
	if err != nil {
		return f, err
	}
	if err := s.Start(ctx); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	measure.Say("measuring calls on PostgreSQL %s", version)
	samples, err := b.callSamples(ctx, bare, caller{Server: s, ids: ids, next: new(atomic.Int64)})
	if err != nil {
		return f, err
	}
	size, err := p.Query(ctx, database, "SELECT pg_total_relation_size('audit_entries') / count(*) FROM audit_entries")
	if err != nil {
		return f, err
	}
	f.ratios = ratiosOfCalls(version, samples)
	f.figures = []figure{{"an audit row of these calls on the disk, PostgreSQL " + version, size + " bytes", "with its index", "–"}}
	return f, nil
}

// caller makes the calls of a load.
type caller struct {
	*measure.Server
	ids  []string
	next *atomic.Int64
}

// take gives the id of a key that nobody else is given.
func (c caller) take() (string, error) {
	n := c.next.Add(1) - 1
	if int(n) >= len(c.ids) {
		return "", fmt.Errorf("all %d keys are used up", len(c.ids))
	}
	return c.ids[n], nil
}

// each is a load whose clients call with requests that next makes, one after the other.
func (c caller) each(clients, status int, client func(send func(measure.Request) ([]byte, error)) (next func() error, err error)) measure.Load {
	return measure.Load{Clients: clients, Client: func(ctx context.Context, _ int) (func() error, func(), error) {
		conn, err := measure.Dial(ctx, c.Address)
		if err != nil {
			return nil, nil, err
		}
		next, err := client(func(r measure.Request) ([]byte, error) { return conn.Do(r, status) })
		return next, conn.Close, err
	}}
}

// updates renames one key over and over: each client another one.
func (c caller) updates(clients int) measure.Load {
	return c.each(clients, http.StatusOK, func(send func(measure.Request) ([]byte, error)) (func() error, error) {
		id, err := c.take()
		n := 0
		return func() error {
			n++
			_, err := send(c.Request(http.MethodPatch, keysPath+"/"+id, fmt.Sprintf(`{"name":"Continuous integration %d"}`, n)))
			return err
		}, err
	})
}

// rotations rotate one key after the other, and revocations revoke them.
func (c caller) rotations(clients int) measure.Load {
	return c.once(clients, http.MethodPatch, "/rotate")
}

// neighbours rotate keys that were made one after the other a moment before, so that they
// stand beside one another in PostgreSQL's index.
func (c caller) neighbours(clients int) measure.Load {
	const each = 40 // more than a client rotates in a turn
	return measure.Load{Clients: clients, Most: each - 1, Client: func(ctx context.Context, _ int) (func() error, func(), error) {
		var ids []string
		for range each {
			made, err := c.Create(ctx, newKey)
			if err != nil {
				return nil, nil, err
			}
			ids = append(ids, made.ID)
		}
		conn, err := measure.Dial(ctx, c.Address)
		if err != nil {
			return nil, nil, err
		}
		return func() error {
			_, err := conn.Do(c.Request(http.MethodPatch, keysPath+"/"+ids[0]+"/rotate", ""), http.StatusOK)
			ids = ids[1:]
			return err
		}, conn.Close, nil
	}}
}

func (c caller) revocations(clients int) measure.Load { return c.once(clients, http.MethodDelete, "") }

// once calls once for each key.
func (c caller) once(clients int, method, path string) measure.Load {
	return c.each(clients, http.StatusOK, func(send func(measure.Request) ([]byte, error)) (func() error, error) {
		return func() error {
			id, err := c.take()
			if err == nil {
				_, err = send(c.Request(method, keysPath+"/"+id+path, ""))
			}
			return err
		}, nil
	})
}

// gets read keys, each client beginning with another one.
func (c caller) gets(clients int) measure.Load {
	requests := make([]measure.Request, min(5000, len(c.ids)))
	for i := range requests {
		requests[i] = c.Request(http.MethodGet, keysPath+"/"+c.ids[i], "")
	}
	return c.Requests(clients, http.StatusOK, requests...)
}

func (c caller) creates(clients int) measure.Load {
	return c.Requests(clients, http.StatusCreated, c.Request(http.MethodPost, keysPath, newKey))
}

// callSamples gives the loads their turns, and gives what each showed, by its name.
func (b *bench) callSamples(ctx context.Context, bare bare, c caller) (map[string][]measure.Sample, error) {
	var names []string
	var loads []measure.Load
	for _, n := range []int{1, manyAtOnce} {
		for _, l := range []struct {
			name string
			load measure.Load
		}{
			{"bare", bare.load(n, bareInsert)},
			{"telling", bare.load(n, bareTelling)},
			{"create", c.creates(n)},
			{"get", c.gets(n)},
			{"update", c.updates(n)},
			{"rotate", c.rotations(n)},
			{"rotate neighbours", c.neighbours(n)},
			{"revoke", c.revocations(n)},
		} {
			names, loads = append(names, named(l.name, n)), append(loads, l.load)
		}
	}
	taken, err := measure.Turns(ctx, b.rounds, callTurn, loads...)
	if err != nil {
		return nil, err
	}
	samples := map[string][]measure.Sample{}
	for i, name := range names {
		samples[name] = taken[i]
	}
	return samples, nil
}

func named(load string, clients int) string { return fmt.Sprintf("%s %d", load, clients) }

func ratiosOfCalls(version string, samples map[string][]measure.Sample) (rows []measure.Row) {
	row := func(what, of, against, to string, aim measure.Aim) {
		rows = append(rows, measure.Row{
			What: what + ", PostgreSQL " + version, Figure: measure.Throughput(samples[of]),
			Against: against + ": " + measure.Throughput(samples[to]),
			Ratio:   measure.RatioOf(samples[of], samples[to], measure.Rate), Aim: aim,
		})
	}
	one, many := named("bare", 1), named("bare", manyAtOnce)
	const writer, writers = "bare insert, 1 writer", "bare insert, 32 writers"
	row("create, 1 client", named("create", 1), writer, one, measure.AtLeast(0.5))
	row("create, 32 clients", named("create", manyAtOnce), writer, one, measure.MoreThan(1))
	for _, call := range []string{"get", "update", "rotate", "revoke"} {
		row(call+", 1 client", named(call, 1), writer, one, measure.Aim{})
	}
	for _, call := range []string{"create", "update", "rotate", "revoke"} {
		row(call+", 32 clients", named(call, manyAtOnce), writers, many, measure.Aim{})
	}
	for _, call := range []string{"create", "update"} {
		row(call+", 32 clients", named(call, manyAtOnce), call+", 1 client", named(call, 1), measure.Aim{})
	}
	row("rotate, 32 clients, keys that were made one after the other", named("rotate neighbours", manyAtOnce), "other keys", named("rotate", manyAtOnce), measure.Aim{})
	row("no Keypin: bare insert, 32 writers", many, writer, one, measure.Aim{})
	row("no Keypin: bare insert that notifies, 32 writers", named("telling", manyAtOnce), "the same, 1 writer", named("telling", 1), measure.Aim{})
	return rows
}
