package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/keypin/keypin/internal/store/transfer"
)

// Original is a database that is read to be copied elsewhere. Its service may go on
// meanwhile.
type Original struct{ pool *sql.DB }

var _ transfer.Source = (*Original)(nil)

// OpenOriginal opens the file for reading. It must have this program's schema.
func OpenOriginal(ctx context.Context, path string) (*Original, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("the database file must be there and readable for this user: %w", err)
	}
	pool, err := openPool(path, readerPragmas, 1)
	if err != nil {
		return nil, err
	}
	version, err := schemaVersion(ctx, pool)
	switch {
	case err != nil:
	case version > SchemaVersion:
		err = errNewer(version)
	case version < SchemaVersion:
		err = errOlder(version)
	}
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &Original{pool}, nil
}

// Close closes the file.
func (o *Original) Close() error { return o.pool.Close() }

// Snapshot lets read see one state of the database.
func (o *Original) Snapshot(ctx context.Context, read func(transfer.Reader) error) error {
	tx, err := o.pool.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return read(snapshot{tx})
}

type snapshot struct{ tx *sql.Tx }

// Rows reads rows in the order of their key.
func (s snapshot) Rows(ctx context.Context, table *transfer.Table, after transfer.Row, limit int) ([]transfer.Row, error) {
	names := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		names[i] = c.Name
	}
	key := strings.Join(names[:table.Keys], ", ")
	text := "SELECT " + strings.Join(names, ", ") + " FROM " + table.Name
	var args []any
	if after != nil {
		text += " WHERE (" + key + ") > (?" + strings.Repeat(", ?", table.Keys-1) + ")"
		args = append(args, after[:table.Keys]...)
	}
	args = append(args, limit)
	rows, err := s.tx.QueryContext(ctx, text+" ORDER BY "+key+" LIMIT ?", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []transfer.Row
	for rows.Next() {
		row, err := readRow(rows, table)
		if err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func readRow(rows *sql.Rows, table *transfer.Table) (transfer.Row, error) {
	row := make(transfer.Row, len(table.Columns))
	into := make([]any, len(row))
	for i := range row {
		into[i] = &row[i]
	}
	if err := rows.Scan(into...); err != nil {
		return nil, err
	}
	for i, c := range table.Columns {
		var err error
		if row[i], err = valueOf(c.Kind, row[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return row, nil
}

// valueOf makes a row's value of what the driver gave.
func valueOf(kind transfer.Kind, given any) (any, error) {
	switch v := given.(type) {
	case nil:
		return nil, nil
	case int64:
		if kind == transfer.Bool {
			return v != 0, nil
		}
		if kind == transfer.Int || kind == transfer.Time {
			return v, nil
		}
	case string:
		if kind == transfer.JSON {
			return transfer.CanonicalJSON(v)
		}
		if kind == transfer.Text {
			return v, nil
		}
	case []byte:
		if kind == transfer.ID || kind == transfer.Bytes {
			return v, nil
		}
	}
	return nil, errors.New("the column holds another form of value than its table says")
}
