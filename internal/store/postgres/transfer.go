package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/transfer"
)

// Duplicate is a database that is made equal to another one.
type Duplicate struct{ conn, reading *pgx.Conn }

var _ transfer.Target = (*Duplicate)(nil)

// OpenDuplicate opens the database, made and migrated where needed. It refuses one on
// which a node runs.
func OpenDuplicate(ctx context.Context, url keypin.Secret) (*Duplicate, error) {
	if _, _, err := Migrate(ctx, url); err != nil {
		return nil, err
	}
	d := &Duplicate{}
	for _, conn := range []**pgx.Conn{&d.conn, &d.reading} {
		var err error
		if *conn, err = pgx.Connect(ctx, url.Reveal()); err != nil {
			return nil, errors.Join(fmt.Errorf("the database cannot be reached: %w", reason(err)), d.Close())
		}
	}
	var name string
	err := d.conn.QueryRow(ctx, "SELECT name FROM nodes WHERE seen_at > clock_timestamp() - interval '10 seconds' LIMIT 1").Scan(&name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return d, nil
	case err == nil:
		err = fmt.Errorf("the node %q runs on it: stop it, so that nothing is changed while it is copied into", name)
	}
	return nil, errors.Join(err, d.Close())
}

// Close closes the connections.
func (d *Duplicate) Close() error {
	var errs []error
	for _, conn := range []*pgx.Conn{d.conn, d.reading} {
		if conn != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			errs = append(errs, conn.Close(ctx))
			cancel()
		}
	}
	return errors.Join(errs...)
}

// Snapshot lets read see one state of the database.
func (d *Duplicate) Snapshot(ctx context.Context, read func(transfer.Reader) error) error {
	return pgx.BeginTxFunc(ctx, d.reading, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return read(stateOf{tx})
	})
}

type stateOf struct{ tx pgx.Tx }

// byteOrder makes texts of a key compare by byte, whatever the database's language.
const byteOrder = ` COLLATE "C"`

// Rows reads rows in the order of their key. The index gives the order of all but the
// texts in a key, which are its last columns.
func (r stateOf) Rows(ctx context.Context, table *transfer.Table, after transfer.Row, limit int) ([]transfer.Row, error) {
	var plain, ordered, plainMarks, marks []string
	for i, c := range table.Columns[:table.Keys] {
		mark := fmt.Sprintf("$%d::%s", i+2, sqlType(c.Kind))
		marks = append(marks, mark)
		if c.Kind == transfer.Text {
			ordered = append(ordered, c.Name+byteOrder)
			continue
		}
		plain, plainMarks, ordered = append(plain, c.Name), append(plainMarks, mark), append(ordered, c.Name)
	}
	text := "SELECT " + strings.Join(columns(table), ", ") + " FROM " + table.Name
	args := []any{limit}
	if after != nil {
		text += fmt.Sprintf(" WHERE (%s) >= (%s) AND (%s) > (%s)", strings.Join(plain, ", "), strings.Join(plainMarks, ", "),
			strings.Join(ordered, ", "), strings.Join(marks, ", "))
		for i, c := range table.Columns[:table.Keys] {
			args = append(args, argument(c.Kind, after[i]))
		}
	}
	found, err := r.tx.Query(ctx, text+" ORDER BY "+strings.Join(ordered, ", ")+" LIMIT $1", args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, func(row pgx.CollectableRow) (transfer.Row, error) {
		values, err := row.Values()
		if err != nil {
			return nil, err
		}
		for i, c := range table.Columns {
			if values[i], err = valueOf(c.Kind, values[i]); err != nil {
				return nil, fmt.Errorf("%s: %w", c.Name, err)
			}
		}
		return values, nil
	})
}

func columns(table *transfer.Table) []string {
	names := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		names[i] = c.Name
	}
	return names
}

// valueOf makes a row's value of what the driver gave.
func valueOf(kind transfer.Kind, given any) (any, error) {
	switch v := given.(type) {
	case nil:
		return nil, nil
	case [16]byte:
		return v[:], nil
	case []byte, bool, int64:
		return v, nil
	case int32:
		return int64(v), nil
	case time.Time:
		return v.UnixMicro(), nil
	case string:
		if kind == transfer.JSON {
			return transfer.CanonicalJSON(v)
		}
		return v, nil
	default:
		return nil, fmt.Errorf("the column holds a %T", given)
	}
}

// sqlType is the type of a parameter of the kind.
func sqlType(kind transfer.Kind) string {
	switch kind {
	case transfer.ID:
		return "uuid"
	case transfer.Bytes:
		return "bytea"
	case transfer.Int:
		return "bigint"
	case transfer.Bool:
		return "boolean"
	case transfer.Time:
		return "timestamptz"
	default:
		return "text"
	}
}

