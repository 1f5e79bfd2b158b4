package sqlite_test

import (
	"context"
	"database/sql"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/keypin/keypin/internal/store/sqlite"
)

func TestMigrateBringsANewFileToTheKnownVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keypin.db")
	for _, want := range []int64{0, sqlite.SchemaVersion} {
		before, after, err := sqlite.Migrate(t.Context(), path)
		if err != nil || before != want || after != sqlite.SchemaVersion {
			t.Errorf("got %d to %d (%v), want %d to %d", before, after, err, want, sqlite.SchemaVersion)
		}
	}
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheKnownVersionIsThatOfTheLastMigration(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || int64(len(files)) != sqlite.SchemaVersion {
		t.Errorf("got %d migrations (%v) and the version %d", len(files), err, sqlite.SchemaVersion)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "goose Down") {
			t.Errorf("%s goes back, or %v", file, err)
		}
	}
}

func TestProcessesMayMigrateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keypin.db")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if _, after, err := sqlite.Migrate(t.Context(), path); err != nil || after != sqlite.SchemaVersion {
				t.Errorf("got version %d, %v", after, err)
			}
		})
	}
	group.Wait()
}

// run runs SQL on the file, past the store.
func run(t *testing.T, path, text string) {
	t.Helper()
	pool, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if _, err := pool.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesWhatItCannotUseAndSaysWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(t *testing.T, path string) string
		migrate bool
		want    string
	}{
		"no path":      {func(*testing.T, string) string { return "" }, true, "needs a path"},
		"no folder":    {func(_ *testing.T, path string) string { return filepath.Join(path, "none", "keypin.db") }, true, "does not exist: create it"},
		"a folder":     {func(_ *testing.T, path string) string { return filepath.Dir(path) }, true, "must be readable and writable"},
		"not migrated": {func(_ *testing.T, path string) string { return path }, false, "run `keypin migrate`"},
		"newer": {func(t *testing.T, path string) string {
			t.Helper()
			migrated(t, path)
			run(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, 1)")
			return path
		}, true, "schema version 1000, and this program knows only versions up to 3"},
		"not a database": {func(t *testing.T, path string) string {
			t.Helper()
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 500)), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}, true, "is the file an SQLite database?"},
	} {
		t.Run(name, func(t *testing.T) {
			path := c.prepare(t, filepath.Join(t.TempDir(), "keypin.db"))
			store, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Migrate: c.migrate})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if store != nil {
				t.Error("got a store and an error")
			}
			if _, _, err := sqlite.Migrate(t.Context(), path); c.migrate && err == nil {
				t.Error("Migrate took it")
			}
		})
	}
}

func migrated(t *testing.T, path string) {
	t.Helper()
	if _, _, err := sqlite.Migrate(t.Context(), path); err != nil {
		t.Fatal(err)
	}
}

func TestTheFilesAreForTheirOwnerOnly(t *testing.T) {
	for _, name := range []string{"keypin.db", "a b?c=d&e#f%20g;é.db"} {
		folder := t.TempDir()
		store := open(t, filepath.Join(folder, name))
		benchmarkWorkspace(t, store) // so that there is a WAL
		files, err := os.ReadDir(folder)
		if err != nil || len(files) != 4 {
			t.Errorf("got %v (%v), want the database, its WAL, its index and its lock", files, err)
		}
		for _, file := range files {
			info, err := file.Info()
			if err != nil || info.Mode() != fs.FileMode(0o600) || !strings.HasPrefix(file.Name(), name) {
				t.Errorf("%s has the mode %v (%v)", file.Name(), info.Mode(), err)
			}
		}
	}
}

func TestEveryTableIsStrict(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keypin.db")
	migrated(t, path)
	pool, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	loose, err := texts(t.Context(), pool, "SELECT name FROM pragma_table_list WHERE strict = 0 AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%'")
	if err != nil || len(loose) > 0 {
		t.Errorf("not strict: %v, %v", loose, err)
	}
	tables, err := texts(t.Context(), pool, "SELECT name FROM pragma_table_list WHERE strict = 1")
	if err != nil || len(tables) < 8 {
		t.Errorf("strict: %v, %v", tables, err)
	}
}

func texts(ctx context.Context, pool *sql.DB, query string) (all []string, err error) {
	rows, err := pool.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, rows.Err()
}

// sqlc's slice expansion renumbers nothing on SQLite: the parameters behind the list
// are bound to the wrong places, and a query has found another tenant's row (sqlc
// issue 2452). A list goes into one parameter and through json_each.
func TestNoQueryExpandsASlice(t *testing.T) {
	read := 0
	for _, pattern := range []string{"queries/*.sql", "db/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			read++
			if lower := strings.ToLower(string(text)); strings.Contains(lower, "sqlc.slice") || strings.Contains(lower, "/*slice:") {
				t.Errorf("%s expands a slice", file)
			}
		}
	}
	if read < 10 {
		t.Errorf("read %d files only", read)
	}
}
