package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite"
	"github.com/keypin/keypin/internal/store/transfer"
)

func TestTheTablesOfATransferAreTheSchemas(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keypin.db")
	open(t, path)
	// What the engine makes itself, and what is the migrations'.
	derived := map[string]bool{"key_counts": true, "goose_db_version": true, "sqlite_sequence": true, "api_keys.lapses_at": true, "api_keys.ended": true}
	want := map[string]bool{}
	for _, column := range columnsOf(t, path) {
		table, _, _ := strings.Cut(column, ".")
		if !derived[table] && !derived[column] {
			want[column] = true
		}
	}
	for _, table := range transfer.Tables() {
		for _, c := range table.Columns {
			if name := table.Name + "." + c.Name; !want[name] {
				t.Errorf("%s is not in the schema", name)
			} else {
				delete(want, name)
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not copied: %v", want)
	}
}

func TestRowsAreReadWhileTheStoreIsOpenAndFromOneState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keypin.db")
	store := open(t, path)
	user := func(n int) {
		t.Helper()
		err := store.Tx(t.Context(), func(tx keypin.Tx) error {
			return tx.InsertUser(t.Context(), &keypin.User{ID: keypin.ID{byte(n)}, Issuer: "i", Subject: fmt.Sprint(n), Email: "é", CreatedAt: time.UnixMicro(1_000_001)})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{3, 1, 2} {
		user(n)
	}
	original, err := sqlite.OpenOriginal(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { original.Close() })
	users := transfer.Tables()[0]
	err = original.Snapshot(t.Context(), func(r transfer.Reader) error {
		first, err := r.Rows(t.Context(), &users, nil, 2)
		if err != nil {
			return err
		}
		user(4)
		rest, err := r.Rows(t.Context(), &users, first[1], 2)
		if err != nil {
			return err
		}
		var ids []byte
		for _, row := range append(first, rest...) {
			ids = append(ids, row[0].([]byte)[0])
		}
		if !slices.Equal(ids, []byte{1, 2, 3}) {
			t.Errorf("read %v", ids)
		}
		if email, at := rest[0][3], rest[0][7]; email != "é" || at != int64(1_000_001) {
			t.Errorf("read %v", rest[0])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnOriginalThatIsNotThereIsNotMade(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.db")
	if _, err := sqlite.OpenOriginal(context.Background(), path); err == nil || !strings.Contains(err.Error(), "must be there") {
		t.Errorf("got %v", err)
	}
	if found, _ := filepath.Glob(path + "*"); len(found) > 0 {
		t.Errorf("made %v", found)
	}
}

// columnsOf are the columns of all tables, as table.column.
func columnsOf(t *testing.T, path string) []string {
	t.Helper()
	pool, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	rows, err := pool.QueryContext(t.Context(), "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
