package node_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres"
	"github.com/keypin/keypin/internal/store/postgres/node"
	"github.com/keypin/keypin/test/engines"
)

// follower remembers what it was told.
type follower struct {
	mu      sync.Mutex
	keys    []keypin.KeyHash
	spaces  []keypin.ID
	emptied int
}

func (f *follower) InvalidateKeys(_ context.Context, hashes []keypin.KeyHash) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys = append(f.keys, hashes...)
	return nil
}

func (f *follower) InvalidateWorkspace(_ context.Context, id keypin.ID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spaces = append(f.spaces, id)
	return nil
}

func (f *follower) InvalidateAll(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.emptied++
	return nil
}

func (f *follower) told() (keys []keypin.KeyHash, spaces []keypin.ID, emptied int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.keys), slices.Clone(f.spaces), f.emptied
}

// onEach runs the test on every PostgreSQL that is installed.
func onEach(t *testing.T, test func(t *testing.T, p *engines.Postgres)) {
	t.Helper()
	all, err := engines.Postgreses()
	if err != nil || len(all) < 2 {
		t.Fatalf("%d PostgreSQLs, want the system's and a newer one: %v", len(all), err)
	}
	for i, binaries := range all {
		t.Run(fmt.Sprint("PostgreSQL ", i), func(t *testing.T) {
			t.Parallel()
			test(t, start(t, binaries))
		})
	}
}

func start(t *testing.T, binaries string) *engines.Postgres {
	t.Helper()
	p, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{Binaries: binaries, Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := postgres.Migrate(t.Context(), keypin.NewSecret(p.URL("keypin"))); err != nil {
		t.Fatal(err)
	}
	return p
}

func options(url string, f keypin.Follower) node.Options {
	return node.Options{
		URL: keypin.NewSecret(url), Name: "a", Version: "v1", Settings: map[string]string{"issuer_key": "1", "scopes": "2"},
		MustAgree: []string{"issuer_key", "scopes"}, Follower: f, Clock: time.Now, Random: rand.Reader,
		Logger: slog.New(slog.DiscardHandler),
	}
}

func startNode(t *testing.T, o node.Options) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, what)
		}
		<-tick.C
	}
}

func fresh(n *node.Node) bool {
	now := time.Now()
	return now.Sub(n.AsOf(now)) < time.Second
}

func hashOf(i int) (h keypin.KeyHash) {
	h[0], h[1], h[2] = byte(i>>16), byte(i>>8), byte(i)
	return h
}

func notify(i int) string {
	h := hashOf(i)
	return "SELECT pg_notify('keypin_changes', 'key " + hex.EncodeToString(h[:]) + "')"
}

func TestANodeTellsItsFollowerOfEveryChangeAndForgetsItAllWhenItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p *engines.Postgres) {
		f := &follower{}
		n := startNode(t, options(p.URL("keypin"), f))
		if _, _, emptied := f.told(); emptied != 1 || !fresh(n) || n.Count() != 1 {
			t.Errorf("at the start: forgotten %d times, fresh %t, %d nodes", emptied, fresh(n), n.Count())
		}
		id, err := keypin.NewID(time.Now(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.SQL(t.Context(), "keypin", notify(1), "SELECT pg_notify('keypin_changes', 'workspace "+id.String()+"')",
			"SELECT pg_notify('keypin_changes', 'key 12')"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the follower is told", 5*time.Second, func() bool {
			keys, spaces, emptied := f.told()
			return slices.Equal(keys, []keypin.KeyHash{hashOf(1)}) && slices.Equal(spaces, []keypin.ID{id}) && emptied == 2
		})
		if s := n.Stats(); s.Notifications != 3 || s.Emptied != 2 || !s.Connected || s.Reconnections != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhatLosesTheConnectionIsOverWithinASecondOfItsEnd(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p *engines.Postgres) {
		f := &follower{}
		n := startNode(t, options(p.URL("keypin"), f))
		lost := func() bool { return !fresh(n) && !n.Stats().Connected }
		for _, fault := range []struct {
			name       string
			begin, end func() error
			lost       func() bool
		}{
			{"restart", p.Shutdown, func() error { return p.Start(t.Context()) }, lost},
			{"crash", p.Kill, func() error { return p.Start(t.Context()) }, lost},
			{"stall", func() error { return p.Signal(syscall.SIGSTOP) }, func() error { return p.Signal(syscall.SIGCONT) }, lost},
			{"terminated", func() error {
				return p.SQL(t.Context(), "keypin", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'keypin listener'")
			}, func() error { return nil }, func() bool { return true }},
		} {
			_, _, before := f.told()
			if err := fault.begin(); err != nil {
				t.Fatal(fault.name, err)
			}
			eventually(t, fault.name+" is noticed", 5*time.Second, fault.lost)
			if err := fault.end(); err != nil {
				t.Fatal(fault.name, err)
			}
			ended := time.Now()
			eventually(t, fault.name+" is over", 5*time.Second, func() bool {
				_, _, emptied := f.told()
				return fresh(n) && emptied > before && n.Stats().Connected
			})
			t.Logf("%s: %s after its end", fault.name, time.Since(ended).Round(time.Millisecond))
		}
		if err := p.SQL(t.Context(), "keypin", notify(7)); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the follower is told again", 5*time.Second, func() bool { keys, _, _ := f.told(); return len(keys) == 1 })
	})
}

func TestNodesCountOneAnotherAndALeavingOneIsGone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p *engines.Postgres) {
		a := startNode(t, options(p.URL("keypin"), &follower{}))
		b := startNode(t, options(p.URL("keypin"), &follower{}))
		eventually(t, "each counts two", 5*time.Second, func() bool { return a.Count() == 2 && b.Count() == 2 })
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "one is left", 2*time.Second, func() bool { return a.Count() == 1 })
		if rows, err := p.Query(t.Context(), "keypin", "SELECT count(*) FROM nodes"); err != nil || rows != "1" {
			t.Errorf("%s rows, %v", rows, err)
		}
		if err := p.SQL(t.Context(), "keypin", "DELETE FROM nodes"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "a node whose row is gone registers anew", 2*time.Second, func() bool {
			rows, err := p.Query(t.Context(), "keypin", "SELECT count(*) FROM nodes")
			return err == nil && rows == "1"
		})
		if !fresh(a) || a.Stats().Failures != 0 {
			t.Errorf("fresh %t, %+v", fresh(a), a.Stats())
		}
	})
}

