package upgrade

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keypin/keypin/test/measure"
)

// versions are the programs of two versions.
type versions struct {
	older, newer string
	// laid says that newer is this tree with the changes of overlay laid over it.
	laid bool
}

// build makes the programs, the older one unless UPGRADE_FROM names it.
func build(t *testing.T) versions {
	t.Helper()
	dir := t.TempDir()
	v := versions{older: os.Getenv("UPGRADE_FROM"), newer: filepath.Join(dir, "newer")}
	var flags []string
	if v.older == "" {
		v.older, v.laid = filepath.Join(dir, "older"), true
		compile(t, v.older, "-buildvcs=false") // its version is devel
		flags = []string{"-buildvcs=false", "-overlay", overlay(t)}
	} else if !filepath.IsAbs(v.older) {
		t.Fatal("UPGRADE_FROM: must be the absolute path of a keypin program")
	}
	compile(t, v.newer, flags...)
	return v
}

func compile(t *testing.T, program string, flags ...string) {
	t.Helper()
	if err := measure.Build(t.Context(), program, "github.com/keypin/keypin/cmd/keypin", flags...); err != nil {
		t.Fatal(err)
	}
}

// versionOf is what the program says that it is.
func versionOf(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, "version").Output()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimPrefix(first, "keypin ")
}

// added are the migrations of the next version.
func added() []string {
	return []string{`-- +goose Up
ALTER TABLE api_keys ADD COLUMN written_by text NOT NULL DEFAULT '';
CREATE TABLE key_notes (key_id uuid NOT NULL PRIMARY KEY, note text NOT NULL);
`, `-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX IF EXISTS keys_written_by;
CREATE INDEX CONCURRENTLY keys_written_by ON api_keys (workspace_id, written_by);
`}
}

// edit is a change of a file of the tree: what is there once, and what takes its place.
type edit struct{ file, from, to string }

// edits make the rest of the next version out of this one, which has so many migrations.
func edits(migrations int) []edit {
	const queries = "internal/store/postgres/db/keys.sql.go"
	return []edit{
		{"internal/cli/version.go", `version: "devel"`, `version: "next"`},
		{"internal/store/postgres/migrate.go", fmt.Sprintf("const SchemaVersion int64 = %d\n", migrations), fmt.Sprintf("const SchemaVersion int64 = %d\n", migrations+len(added()))},
		{"internal/store/postgres/check.go", `"nodes"}`, `"nodes", "key_notes"}`},
		{queries, "version, lapses_at, ended\n    ) VALUES (", "version, lapses_at, ended, written_by\n    ) VALUES ("},
		{queries, "$23, $24\n    ) ON CONFLICT DO NOTHING RETURNING workspace_id, ended\n)",
			"$23, $24, 'next'\n    ) ON CONFLICT DO NOTHING RETURNING workspace_id, ended\n), noted AS (\n    INSERT INTO key_notes (key_id, note) VALUES ($1, 'made by the next version')\n)"},
	}
}

// overlay writes the next version's files, and the file for go build that lays them over
// this tree's.
func overlay(t *testing.T) (file string) {
	t.Helper()
	dir := t.TempDir()
	tree, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	lay := func(path, text string) {
		name := filepath.Join(dir, fmt.Sprint(len(replace)))
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[path] = name
	}
	folder := filepath.Join(tree, "internal/store/postgres/migrations")
	there, err := filepath.Glob(filepath.Join(folder, "*.sql"))
	if err != nil || len(there) == 0 {
		t.Fatalf("%d migrations, %v", len(there), err)
	}
	for i, text := range added() {
		lay(filepath.Join(folder, fmt.Sprintf("%05d_next.sql", len(there)+i+1)), text)
	}
	texts := map[string]string{}
	for _, e := range edits(len(there)) {
		if texts[e.file] == "" {
			text, err := os.ReadFile(filepath.Join(tree, e.file))
			if err != nil {
				t.Fatal(err)
			}
			texts[e.file] = string(text)
		}
		if n := strings.Count(texts[e.file], e.from); n != 1 {
			t.Fatalf("%s has %q %d times, want once: let edits follow it", e.file, e.from, n)
		}
		texts[e.file] = strings.Replace(texts[e.file], e.from, e.to, 1)
	}
	for path, text := range texts {
		lay(filepath.Join(tree, path), text)
	}
	file = filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}
