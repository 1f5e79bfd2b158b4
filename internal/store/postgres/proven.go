package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/column"
	"github.com/keypin/keypin/internal/store/postgres/db"
)

// Proven finds keys as the Store does, and proves that what it read was not outdated: it
// commits after it has read. A server that was cut off from its synchronous standbys, one
// of which may be the primary by now, still answers reads; it cannot commit.
type Proven struct{ store *Store }

// Proven is for when nothing else proves that the server is the primary: it costs a
// commit.
func (s *Store) Proven() Proven { return Proven{s} }

// writeAhead writes a message that nobody reads into the log that the standbys are sent.
const writeAhead = "SELECT pg_logical_emit_message(true, 'keypin', '')"

// KeyByHash finds a key of any workspace. CodeNotFound.
func (p Proven) KeyByHash(ctx context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	s := p.store
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.running.Done()
	conn, err := s.acquire(ctx)
	if err != nil {
		return nil, translate(err)
	}
	defer conn.Release()
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: s.begin.commuting})
	if err != nil {
		return nil, translate(err)
	}
	row, found := db.New(tx).KeyByHash(ctx, column.Hash(hash))
	if found == nil || keypin.CodeOf(translate(found)) == keypin.CodeNotFound {
		if _, err = tx.Exec(ctx, writeAhead); err == nil {
			err = tx.Commit(ctx)
		}
		if err != nil {
			found = err
		} else if err := confirmed(conn); err != nil {
			return nil, unavailable(err)
		}
	}
	if found != nil {
		_ = tx.Rollback(ctx) // a connection that is still in a transaction is closed by Release
		return nil, translate(found)
	}
	key := keyOfWorkspace(row)
	return &key, nil
}

// Vouched finds keys as the Store does, and answers by Proven what was read from another
// server than the one that is vouched for.
type Vouched struct {
	store *Store
	// vouches reports whether a server, by its timeline, is the one whose changes are heard.
	vouches func(timeline string) bool
}

// Vouched is for who hears of the changes of one server, while connections of the pool may
// lead to one that it took over from.
func (s *Store) Vouched(vouches func(timeline string) bool) Vouched { return Vouched{s, vouches} }

// KeyByHash finds a key of any workspace. CodeNotFound.
func (v Vouched) KeyByHash(ctx context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	key, timeline, err := v.store.keyByHash(ctx, hash)
	// After the read: who took over since is heard of later.
	if err == nil && !v.vouches(timeline) {
		return v.store.Proven().KeyByHash(ctx, hash)
	}
	return key, err
}

// Reset gives up every connection, because they may lead to a server that is the primary
// no more, or to none. Those in use are given up when they are free.
func (s *Store) Reset() { s.pool.Reset() }
