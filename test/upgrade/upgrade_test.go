package upgrade

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/keypin/keypin/test/cluster/nodes"
	"github.com/keypin/keypin/test/engines"
)

func TestTheNextVersionTakesOverNodeByNode(t *testing.T) {
	t.Parallel()
	v := build(t)
	t.Run("AfterItsMigrationWasRunByTheOwner", func(t *testing.T) {
		t.Parallel()
		upgrade(t, v, twoRoles)
	})
	t.Run("AndItsFirstNodeMigrates", func(t *testing.T) {
		t.Parallel()
		upgrade(t, v, oneRole)
	})
	t.Run("WithARoleThatMayNotChangeTables", func(t *testing.T) {
		t.Parallel()
		withoutRights(t, v)
	})
}

// upgrade replaces two nodes under load, one after the other.
func upgrade(t *testing.T, v versions, prepare func(*testing.T, *engines.Postgres) database) {
	w, d := start(t, v, 2, prepare)
	first, second := w.doors[0], w.doors[1]
	before := schemaVersion(t, w.cluster.Postgres, d)
	stop := w.load(t.Context())
	t.Cleanup(stop)
	w.settle(t, first, second)

	if d.apart {
		if said, err := d.migrate(t.Context(), v.newer); err != nil {
			t.Fatalf("keypin migrate: %v: %s", err, said)
		}
		w.settle(t, first, second) // the older version serves on
	}
	w.replace(t, second, v.newer)
	w.settle(t, first, second)
	moved := schemaVersion(t, w.cluster.Postgres, d) != before
	if v.laid && !moved {
		t.Fatal("the schema is as it was")
	}
	w.serves(t, first, v.older)
	w.serves(t, second, v.newer)
	w.crossed(t, first, second)
	w.crossed(t, second, first)
	w.replayed(t, first, second)
	w.replayed(t, second, first)
	w.limited(t, first, second)
	w.limited(t, second, first)
	if v.laid {
		w.keepsTheNextVersionsColumn(t, d)
	}

	w.whileAway(t, first, func(n *nodes.Node) {
		w.goesBack(t, n, d, moved)
		n.Program = v.newer
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	w.serves(t, first, v.newer)
	w.settle(t, first, second)
	stop()
	w.judge(t)
}

// replace ends a node and starts the program in its place.
func (w *world) replace(t *testing.T, d *door, program string) {
	t.Helper()
	w.whileAway(t, d, func(n *nodes.Node) {
		n.Program = program
		if err := n.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// whileAway ends a node, and lets begin start another in its place.
func (w *world) whileAway(t *testing.T, d *door, begin func(*nodes.Node)) {
	t.Helper()
	n := w.cluster.Nodes[d.node]
	from := w.now()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	begin(n)
	w.away = append(w.away, away{d.node, from, w.now()})
}

// goesBack starts the older version on what the newer one has made of the database. It
// has to be refused when that has another schema, and to start when it has not.
func (w *world) goesBack(t *testing.T, n *nodes.Node, d database, moved bool) {
	t.Helper()
	n.Program = w.older
	err := n.Start(t.Context())
	if !moved {
		if err != nil {
			t.Errorf("the schema is the same, and the older version does not start: %v", err)
		}
		if err := n.Stop(); err != nil {
			t.Fatal(err)
		}
		return
	}
	says(t, "the older version, started again", err, "exit status 1", "database: it has schema version", "knows only versions up to",
		"start the newer program that migrated it, or restore a backup made before")
	said, err := d.migrate(t.Context(), w.older)
	if err == nil {
		t.Error("the older version's migrate ends well")
	}
	if !strings.Contains(said, "start the newer program that migrated it") {
		t.Errorf("the older version's migrate says %q", said)
	}
}

// says reports an error that is not there, or lacks some of the words.
func says(t *testing.T, who string, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", who)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%s: %v; want %q", who, err, word)
		}
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	t.Logf("%s: %s", who, strings.TrimSpace(lines[len(lines)-1]))
}

// serves looks at which version a node says that it is.
func (w *world) serves(t *testing.T, d *door, program string) {
	t.Helper()
	health, err := d.manage.Health(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := versionOf(t, program); health.Version != want {
		t.Errorf("node %d is of version %q, want %q", d.node+1, health.Version, want)
	}
}

// keepsTheNextVersionsColumn looks at the rows of keys that one version made and the other
// changed.
func (w *world) keepsTheNextVersionsColumn(t *testing.T, d database) {
	t.Helper()
	older, newer := w.doors[0], w.doors[1]
	row := func(k key) string {
		return query(t, w.cluster.Postgres, d, "SELECT written_by, note FROM api_keys LEFT JOIN key_notes ON key_id = id WHERE id = '"+k.id+"'")
	}
	ofNewer, ofOlder := w.must(t, newer, creation(w.once(), 0)), w.must(t, older, creation(w.once(), 0))
	w.must(t, older, scoping(ofNewer, narrow()))
	w.must(t, newer, scoping(ofOlder, narrow()))
	if got := row(ofNewer); got != "next|made by the next version" {
		t.Errorf("a key of the next version, changed by the older one, is %q", got)
	}
	if got := row(ofOlder); got != "|" {
		t.Errorf("a key of the older version, changed by the next one, is %q", got)
	}
}

// withoutRights runs nodes as a role that may not change tables, on every schema that
// they may find.
func withoutRights(t *testing.T, v versions) {
	w, d := start(t, v, 1, twoRoles)
	node, server := w.doors[0], w.cluster.Postgres
	here := w.cluster.Nodes[0]
	w.crossed(t, node, node) // creates, updates, rotates, revokes
	before := schemaVersion(t, server, d)

	port, err := engines.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// In the same folder, since it has to be of the same issuer.
	early := &nodes.Node{Name: "early", Program: v.newer, Dir: here.Dir, Listen: fmt.Sprintf("127.0.0.1:%d", port), Env: append(here.Env, "KEYPIN_DATA_LISTEN=")}
	refused := early.Start(t.Context())
	if err := early.Stop(); err != nil {
		t.Fatal(err)
	}
	if after := schemaVersion(t, server, d); after != before {
		t.Errorf("the role that may not has brought the schema from %s to %s", before, after)
	}
	w.crossed(t, node, node)
	if said, err := d.migrate(t.Context(), v.newer); err != nil {
		t.Fatalf("keypin migrate: %v: %s", err, said)
	}
	if schemaVersion(t, server, d) != before {
		says(t, "the next version on the older schema", refused, "exit status 1", "database: it has schema version "+before, `the user "site_a" lacks the right`,
			"run `keypin migrate` of this program as the owner of the tables")
	} else if refused != nil {
		t.Errorf("the schema is the same, and the next version does not start: %v", refused)
	}
	w.replace(t, node, v.newer)
	w.crossed(t, node, node)
	w.judge(t)
	text, err := os.ReadFile(here.Log())
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"level":"WARN"`) {
			t.Errorf("the node logs %s", line)
		}
	}
}
