package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gofrs/flock"

	"github.com/keypin/keypin/internal/keypin"
)

// Store is a keypin.Store in one SQLite file. It is safe for concurrent use.
type Store struct {
	reader
	lock    *flock.Flock // held while the store is open
	reading *sql.DB
	writing *sql.DB
	writer  *writer
	pages   preparedPages

	closed  atomic.Bool
	closing sync.Once
}

var _ keypin.Store = (*Store)(nil)

// Tx runs change on the writing connection, in a transaction that it may share with
// other changes. change runs in the caller's goroutine, at most once. It must not
// call Tx: the second would wait for the first for ever.
func (s *Store) Tx(ctx context.Context, change func(keypin.Tx) error) error {
	return s.writer.submit(ctx, change)
}

// Ping reads the database file.
func (s *Store) Ping(ctx context.Context) error {
	ctx, err := s.enter(ctx)
	if err != nil {
		return err
	}
	var tables int
	if err := s.reading.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return unavailable(s.fail(err))
	}
	return nil
}

// Keys reads the total and the page from one snapshot.
func (s *Store) Keys(ctx context.Context, workspace keypin.ID, query keypin.KeyQuery) (keypin.KeyPage, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return keypin.KeyPage{}, err
	}
	snapshot, err := s.reading.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return keypin.KeyPage{}, s.fail(err)
	}
	defer snapshot.Rollback()
	list := keyList{workspace: workspace, query: query}
	page, err := list.read(ctx, s.queries.WithTx(snapshot), s.pages.in(snapshot))
	if err != nil {
		return keypin.KeyPage{}, s.fail(err)
	}
	if list.counts.Late+list.counts.Early >= rejudgeFrom {
		s.writer.rejudge(judgement{workspace: workspace, now: query.Now})
	}
	return page, nil
}

// Close lets the transactions end that have begun, answers those that have not with
// CodeUnavailable, and closes the file. Closing again does nothing.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		s.closed.Store(true)
		s.writer.stop()
		err = translate(s.release())
	})
	return err
}

// release closes what open opened. The writer is last: only a connection that may
// write can move the WAL into the database file.
func (s *Store) release() error {
	var errs []error
	if s.reading != nil {
		errs = append(errs, s.reading.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.release())
	}
	if s.writing != nil {
		errs = append(errs, s.writing.Close())
	}
	return errors.Join(append(errs, s.lock.Unlock())...)
}

// enter lets a read begin.
func (s *Store) enter(ctx context.Context) (context.Context, error) {
	if s.closed.Load() {
		return nil, unavailable(errClosed)
	}
	return ctx, nil
}

// fail translates the error of a read. One that began while Close ran is no mystery.
func (s *Store) fail(err error) error {
	if s.closed.Load() {
		return unavailable(errClosed)
	}
	return translate(err)
}
