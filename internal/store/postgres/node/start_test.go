package node_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/store/postgres/node"
	"github.com/keypin/keypin/test/engines"
)

// refused starts a node and checks that its error tells all of that.
func refused(t *testing.T, o node.Options, words ...string) {
	t.Helper()
	n, err := node.Start(t.Context(), o)
	if err == nil {
		_ = n.Close()
		t.Fatalf("it starts; want an error with %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

func TestANodeWithAnotherIssuerKeyIsRefusedAndOneWithOtherLimitsIsFlagged(t *testing.T) {
	t.Parallel()
	p := start(t, "")
	a := options(p.URL("keypin"), &follower{})
	a.Name, a.Version, a.MustAgree = "first", "v7", []string{"issuer_key"}
	startNode(t, a)

	other := a
	other.Settings = map[string]string{"issuer_key": "another", "scopes": "2"}
	refused(t, other, "issuer_key: differs", `"first"`, "version v7", "the same one")
	if rows, err := p.Query(t.Context(), "keypin", "SELECT count(*) FROM nodes"); err != nil || rows != "1" {
		t.Errorf("who was refused leaves %s rows, %v", rows, err)
	}

	var log lockedBuffer
	flagged := a
	flagged.Name = "second"
	flagged.Settings = map[string]string{"issuer_key": "1", "scopes": "another", "of a newer version": "3"}
	flagged.Logger = slog.New(slog.NewTextHandler(&log, nil))
	n := startNode(t, flagged)
	if got := n.Disagree(); !slices.Equal(got, []string{"scopes"}) {
		t.Errorf("differs in %q", got)
	}
	if got := log.String(); strings.Count(got, "level=WARN") != 1 || !strings.Contains(got, "setting=scopes node=first") {
		t.Errorf("logged %q", got)
	}
}

// lockedBuffer is what two goroutines write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAPoolerThatLendsConnectionsIsRefused(t *testing.T) {
	t.Parallel()
	b, err := engines.StartPgBouncer(t.Context(), engines.PgBouncerOptions{Postgres: start(t, "")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Stop() })
	o := options(b.URL("keypin"), &follower{})
	o.Field = "database_listen"
	refused(t, o, "database_listen: ", "set database_listen to the PostgreSQL server itself")
}

func TestAURLThatCannotBeListenedToIsRefusedWithTheRemedy(t *testing.T) {
	t.Parallel()
	p := start(t, "")
	if err := p.SQL(t.Context(), "keypin", "CREATE USER stranger"); err != nil {
		t.Fatal(err)
	}
	if err := p.CreateDatabase(t.Context(), "bare"); err != nil {
		t.Fatal(err)
	}
	at := func(user, database string) node.Options {
		return options(fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", user, p.Port, database), &follower{})
	}
	refused(t, at("keypin", "elsewhere"), "database: there is no such database")
	refused(t, at("nobody", "keypin"), "database: the server refuses the user")
	refused(t, at("stranger", "keypin"), "database: the user lacks a right")
	refused(t, at("keypin", "bare"), "database: the table nodes is missing")
	refused(t, options("postgres://keypin@127.0.0.1:1/keypin?sslmode=disable", &follower{}), "database: the server cannot be reached")
	refused(t, options("mysql://keypin@localhost/keypin", &follower{}), "database: not a URL of PostgreSQL")
}

// TestANodeFindsThePrimaryAmongItsHostsAndFollowsItToAnother fails over to the standby:
// the primary is ended, the standby promoted.
func TestANodeFindsThePrimaryAmongItsHostsAndFollowsItToAnother(t *testing.T) {
	t.Parallel()
	primary := start(t, "")
	replica, err := primary.Replica(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Stop() })
	refused(t, options(replica.URL("keypin"), &follower{}), "database: the server is a replica")

	f := &follower{}
	n := startNode(t, options(fmt.Sprintf("postgres://keypin@127.0.0.1:%d,127.0.0.1:%d/keypin?sslmode=disable", replica.Port, primary.Port), f))
	if !n.Vouches("00000001") || n.Vouches("00000002") {
		t.Error("it vouches for another server than the primary")
	}
	if err := primary.Shutdown(); err != nil {
		t.Fatal(err)
	}
	if err := replica.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the new primary is listened to", 10*time.Second, func() bool { return n.Vouches("00000002") && fresh(n) })
	if n.Vouches("00000001") {
		t.Error("it vouches for the old primary")
	}
	if err := replica.SQL(t.Context(), "keypin", notify(3)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the follower is told", 5*time.Second, func() bool { keys, _, _ := f.told(); return len(keys) == 1 })
}

// TestAPingThatTheStandbyDoesNotConfirmProvesNothing cuts a primary off from its
// synchronous standby: it still takes connections and answers reads.
func TestAPingThatTheStandbyDoesNotConfirmProvesNothing(t *testing.T) {
	t.Parallel()
	primary := start(t, "")
	replica, err := primary.Replica(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = replica.Stop() })
	if err := primary.SQL(t.Context(), "keypin", "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, options(primary.URL("keypin"), &follower{}))
	if err := replica.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is not fresh", 5*time.Second, func() bool { return !fresh(n) })
	// Who cancels the wait makes the server call the commit done, with a warning.
	began := time.Now()
	for time.Since(began) < 2*time.Second {
		if err := primary.SQL(t.Context(), "keypin", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"); err != nil {
			t.Fatal(err)
		}
		if fresh(n) {
			t.Fatal("a ping that was cancelled counts")
		}
	}
	if err := replica.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is fresh again", 10*time.Second, func() bool { return fresh(n) })
}
