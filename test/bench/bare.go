package main

import (
	"context"
	"crypto/rand"
	"database/sql" //nolint:depguard // the bare loop speaks to the engine itself: that is what is compared
	"errors"
	"net/url"
	"time"

	_ "modernc.org/sqlite" //nolint:depguard // as above

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/measure"
)

// bare is the least that keeps a key durably: one prepared INSERT of one row, in a
// transaction of its own, into a table that finds a key by its id and by its hash. The
// engine is set up as the service sets up its own.
type bare struct {
	db     *sql.DB
	insert *sql.Stmt
}

const bareTable = `CREATE TABLE api_keys (
	id BLOB NOT NULL UNIQUE, workspace_id BLOB NOT NULL, chain_id BLOB NOT NULL, created_by BLOB, name TEXT NOT NULL,
	key_type TEXT NOT NULL, prefix TEXT NOT NULL, suffix TEXT NOT NULL, hash BLOB NOT NULL UNIQUE, scopes TEXT NOT NULL,
	active INTEGER NOT NULL, revoke_at INTEGER, expires_at INTEGER, rate_limit INTEGER, allowed_ips TEXT NOT NULL,
	metadata TEXT NOT NULL, rotated_from BLOB, rotated_to BLOB, last_used_at INTEGER, created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL, version INTEGER NOT NULL, judged_at INTEGER NOT NULL) STRICT`

const bareInsert = `INSERT INTO api_keys VALUES
	(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

func openBare(ctx context.Context, path string) (*bare, error) {
	dsn := url.URL{Scheme: "file", Opaque: path, RawQuery: url.Values{"_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "temp_store(MEMORY)",
		"cache_size(-16384)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)",
	}}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	b := &bare{db: db}
	if _, err := db.ExecContext(ctx, bareTable); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if b.insert, err = db.PrepareContext(ctx, bareInsert); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return b, nil
}

func (b *bare) close() error { return errors.Join(b.insert.Close(), b.db.Close()) }

// load inserts one row after the other.
func (b *bare) load() measure.Load {
	return measure.Load{Clients: 1, Client: func(ctx context.Context, _ int) (func() error, func(), error) {
		return func() error { return b.add(ctx) }, func() {}, nil
	}}
}

func (b *bare) add(ctx context.Context) error {
	now := time.Now()
	id, err := keypin.NewID(now, rand.Reader)
	if err != nil {
		return err
	}
	var hash [32]byte
	if _, err := rand.Read(hash[:]); err != nil {
		return err
	}
	at := now.UnixMicro()
	_, err = b.insert.ExecContext(ctx, id[:], id[:], id[:], id[:], "Continuous integration", "live", "op_live", "a1B2c3",
		hash[:], `["workflows:read","voices:read"]`, 1, nil, nil, nil, "[]", "{}", nil, nil, nil, at, at, 1, at)
	return err
}