func TestARowThatNobodyUpdatesForADayIsDeletedByWhoStarts(t *testing.T) {
	t.Parallel()
	p := start(t, "")
	if err := p.SQL(t.Context(), "keypin", `INSERT INTO nodes SELECT gen_random_uuid(), 'old', 'v0', '{}', now(), now() - make_interval(hours => h) FROM unnest(array[23, 25]) AS h`); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, options(p.URL("keypin"), &follower{}))
	if rows, err := p.Query(t.Context(), "keypin", "SELECT count(*) FROM nodes"); err != nil || rows != "2" || n.Count() != 1 {
		t.Errorf("%s rows, %d nodes, %v", rows, n.Count(), err)
	}
}

// TestAPingIsAnsweredAfterEveryNotificationWhoseCommitReturnedBeforeIt is the promise's
// root, asked of the real server.
func TestAPingIsAnsweredAfterEveryNotificationWhoseCommitReturnedBeforeIt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p *engines.Postgres) {
		ctx := t.Context()
		heard := 0
		var wrong error
		dial, err := node.Dialer(keypin.NewSecret(p.URL("keypin")))
		if err != nil {
			t.Fatal(err)
		}
		session, err := dial(ctx, node.Row{ID: keypin.ID{1}, Name: "a", Version: "v", Settings: map[string]string{}}, func(payload string) {
			if h := hashOf(heard); payload != "key "+hex.EncodeToString(h[:]) && wrong == nil {
				wrong = fmt.Errorf("heard %q as number %d", payload, heard)
			}
			heard++
		})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		if _, err := session.Listen(ctx); err != nil {
			t.Fatal(err)
		}
		var writers []*pgx.Conn
		for range 4 {
			w, err := pgx.Connect(ctx, p.URL("keypin"))
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close(context.WithoutCancel(ctx))
			writers = append(writers, w)
		}
		const commits = 10_000
		for i := range commits {
			if _, err := writers[i%len(writers)].Exec(ctx, notify(i)); err != nil {
				t.Fatal(err)
			}
			if _, err := session.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			if heard != i+1 || wrong != nil {
				t.Fatalf("commit %d returned, then a ping: %d notifications, %v", i, heard, wrong)
			}
		}
	})
}

func TestNoErrorAndNoLogShowsThePassword(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	for _, url := range []string{"postgres://keypin:hunter2@127.0.0.1:1/keypin", "postgres://keypin:hunter2@127.0.0.1:port/keypin", "postgres://keypin:hunter2%zz@h/k"} {
		o := options(url, &follower{})
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		_, err := node.Start(t.Context(), o)
		if err == nil || !strings.HasPrefix(err.Error(), "database: ") || strings.Contains(err.Error()+log.String(), "hunter2") {
			t.Errorf("%v %s", err, log.String())
		}
	}
}