// argument is a row's value as the driver takes it.
func argument(kind transfer.Kind, value any) any {
	switch v := value.(type) {
	case []byte:
		if kind == transfer.ID {
			return [16]byte(v)
		}
	case int64:
		if kind == transfer.Time {
			return time.UnixMicro(v).UTC()
		}
	}
	return value
}

// derived are, by table, the columns that are made of others, and how.
func derived(table string) (names, values []string) {
	if table != "api_keys" {
		return nil, nil
	}
	const lives = "active AND coalesce(revoke_at > updated_at, true)"
	return []string{"lapses_at", "ended"}, []string{"CASE WHEN " + lives + " THEN least(expires_at, revoke_at) END", "NOT (" + lives + ")"}
}

// Write puts rows, and removes those of gone.
func (d *Duplicate) Write(ctx context.Context, table *transfer.Table, rows, gone []transfer.Row) error {
	return pgx.BeginFunc(ctx, d.conn, func(tx pgx.Tx) error {
		if err := remove(ctx, tx, table, gone); err != nil {
			return err
		}
		if table.Name == "workspaces" {
			if err := freeSlugs(ctx, tx, table, rows); err != nil {
				return err
			}
		}
		return put(ctx, tx, table, rows)
	})
}

func remove(ctx context.Context, tx pgx.Tx, table *transfer.Table, gone []transfer.Row) error {
	if len(gone) == 0 {
		return nil
	}
	names := columns(table)[:table.Keys]
	lists, args := asLists(table.Columns[:table.Keys], gone)
	_, err := tx.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE (%s) IN (SELECT * FROM unnest(%s))", table.Name, strings.Join(names, ", "), lists), args...)
	return err
}

func put(ctx context.Context, tx pgx.Tx, table *transfer.Table, rows []transfer.Row) error {
	if len(rows) == 0 {
		return nil
	}
	names := columns(table)
	lists, args := asLists(table.Columns, rows)
	madeNames, made := derived(table.Name)
	all := append(append([]string{}, names...), madeNames...)
	var sets []string
	for _, name := range all[table.Keys:] {
		sets = append(sets, name+" = excluded."+name)
	}
	_, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM unnest(%s) AS r (%s) ON CONFLICT (%s) DO UPDATE SET %s",
		table.Name, strings.Join(all, ", "), strings.Join(append(append([]string{}, names...), made...), ", "), lists, strings.Join(names, ", "),
		strings.Join(names[:table.Keys], ", "), strings.Join(sets, ", ")), args...)
	return err
}

// asLists turns rows into one array for each column.
func asLists(of []transfer.Column, rows []transfer.Row) (marks string, args []any) {
	var all []string
	for i, c := range of {
		list := make([]any, len(rows))
		for j, row := range rows {
			list[j] = argument(c.Kind, row[i])
		}
		all = append(all, fmt.Sprintf("$%d::%s[]", i+1, sqlType(c.Kind)))
		args = append(args, list)
	}
	return strings.Join(all, ", "), args
}

// freeSlugs renames the workspaces whose slugs the rows leave or take, because slugs may
// have gone from one to another. All of them are written in the end, since each slug is
// one living workspace's in the source too.
func freeSlugs(ctx context.Context, tx pgx.Tx, table *transfer.Table, rows []transfer.Row) error {
	var ids [][16]byte
	var slugs []string
	for _, row := range rows {
		ids = append(ids, [16]byte(row[slices.Index(columns(table), "id")].([]byte)))
		if row[slices.Index(columns(table), "deleted_at")] == nil {
			slugs = append(slugs, row[slices.Index(columns(table), "slug")].(string))
		}
	}
	_, err := tx.Exec(ctx, "UPDATE workspaces SET slug = id::text WHERE deleted_at IS NULL AND (id = ANY($1::uuid[]) OR slug = ANY($2::text[]))", ids, slugs)
	return err
}

// Finish counts the keys of each workspace, and lets the planner know the tables.
func (d *Duplicate) Finish(ctx context.Context) error {
	err := pgx.BeginFunc(ctx, d.conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM key_count_changes")
		if err == nil {
			_, err = tx.Exec(ctx, `INSERT INTO key_count_changes (workspace_id, id, total, ended)
				SELECT workspace_id, gen_random_uuid(), count(*), count(*) FILTER (WHERE ended) FROM api_keys GROUP BY workspace_id`)
		}
		return err
	})
	for _, table := range transfer.Tables() {
		if err == nil {
			_, err = d.conn.Exec(ctx, "ANALYZE "+table.Name)
		}
	}
	return err
}
