package sqlite

import (
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite/column"
	"github.com/keypin/keypin/internal/store/sqlite/db"
)

const wholeKey = "(step=? AND bucket=? AND workspace_id=? AND subject=?"

func TestUsageIsFoundByItsKeyAlone(t *testing.T) {
	e, r, keys := planned(t, 600)
	hour := keypin.UsageQuery{From: keys[0].CreatedAt.Add(-100 * time.Hour), To: keys[0].CreatedAt.Add(time.Hour), Step: keypin.UsageHour}
	want := func(name string, indexes ...string) {
		t.Helper()
		plan := e.take()
		for _, index := range indexes {
			if scans(plan) || !strings.Contains(strings.Join(plan, "\n"), index) {
				t.Errorf("%s does not find by %s alone:\n%s", name, index, strings.Join(plan, "\n"))
			}
		}
	}
	if _, err := r.ChainUsage(t.Context(), keys[0].WorkspaceID, keys[0].ChainID, hour); err != nil {
		t.Fatal(err)
	}
	want("a chain's usage", "SEARCH u USING PRIMARY KEY "+wholeKey+")")
	if _, err := r.TopKeys(t.Context(), keys[0].WorkspaceID, hour, keypin.MaxTopKeys); err != nil {
		t.Fatal(err)
	}
	want("the top keys", "SEARCH u USING PRIMARY KEY (step=? AND bucket=? AND workspace_id=?)")
	newest := db.NewestOfChainParams{ChainID: column.ID(keys[0].ID), WorkspaceID: column.ID(keys[0].WorkspaceID)}
	if _, err := r.queries.NewestOfChain(t.Context(), newest); err != nil {
		t.Fatal(err)
	}
	plan := e.take()
	if strings.Count(strings.Join(plan, "\n"), "INDEX sqlite_autoindex_api_keys_1 (id=?)") != 3 {
		t.Errorf("a chain's newest key is not found by ids alone:\n%s", strings.Join(plan, "\n"))
	}
}

func TestOldUsageIsFoundByItsKeyAlone(t *testing.T) {
	e, r, _ := planned(t, 1)
	// The explainer's connections only read, so this ends after its plan was told.
	if err := r.queries.PruneUsage(t.Context(), db.PruneUsageParams{Step: 60, Most: 1}); err == nil {
		t.Error("a reading connection deleted")
	}
	plan := strings.Join(e.take(), "\n")
	for _, want := range []string{"SEARCH usage_counts USING PRIMARY KEY " + wholeKey + " AND code=?)", "SEARCH u USING PRIMARY KEY (step=? AND bucket<?)"} {
		if !strings.Contains(plan, want) {
			t.Errorf("old rows are not found by %s alone:\n%s", want, plan)
		}
	}
}

// versionOne makes a database as the version before the usage left it, with one key
// that was used, and gives that key's id and what runs SQL as that version does.
func versionOne(t *testing.T, path string) (workspace, key keypin.ID, old func(text string, args ...any)) {
	t.Helper()
	if err := createFile(path); err != nil {
		t.Fatal(err)
	}
	pool, err := openWriting(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, pool, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	old = func(text string, args ...any) {
		t.Helper()
		if _, err := pool.ExecContext(t.Context(), text, args...); err != nil {
			t.Fatal(err)
		}
	}
	workspace, key = keypin.ID{1}, keypin.ID{2}
	old(`INSERT INTO workspaces (id, name, slug, color_idx, created_by, org_issuer, org_id, default_language, theme, created_at, updated_at)
		VALUES (?, 'n', 's', 0, ?, '', '', '', '', 0, 0)`, column.ID(workspace), column.ID(workspace))
	old(`INSERT INTO api_keys (id, workspace_id, chain_id, name, key_type, prefix, suffix, hash, scopes, active, allowed_ips, metadata, last_used_at, created_at, updated_at, version, ended)
		VALUES (?, ?, ?, 'n', 'live', 'op_live', 'abcdef', ?, '[]', 1, '[]', '{}', 1000000, 0, 0, 1, 0)`,
		column.ID(key), column.ID(workspace), column.ID(key), column.Hash{3})
	return workspace, key, old
}

func TestTheVersionBeforeGoesOnTellingTheLastUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keypin.db")
	workspace, id, old := versionOne(t, path)
	store, err := Open(t.Context(), Options{Path: path, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	want := func(what string, use keypin.LastUse) {
		t.Helper()
		use.KeyID = id
		if got, err := store.LastUse(t.Context(), workspace, id); err != nil || *got != use {
			t.Errorf("%s: got %v (%v), want %v", what, got, err, use)
		}
	}
	want("a use before the migration", keypin.LastUse{At: time.Unix(1, 0).UTC()})
	told := keypin.LastUse{KeyID: id, At: time.Unix(2, 0).UTC(), IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "tool/1"}
	if err := store.Tx(t.Context(), func(tx keypin.Tx) error { return tx.TouchKey(t.Context(), told) }); err != nil {
		t.Fatal(err)
	}
	want("a use that this version was told", told)
	old(`UPDATE api_keys SET last_used_at = 3000000 WHERE id = ? AND (last_used_at IS NULL OR last_used_at < 3000000)`, column.ID(id))
	want("a use that the version before was told", keypin.LastUse{At: time.Unix(3, 0).UTC()})
}

// SQLite reads a whole table to add a column to it when it is strict or has a CHECK, and
// to build an index. api_keys may hold ten million rows, and a start waits for it.
func TestNoMigrationReadsEveryKey(t *testing.T) {
	reads := regexp.MustCompile(`(?i)(ALTER TABLE|UPDATE|INDEX\s+\w+\s+ON|FROM)\s+api_keys\b`)
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || len(files) < 2 {
		t.Fatalf("got %v, %v", files, err)
	}
	for _, file := range files[1:] {
		if text, err := os.ReadFile(file); err != nil || reads.Match(text) {
			t.Errorf("%s reads api_keys, or %v", file, err)
		}
	}
	if first, err := os.ReadFile(files[0]); err != nil || !reads.Match(first) {
		t.Errorf("the expression finds nothing, or %v", err)
	}
}
