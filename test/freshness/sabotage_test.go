package freshness_test

import (
	"context"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/node"
	"github.com/keypin/keypin/internal/verify"
)

// follower is the node's cache, unless it is sabotaged.
func (w *world) follower(m *machine) keypin.Follower {
	if w.sabotage == neverEmpties || w.sabotage == emptiesTooEarly {
		return &forgetful{m.cache}
	}
	return &anew{m.cache, m}
}

// anew gives up the pool's connections when everything is forgotten, as the service does.
type anew struct {
	*verify.Cache
	m *machine
}

func (a *anew) InvalidateAll(ctx context.Context) error {
	a.m.w.mu.Lock()
	a.m.pool = 0
	a.m.w.mu.Unlock()
	return a.Cache.InvalidateAll(ctx)
}

// forgetful forgets to forget.
type forgetful struct{ *verify.Cache }

func (forgetful) InvalidateAll(context.Context) error { return nil }

// saboteur stands before a session.
func (w *world) saboteur(s *session) node.Session {
	switch w.sabotage {
	case emptiesTooEarly:
		return &early{s}
	case countsFromTheEnd:
		return &ending{s}
	}
	return s
}

type early struct{ *session }

func (e *early) Listen(ctx context.Context) (string, error) {
	_ = e.p.machine().cache.InvalidateAll(ctx)
	return e.session.Listen(ctx)
}

type ending struct{ *session }

func (e *ending) Ping(ctx context.Context) (int, error) {
	nodes, err := e.session.Ping(ctx)
	if err == nil {
		now := e.p.now()
		e.p.w.mu.Lock()
		e.p.machine().endAt = &now
		e.p.w.mu.Unlock()
	}
	return nodes, err
}

// machine is the one that the process runs on.
func (p *process) machine() *machine {
	for _, m := range p.w.nodes {
		if m.process == p {
			return m
		}
	}
	return nil
}

// freshness is the node's, unless it is sabotaged.
func (w *world) freshness(m *machine) verify.Freshness {
	switch w.sabotage {
	case trustsForTwo:
		return freshness(func(now time.Time) time.Time { return m.node.AsOf(now).Add(time.Second) })
	case countsFromTheEnd:
		return freshness(func(now time.Time) time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			if wall := now.Round(0).Sub(m.endAt.Round(0)); wall > now.Sub(*m.endAt) {
				return now.Add(-wall)
			}
			return *m.endAt
		})
	}
	return m.node
}

type freshness func(now time.Time) time.Time

func (f freshness) AsOf(now time.Time) time.Time { return f(now) }
