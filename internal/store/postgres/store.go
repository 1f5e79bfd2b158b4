package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/db"
)

// Store is a keypin.Store in a PostgreSQL database, which other processes may use at
// the same time. It is safe for concurrent use.
type Store struct {
	reader
	pool    *pgxpool.Pool
	timeout time.Duration
	begin   beginnings
	tidying *tidying
	retries atomic.Int64

	mu      sync.Mutex // guards closed, and adding to running
	closed  bool
	running sync.WaitGroup
	closing sync.Once
}

var _ keypin.Store = (*Store)(nil)

// Stats are numbers of the store, since it was opened where they count something.
type Stats struct {
	MaxConnections  int           // may be open at once
	Connections     int           // are open
	Idle            int           // are open and not in use
	Opened          int64         // connections
	Acquired        int64         // times that a connection was taken
	Waited          int64         // times that none was free
	WaitedFor       time.Duration // in all, for a connection
	GaveUp          int64         // times that a caller waited for none any longer
	SerializedAgain int64         // attempts of transactions that others made fail
}

// Stats gives the numbers of now.
func (s *Store) Stats() Stats {
	p := s.pool.Stat()
	return Stats{
		MaxConnections: int(p.MaxConns()), Connections: int(p.TotalConns()), Idle: int(p.IdleConns()), Opened: p.NewConnsCount(),
		Acquired: p.AcquireCount(), Waited: p.EmptyAcquireCount(), WaitedFor: p.EmptyAcquireWaitTime(), GaveUp: p.CanceledAcquireCount(),
		SerializedAgain: s.retries.Load(),
	}
}

// enter lets a call begin that Close waits for. Who gets no error calls s.running.Done.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return unavailable(errClosed)
	}
	s.running.Add(1)
	return nil
}

// bounded is the context of one exchange with the server: it ends when the caller's
// deadline is over or the timeout is. A caller who merely goes away does not end it:
// that would cost the connection, and anybody can go away often.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	until := time.Now().Add(s.timeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	return context.WithDeadline(context.WithoutCancel(ctx), until)
}

// acquire takes a connection of the pool.
func (s *Store) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return s.pool.Acquire(ctx)
}

// run reads on a connection of the pool.
func (s *Store) run(ctx context.Context, read func(context.Context, *db.Queries) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	conn, err := s.acquire(ctx)
	if err != nil {
		return translate(err)
	}
	defer conn.Release()
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return translate(read(ctx, db.New(conn)))
}

// Ping reports whether a server answers that may be written to.
func (s *Store) Ping(ctx context.Context) error {
	err := s.run(ctx, refuseReplica)
	if err != nil && keypin.CodeOf(err) != keypin.CodeUnavailable {
		return unavailable(err)
	}
	return err
}

// Keys reads the total and the page from one snapshot.
func (s *Store) Keys(ctx context.Context, workspace keypin.ID, query keypin.KeyQuery) (keypin.KeyPage, error) {
	if err := s.enter(ctx); err != nil {
		return keypin.KeyPage{}, err
	}
	defer s.running.Done()
	list := keyList{workspace: workspace, query: query}
	page, err := s.keys(ctx, &list)
	if err != nil {
		return keypin.KeyPage{}, translate(err)
	}
	s.tidying.afterList(&list)
	return page, nil
}

func (s *Store) keys(ctx context.Context, list *keyList) (page keypin.KeyPage, err error) {
	conn, err := s.acquire(ctx)
	if err != nil {
		return keypin.KeyPage{}, err
	}
	defer conn.Release()
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	snapshot, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: s.begin.snapshot})
	if err != nil {
		return keypin.KeyPage{}, err
	}
	page, err = list.read(ctx, snapshot)
	if err != nil {
		_ = snapshot.Rollback(ctx) // a connection that is still in a transaction is closed by Release
		return keypin.KeyPage{}, err
	}
	return page, snapshot.Commit(ctx)
}

// maxAttempts bounds how often a transaction is tried that others make fail.
const maxAttempts = 32

// Tx runs change in a serializable transaction of the engine, and again when others
// make that fail. It must not be called inside change: two of them might wait for one
// another's connection.
func (s *Store) Tx(ctx context.Context, change func(keypin.Tx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		again, err := s.attempt(ctx, change)
		if again == nil {
			return err
		}
		s.retries.Add(1)
		if attempt == maxAttempts || time.Since(begun) > s.timeout {
			return unavailable(errors.New(again.Error()))
		}
		if err := pause(ctx, attempt); err != nil {
			return unavailable(err)
		}
	}
}

// attempt tries once. again is why another attempt may succeed where this one did not.
func (s *Store) attempt(ctx context.Context, change func(keypin.Tx) error) (again, err error) {
	t := &tx{store: s}
	t.reader = reader{runner: t, doubts: s.doubts}
	defer t.release() // when change panics, or ends its goroutine, too
	err = change(t)
	return t.end(ctx, err)
}

// pause waits before the next attempt, so that the same ones do not meet again: up to
// 1 ms after the first, and up to 64 ms after many.
func pause(ctx context.Context, attempt int) error {
	timer := time.NewTimer(rand.N(time.Millisecond << min(attempt-1, 6))) //nolint:gosec // nobody gains by guessing it
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Close waits for the calls that have begun, and closes the connections. Closing again
// does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
		s.running.Wait()
		s.tidying.stop()
		s.pool.Close()
	})
	return nil
}
