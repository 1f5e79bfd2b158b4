package bulk

import (
	"context"
	"database/sql" //nolint:depguard // ten million keys through the store would take half an hour
	"errors"
	"fmt"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" //nolint:depguard // as above
)

const (
	rowsPerInsert = 50
	rowsPerCommit = 100 * BlockSize
)

// Fill stores the secrets of Stored, N of them from the first block on, in the database
// that `keypin migrate` has made.
func Fill(ctx context.Context, path string, keys Keys) (err error) {
	dsn := url.URL{Scheme: "file", Opaque: path, RawQuery: url.Values{"_pragma": {
		"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(OFF)", "temp_store(MEMORY)",
		"cache_size(-2097152)", "foreign_keys(ON)",
	}}.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	for from := 0; from < keys.N; from += rowsPerCommit {
		if err := keys.insert(ctx, db, from, min(from+rowsPerCommit, keys.N)); err != nil {
			return fmt.Errorf("storing keys: %w", err)
		}
	}
	// What was not waited for is on the disk from here on, so that it does not
	// disturb what is measured.
	_, err = db.ExecContext(ctx, "PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// statement inserts rowsPerInsert keys.
func statement() string {
	const row = `(?,?,?,?,?,'live','` + Prefix + `',?,?,'["workflows:read","voices:read"]',1,?,'[]',?,?,?,1,0)`
	return `INSERT INTO api_keys (
		id, workspace_id, chain_id, created_by, name, key_type, prefix, suffix, hash, scopes, active,
		rate_limit, allowed_ips, metadata, created_at, updated_at, version, ended
	) VALUES ` + strings.Repeat(row+",", rowsPerInsert-1) + row
}

// insert stores the keys from … to in one transaction.
func (k Keys) insert(ctx context.Context, db *sql.DB, from, to int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert, err := tx.PrepareContext(ctx, statement())
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }() // it ends with the transaction
	args := make([]any, 0, 11*rowsPerInsert)
	for key, err := range k.rows(from, to) {
		if err != nil {
			return err
		}
		args = append(args, key.id[:], k.Workspace[:], key.id[:], k.User[:], key.name,
			key.suffix, key.hash[:], k.limit(), key.metadata, key.at.UnixMicro(), key.at.UnixMicro())
		if len(args) == cap(args) {
			if _, err := insert.ExecContext(ctx, args...); err != nil {
				return err
			}
			args = args[:0]
		}
	}
	return tx.Commit()
}
