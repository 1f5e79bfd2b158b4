package upgrade

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/test/chaos/check"
	"github.com/keypin/keypin/test/cluster/nodes"
	"github.com/keypin/keypin/test/engines"
)

// patience is the deadline of everything that is waited for.
const patience = 60 * time.Second

// world is two nodes, their engines, and the log of everything that was asked.
type world struct {
	versions
	cluster *nodes.Cluster
	doors   []*door // to each node
	began   time.Time
	serial  atomic.Int64

	mu      sync.Mutex
	entries []check.Entry
	away    []away
	recent  []key                    // that were made or changed last
	secrets map[string]client.Secret // of all keys, by id
}

// door leads to a node, whichever program it runs.
type door struct {
	node            int
	manage, data    *client.Client
	checks, changes atomic.Int64 // that were answered
}

// key is a key's id and plaintext.
type key struct {
	id     string
	secret client.Secret
}

// away is a time in which a node was replaced.
type away struct {
	node       int
	begin, end time.Duration
}

// database is where the nodes find theirs, and who may change its tables.
type database struct {
	name         string
	nodes, owner string // URLs
	// apart says that the owner is another role than the nodes', and migrates for them.
	apart bool
}

// oneRole is a database whose nodes change the tables themselves.
func oneRole(_ *testing.T, server *engines.Postgres) database {
	return database{name: "keypin", nodes: server.URL("keypin"), owner: server.URL("keypin")}
}

// twoRoles is a database with the roles of docs/operations.md, made by its SQL. It is
// called site, since the server's superuser is called keypin.
func twoRoles(t *testing.T, server *engines.Postgres) database {
	t.Helper()
	roles, err := engines.DocumentedRoles("site")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SQL(t.Context(), "postgres", roles); err != nil {
		t.Fatal(err)
	}
	as := func(role string) string { return strings.Replace(server.URL("site"), "keypin@", role+"@", 1) }
	return database{name: "site", nodes: as("site_a"), owner: as("site_owner"), apart: true}
}

// migrate runs keypin migrate as the owner, and gives what it says.
func (d database) migrate(ctx context.Context, program string) (string, error) {
	cmd := exec.CommandContext(ctx, program, "migrate")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "KEYPIN_DATABASE=" + d.owner}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// schemaVersion is that of the database.
func schemaVersion(t *testing.T, server *engines.Postgres, d database) string {
	t.Helper()
	return query(t, server, d, "SELECT max(version_id) FROM goose_db_version")
}

func query(t *testing.T, server *engines.Postgres, d database, statement string) string {
	t.Helper()
	got, err := server.Query(t.Context(), d.name, statement)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// start starts nodes of the older version on a database that prepare makes.
func start(t *testing.T, v versions, count int, prepare func(*testing.T, *engines.Postgres) database) (*world, database) {
	t.Helper()
	w := &world{versions: v, began: time.Now(), secrets: map[string]client.Secret{}}
	var d database
	var err error
	w.cluster, err = nodes.Start(t.Context(), nodes.Options{
		Program: v.older, Nodes: count, Postgres: engines.PostgresOptions{Volatile: true},
		Through: func(c *nodes.Cluster, node int) ([]string, error) {
			if node == 0 {
				if d = prepare(t, c.Postgres); d.apart {
					if said, err := d.migrate(t.Context(), v.older); err != nil {
						return nil, fmt.Errorf("%w: %s", err, said)
					}
				}
			}
			return []string{"KEYPIN_DATABASE=" + d.nodes, "KEYPIN_REDIS=" + c.Redis.URL()}, nil
		},
		// A Redis that is new is doubted for a minute, in which nodes count for themselves
		// as well. In this mode it alone decides at once.
		Env: []string{"KEYPIN_RATE_LIMITS_WITHOUT_REDIS=allow"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, n := range w.cluster.Nodes {
				text, err := os.ReadFile(n.Log())
				t.Logf("%s (%v):\n%s", n.Name, err, text[max(0, len(text)-4000):])
			}
		}
		if err := w.cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	w.add(check.Entry{Kind: check.Run, Setup: &check.Setup{Nodes: count, Mode: check.Allow}})
	for i, n := range w.cluster.Nodes {
		once := []client.Option{client.WithMaxRetries(0), client.WithTimeout(patience)} // every answer counts
		manage, err1 := client.New(n.URL(), append(once, client.WithToken(w.cluster.Token))...)
		data, err2 := client.New(n.DataURL(), once...)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		w.doors = append(w.doors, &door{node: i, manage: manage, data: data})
	}
	return w, d
}

// now is the time of the log.
func (w *world) now() time.Duration { return time.Since(w.began) }

func (w *world) add(e check.Entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries = append(w.entries, e)
}

// answered enters what a call came to.
func answered(e *check.Entry, err error) {
	var refused *client.Error
	switch {
	case err == nil:
		e.Status = 200
	case errors.As(err, &refused):
		e.Status, e.Code, e.RetryAfter, e.Error = refused.Status, string(refused.Code), refused.RetryAfter > 0, refused.Error()
	default:
		e.Error = err.Error()
	}
}

// check asks a node about a key, and gives the outcome; "" when it has none.
func (w *world) check(ctx context.Context, d *door, k key, needs ...string) client.Outcome {
	e := check.Entry{Kind: check.Check, Node: d.node, Door: "verify", Key: k.id, Needs: needs, Begin: w.now()}
	v, err := d.data.Keys.Verify(ctx, client.VerifyParams{Key: k.secret, Scopes: needs})
	e.End = w.now()
	if answered(&e, err); err != nil {
		w.add(e)
		return ""
	}
	e.Code = string(v.Code)
	w.add(e)
	d.checks.Add(1)
	return v.Code
}

// make makes a change at a node, and gives the key that it made, if any.
func (w *world) make(ctx context.Context, d *door, c change) (key, check.Entry) {
	e := check.Entry{Kind: check.Change, Change: c.what, Node: d.node, Door: "manage", Key: c.of.id, Sets: &c.sets, Begin: w.now()}
	n, made, err := c.do(ctx, d.manage.Keys)
	e.End = w.now()
	if answered(&e, err); err == nil {
		e.New = n
	}
	w.add(e)
	if e.Status != 0 {
		d.changes.Add(1)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range []key{c.of, made} {
		if k.id != "" {
			w.recent = append(w.recent, k)
			w.secrets[k.id] = k.secret
		}
	}
	w.recent = w.recent[max(0, len(w.recent)-16):]
	return made, e
}
