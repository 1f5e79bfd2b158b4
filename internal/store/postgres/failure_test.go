package postgres

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

// wantUnavailable wants the error that is worth a retry, and that tells the public nothing.
func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	var public *keypin.Error
	if !errors.As(err, &public) || public.Code != keypin.CodeUnavailable || public.RetryAfter <= 0 ||
		public.Message != "The database cannot be reached at the moment." {
		t.Errorf("%s: got %v, want %s", what, err, keypin.CodeUnavailable)
	}
}

// locked keeps everybody from the users until the test ends.
func (s *server) locked(t *testing.T, database string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "BEGIN; LOCK TABLE users"); err != nil {
		t.Fatal(err)
	}
}

// slow is a query that waits for what is locked.
func slow(ctx context.Context, r keypin.Reader) error {
	_, err := r.User(ctx, keypin.ID{1})
	return err
}

func TestWhatTakesTooLongIsUnavailableAndEnds(t *testing.T) {
	const timeout = 200 * time.Millisecond
	onEvery(t, func(t *testing.T, s *server) {
		database := s.migrated(t)
		s.locked(t, database)
		for way, options := range map[string]Options{
			"Direct":           {URL: keypin.NewSecret(s.URL(database))},
			"ThroughPgBouncer": {URL: keypin.NewSecret(s.pooler.URL(database)), Pooled: true},
		} {
			t.Run(way, func(t *testing.T) {
				store := open(t, options) // in peace
				store.timeout = timeout
				begun := time.Now()
				wantUnavailable(t, "a read", slow(t.Context(), store))
				ctx, cancel := context.WithTimeout(t.Context(), timeout/2)
				wantUnavailable(t, "a read with a deadline", slow(ctx, store))
				cancel()
				wantUnavailable(t, "a change", store.Tx(t.Context(), func(tx keypin.Tx) error { return slow(t.Context(), tx) }))
				wantUnavailable(t, "a change that drops the error", store.Tx(t.Context(), func(tx keypin.Tx) error {
					_ = slow(t.Context(), tx)
					return nil
				}))
				if took := time.Since(begun); took > 15*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
		options := Options{URL: keypin.NewSecret(s.URL(database)), Timeout: 1500 * time.Millisecond}
		store := open(t, options)
		for name, want := range map[string]string{"statement_timeout": "1350ms", "idle_in_transaction_session_timeout": "1500ms", "application_name": "keypin"} {
			var got string
			if err := store.pool.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %s, %v", name, got, err)
			}
		}
	})
}

// The server ends a statement itself, when it is our clock that stands still.
func TestTheServerEndsAStatementThatTakesTooLong(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		database := s.migrated(t)
		s.locked(t, database)
		store := open(t, Options{URL: keypin.NewSecret(s.URL(database)), Timeout: 300 * time.Millisecond})
		store.timeout = time.Minute
		err := slow(t.Context(), store)
		wantUnavailable(t, "a read", err)
		if !strings.Contains(err.Error(), "57014") {
			t.Errorf("got %v, want the server's own timeout", err)
		}
	})
}

func TestAStoreComesBackWithItsServer(t *testing.T) {
	p, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, p)
	store := open(t, Options{URL: keypin.NewSecret(p.URL("keypin")), Migrate: true})
	key := seeded(t, store, 1)[0]
	for name, fault := range map[string]struct{ begin, end func() error }{
		"stalled": {func() error { return p.Signal(syscall.SIGSTOP) }, func() error { return p.Signal(syscall.SIGCONT) }},
		"crashed": {p.Kill, func() error { return p.Start(t.Context()) }},
		"stopped": {p.Shutdown, func() error { return p.Start(t.Context()) }},
	} {
		store.timeout = 300 * time.Millisecond
		if err := fault.begin(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			wantUnavailable(t, name+": a ping", store.Ping(t.Context()))
			_, err := store.KeyByHash(t.Context(), key.Hash)
			wantUnavailable(t, name+": a read", err)
			_, err = store.Keys(t.Context(), key.WorkspaceID, keypin.KeyQuery{Page: keypin.Page{Limit: 1}})
			wantUnavailable(t, name+": a list", err)
			wantUnavailable(t, name+": a change", store.Tx(t.Context(), func(tx keypin.Tx) error { return tx.UpdateKey(t.Context(), key) }))
		}
		if err := fault.end(); err != nil {
			t.Fatal(err)
		}
		store.timeout = time.Minute
		for deadline := time.Now().Add(5 * time.Second); ; {
			err := store.Tx(t.Context(), func(tx keypin.Tx) error { return tx.UpdateKey(t.Context(), key) })
			if err == nil {
				break
			}
			wantUnavailable(t, name+": a change afterwards", err)
			if time.Now().After(deadline) {
				t.Fatalf("%s: not back after 5 s", name)
			}
		}
	}
}

// The server's answer to COMMIT gets lost. It is committed, which nobody here can know.
func TestACommitWhoseAnswerIsLostIsUnavailableAndNotTriedAgain(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		database := s.database(t)
		var cut atomic.Bool
		store := s.direct(t, database)
		config := store.pool.Config()
		config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &deaf{Conn: conn, cut: &cut}, err
		}
		lossy := reopened(t, store, config)
		key := seeded(t, lossy, 1)[0]
		var attempts int
		err := lossy.Tx(t.Context(), func(tx keypin.Tx) error {
			attempts++
			changed := *key
			changed.Version = 7
			err := tx.UpdateKey(t.Context(), &changed)
			cut.Store(true)
			return err
		})
		wantUnavailable(t, "the change", err)
		if attempts != 1 {
			t.Errorf("tried %d times", attempts)
		}
		if got, err := store.Key(t.Context(), key.WorkspaceID, key.ID); err != nil || got.Version != 7 {
			t.Errorf("got %v, %v: the server was to commit", got, err)
		}
	})
}

// deaf is a connection that hears no answer once it is cut.
type deaf struct {
	net.Conn
	cut  *atomic.Bool
	once sync.Once
}

func (d *deaf) Read(b []byte) (int, error) {
	n, err := d.Conn.Read(b)
	if d.cut.Load() { // the answer has come, so the server has done its part
		d.once.Do(func() { _ = d.Close() })
		return 0, net.ErrClosed
	}
	return n, err
}

func TestChangesThatKeepMeetingAreUnavailable(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		store := s.direct(t, s.database(t))
		ctx := t.Context()
		key := seeded(t, store, 1)[0]
		var attempts int
		err := store.Tx(ctx, func(tx keypin.Tx) error {
			attempts++
			current, err := tx.Key(ctx, key.WorkspaceID, key.ID)
			if err != nil {
				return err
			}
			// Another one is always faster.
			err = store.Tx(ctx, func(tx keypin.Tx) error { return tx.UpdateKey(ctx, key) })
			return errors.Join(err, tx.UpdateKey(ctx, current))
		})
		wantUnavailable(t, "the change", err)
		if attempts != maxAttempts {
			t.Errorf("tried %d times", attempts)
		}
	})
}

func TestATxThatIsKeptIsRefused(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		store := s.direct(t, s.database(t))
		var kept keypin.Tx
		if err := store.Tx(t.Context(), func(tx keypin.Tx) error { kept = tx; return nil }); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{kept.InsertKey(t.Context(), seedKey(keypin.ID{1}, 1)), kept.TouchKey(t.Context(), keypin.LastUse{}), kept.AddUsage(t.Context(), nil)} {
			if !errors.Is(err, errOver) || keypin.CodeOf(err) != keypin.CodeInternal {
				t.Errorf("got %v", err)
			}
		}
	})
}
