package bulk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5" //nolint:depguard // ten million keys through the store would take hours

	"github.com/keypin/keypin/test/engines"
)

// whileFilling is how the server runs meanwhile: rows of a table that is made anew go past
// its log, and what is made of them fits into its memory.
var whileFilling = map[string]string{
	"wal_level": "minimal", "max_wal_senders": "0", "shared_buffers": "3GB", "max_wal_size": "8GB", "autovacuum": "off",
}

// FillPostgres stores the secrets of Stored, N of them from the first block on, in a
// database that `keypin migrate` has made and that holds no key. It leaves what a server
// would that had time for its own housekeeping: with statistics, and rows that are known
// to be visible to all. The server is started again with other settings for it, and then
// with its own.
func FillPostgres(ctx context.Context, server *engines.Postgres, database string, keys Keys) (err error) {
	for name, value := range whileFilling {
		if err := server.SQL(ctx, "postgres", "ALTER SYSTEM SET "+name+" = '"+value+"'"); err != nil {
			return err
		}
	}
	if err := restart(ctx, server); err != nil {
		return err
	}
	if err := fillPostgres(ctx, server.URL(database), keys); err != nil {
		return fmt.Errorf("storing keys: %w", err) // the server is of no more use
	}
	if err := server.SQL(ctx, "postgres", "ALTER SYSTEM RESET ALL"); err != nil {
		return err
	}
	return restart(ctx, server)
}

func restart(ctx context.Context, server *engines.Postgres) error {
	if err := server.Shutdown(); err != nil {
		return err
	}
	return server.Start(ctx)
}

func fillPostgres(ctx context.Context, url string, keys Keys) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return keys.copy(ctx, tx) })
	if err == nil {
		_, err = conn.Exec(ctx, "VACUUM (ANALYZE)")
	}
	return err
}

// copy stores the keys, and their counts, in a transaction. Whom they belong to is looked
// for once, not by the engine for each of them.
func (k Keys) copy(ctx context.Context, tx pgx.Tx) error {
	var there, already bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM users WHERE id = $1) AND EXISTS (SELECT FROM workspaces WHERE id = $2),
		EXISTS (SELECT FROM api_keys)`, [16]byte(k.User), [16]byte(k.Workspace)).Scan(&there, &already); err != nil {
		return err
	}
	if !there || already {
		return errors.New("the database must hold the user and the workspace, and no key")
	}
	for _, statement := range []string{"SET LOCAL session_replication_role = replica", "TRUNCATE api_keys"} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	if err := k.copyRows(ctx, tx); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "INSERT INTO key_count_changes (workspace_id, id, total, ended) VALUES ($1, gen_random_uuid(), $2, 0)", [16]byte(k.Workspace), k.N)
	return err
}

// copyInto has the engine freeze the rows, since nobody can see the table meanwhile.
const copyInto = `COPY api_keys (
	id, workspace_id, chain_id, created_by, name, key_type, prefix, suffix, hash, scopes, active,
	rate_limit, allowed_ips, metadata, created_at, updated_at, version, ended
) FROM STDIN (FREEZE)`

func (k Keys) copyRows(ctx context.Context, tx pgx.Tx) error {
	out, in := io.Pipe()
	go func() {
		w := bufio.NewWriterSize(in, 256<<10)
		in.CloseWithError(errors.Join(k.write(w), w.Flush())) // which never fails
	}()
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, out, copyInto)
	_ = out.Close() // which never fails, and ends the writer
	if err == nil && tag.RowsAffected() != int64(k.N) {
		err = fmt.Errorf("%d rows were stored instead of %d", tag.RowsAffected(), k.N)
	}
	return err
}

// write writes the rows in COPY's text format. No value holds anything that has to be
// escaped.
func (k Keys) write(w io.Writer) error {
	limit := `\N`
	if k.RateLimit > 0 {
		limit = fmt.Sprint(k.RateLimit)
	}
	for key, err := range k.rows(0, k.N) {
		if err != nil {
			return err
		}
		at := key.at.UTC().Format(time.RFC3339Nano)
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\tlive\t"+Prefix+"\t%s\t\\\\x%x\t[\"workflows:read\",\"voices:read\"]\tt\t%s\t[]\t%s\t%s\t%s\t1\tf\n",
			key.id, k.Workspace, key.id, k.User, key.name, key.suffix, key.hash, limit, key.metadata, at, at); err != nil {
			return err
		}
	}
	return nil
}
