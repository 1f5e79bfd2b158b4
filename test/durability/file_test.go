package durability

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the file is read while the program is dead
)

// What must hold in the file at any moment at which the program may die. Each query
// counts what breaks the rule. Nothing mends it later, so not every kill is looked at.
func invariants() map[string]string {
	return map[string]string{
		"an old key is half rotated": `
			SELECT count(*) FROM api_keys AS o LEFT JOIN api_keys AS n ON n.id = o.rotated_to
			WHERE o.rotated_to IS NOT NULL
				AND (n.id IS NULL OR n.rotated_from IS NOT o.id OR n.chain_id <> o.chain_id OR o.revoke_at IS NULL)`,
		"a new key is half rotated, or one of two that replace the same key": `
			SELECT count(*) FROM api_keys AS n LEFT JOIN api_keys AS o ON o.id = n.rotated_from
			WHERE n.rotated_from IS NOT NULL AND (o.id IS NULL OR o.rotated_to IS NOT n.id)`,
		"a key has more or fewer audit rows than changes": `
			WITH audit AS MATERIALIZED (
				SELECT target_id, count(*) FILTER (WHERE action = 'api_key.create') AS creations, count(*) AS changes
				FROM audit_entries WHERE target_kind = 'api_key' GROUP BY target_id)
			SELECT count(*) FROM api_keys AS k LEFT JOIN audit AS a ON a.target_id = k.id
			WHERE coalesce(a.creations, 0) <> (k.rotated_from IS NULL)
				OR coalesce(a.changes, 0) <> k.version - 1 + (k.rotated_from IS NULL)`,
		"an audit row tells of a key that is not there": `
			SELECT count(*) FROM audit_entries AS a LEFT JOIN api_keys AS k ON k.id = a.target_id
			WHERE a.target_kind = 'api_key' AND k.id IS NULL`,
		"the counts of a workspace are not those of its keys": `
			SELECT count(*) FROM key_counts AS c
			WHERE (c.total, c.ended) <> (SELECT count(*), coalesce(sum(k.ended), 0) FROM api_keys AS k WHERE k.workspace_id = c.workspace_id)`,
		"a reference leads nowhere": `SELECT count(*) FROM pragma_foreign_key_check`,
	}
}

// read looks into the file of a dead program, without changing it: so it is what the
// next start finds. It gives the numbers of keys and of their audit rows.
func read(t *testing.T, dir string) (keys, audited int) {
	t.Helper()
	dsn := url.URL{Scheme: "file", Path: filepath.Join(dir, "keypin.db"), RawQuery: "mode=ro&_pragma=query_only(1)"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ask := func(into any, query string) {
		if err := db.QueryRowContext(t.Context(), query).Scan(into); err != nil {
			t.Fatalf("reading the file: %v\n%s", err, query)
		}
	}
	var verdict string
	if ask(&verdict, "PRAGMA integrity_check"); verdict != "ok" {
		t.Errorf("integrity_check: %s", verdict)
	}
	for rule, query := range invariants() {
		var broken int
		if ask(&broken, query); broken > 0 {
			t.Errorf("%s (%d times)", rule, broken)
		}
	}
	ask(&keys, "SELECT count(*) FROM api_keys")
	ask(&audited, "SELECT count(*) FROM audit_entries WHERE target_kind = 'api_key'")
	return keys, audited
}

// between fails the test unless n lies between what is known to be there and what may
// be there besides.
func between(t *testing.T, what string, n, known, atMost int) {
	t.Helper()
	if n < known || n > atMost {
		t.Errorf("there are %d %s, want %d to %d", n, what, known, atMost)
	}
}
