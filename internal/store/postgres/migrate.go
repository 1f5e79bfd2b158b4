package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/keypin/keypin/internal/keypin"
)

// SchemaVersion is the version of the schema that this code was written for.
const SchemaVersion int64 = 2

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate applies the migrations that are missing. It tells the schema's version before
// and after, and refuses a schema that is newer than SchemaVersion. Running it twice, or
// on several nodes at once, is safe, and it may go through a pooler.
func Migrate(ctx context.Context, database keypin.Secret) (before, after int64, err error) {
	config, err := parse(database)
	if err != nil {
		return 0, 0, err
	}
	conn := config.ConnConfig
	conn.DefaultQueryExecMode = pgx.QueryExecModeExec // names no statement: there may be a pooler
	if conn.ConnectTimeout == 0 {
		conn.ConnectTimeout = defaultTimeout
	}
	pool := stdlib.OpenDB(*conn)
	defer func() { err = errors.Join(err, pool.Close()) }()
	if err := pool.PingContext(ctx); err != nil {
		return 0, 0, errConnecting(conn, err)
	}
	unlock, err := lock(ctx, pool)
	if err != nil {
		return 0, 0, fmt.Errorf("database: waiting for others that migrate: %w", reason(err))
	}
	defer func() { err = errors.Join(err, unlock()) }()
	before, after, err = migrate(ctx, pool, conn.User)
	if code := state(err); code == stateNoRight || code == stateNoSchema {
		err = errMigrating(conn.User, before, err)
	}
	return before, after, err
}

// versioned reads as a connection of pgx does.
type versioned struct{ *sql.DB }

func (v versioned) QueryRow(ctx context.Context, text string, args ...any) pgx.Row {
	return v.QueryRowContext(ctx, text, args...)
}

func migrate(ctx context.Context, pool *sql.DB, user string) (before, after int64, err error) {
	before, err = schemaVersion(ctx, versioned{pool}, user)
	if err != nil || before == SchemaVersion {
		return before, before, err
	}
	if before > SchemaVersion {
		return before, before, errNewer(before)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return before, before, fmt.Errorf("reading the migrations: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return before, before, fmt.Errorf("reading the migrations: %w", err)
	}
	if _, err := provider.Up(ctx); err != nil {
		return before, before, fmt.Errorf("database: migrating: %w", err)
	}
	after, err = schemaVersion(ctx, versioned{pool}, user)
	return before, after, err
}

const (
	// migrationLock is the number of the advisory lock that who migrates holds.
	migrationLock = 0x6b657970696e // "keypin"
	lockPause     = 100 * time.Millisecond
)

// lock waits until nobody else migrates. The lock is that of a transaction, since a
// pooler gives a session's locks to anybody. Neither who holds it nor who waits may have
// a snapshot: an index that is made concurrently would wait for its end. So it is asked
// for again and again, and not waited for inside the server.
func lock(ctx context.Context, pool *sql.DB) (unlock func() error, err error) {
	for {
		held, err := pool.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		var mine bool
		err = held.QueryRowContext(ctx, "SELECT pg_try_advisory_xact_lock($1)", int64(migrationLock)).Scan(&mine)
		if err == nil {
			// After the query, not before: what was asked last stays open in the server, a
			// query with its snapshot, and SET has none.
			_, err = held.ExecContext(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0")
		}
		if err == nil && mine {
			return held.Rollback, nil
		}
		if err := errors.Join(err, held.Rollback()); err != nil {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(lockPause):
		}
	}
}

// schemaVersion is that of the last migration that was applied; 0 for a new database.
func schemaVersion(ctx context.Context, conn interface {
	QueryRow(ctx context.Context, text string, args ...any) pgx.Row
}, user string,
) (int64, error) {
	var there bool
	var version int64
	err := conn.QueryRow(ctx, "SELECT to_regclass('"+goose.DefaultTablename+"') IS NOT NULL").Scan(&there)
	if err == nil && there {
		err = conn.QueryRow(ctx, "SELECT coalesce(max(version_id), 0) FROM "+goose.DefaultTablename).Scan(&version)
	}
	switch {
	case state(err) == stateNoRight:
		return 0, errRight(user, "SELECT on the table "+goose.DefaultTablename)
	case err != nil:
		return 0, fmt.Errorf("database: reading the version of its schema: %w", reason(err))
	}
	return version, nil
}

func errNewer(version int64) error {
	return fmt.Errorf("database: it has schema version %d, and this program knows only versions up to %d: "+
		"start the newer program that migrated it, or restore a backup made before", version, SchemaVersion)
}

// errMigrating says that somebody else has to migrate. Who owns the tables alone may
// change them: no right that could be granted is enough, but for the first ones.
func errMigrating(user string, version int64, err error) error {
	first := ""
	if version == 0 {
		first = ", or, since there are none yet, GRANT CREATE ON SCHEMA public TO " + pgx.Identifier{user}.Sanitize()
	}
	return fmt.Errorf("database: it has schema version %d, this program needs version %d, and the user %q lacks the right to change the schema (%w): "+
		"run `keypin migrate` of this program as the owner of the tables%s", version, SchemaVersion, user, reason(err), first)
}

func errOlder(version int64) error {
	return fmt.Errorf("database: it has schema version %d, and this program needs version %d: run `keypin migrate`", version, SchemaVersion)
}
