package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// SchemaVersion is the version of the schema that this code was written for.
const SchemaVersion int64 = 3

//go:embed migrations/*.sql
var migrations embed.FS

// Migrate creates the database file at path if there is none and applies the
// migrations that are missing. It tells the schema's version before and after, and
// refuses a schema that is newer than SchemaVersion. Running it twice, or in two
// processes at once, is safe.
func Migrate(ctx context.Context, path string) (before, after int64, err error) {
	if err := createFile(path); err != nil {
		return 0, 0, err
	}
	pool, err := openWriting(ctx, path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	return migrate(ctx, pool)
}

func migrate(ctx context.Context, pool *sql.DB) (before, after int64, err error) {
	before, err = schemaVersion(ctx, pool)
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
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return before, before, fmt.Errorf("reading the migrations: %w", err)
	}
	for seen := before; ; seen = after {
		_, upErr := provider.Up(ctx)
		after, err = schemaVersion(ctx, pool)
		if err != nil || upErr == nil || after == SchemaVersion {
			return before, after, err
		}
		// Another process that migrates too may have been faster with one of the steps:
		// then what is left is tried again.
		if after == seen {
			return before, after, fmt.Errorf("migrating the database: %w", upErr)
		}
	}
}

// schemaVersion is that of the last migration that was applied; 0 for a new file.
func schemaVersion(ctx context.Context, pool *sql.DB) (int64, error) {
	var version int64
	err := pool.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = ?", goose.DefaultTablename).Scan(&version)
	if err == nil && version > 0 {
		err = pool.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM "+goose.DefaultTablename).Scan(&version)
	}
	if err != nil {
		return 0, fmt.Errorf("reading the version of the database's schema (is the file an SQLite database?): %w", err)
	}
	return version, nil
}

func errNewer(version int64) error {
	return fmt.Errorf("the database has schema version %d, and this program knows only versions up to %d: "+
		"start the newer program that migrated it, or restore a backup made before", version, SchemaVersion)
}

func errOlder(version int64) error {
	return fmt.Errorf("the database has schema version %d, and this program needs version %d: run `keypin migrate`", version, SchemaVersion)
}
