package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

// template is the migrated database that every test's own is a copy of.
const template = "template_migrated"

// server is a PostgreSQL, and a pooler before it, that all tests share.
type server struct {
	name string // such as postgres15
	*engines.Postgres
	pooler *engines.PgBouncer
	serial atomic.Int64
	mu     sync.Mutex
	spare  []string // databases that are migrated and empty
}

var servers []*server

// emptied are the tables, those that refer to others first.
var emptied = []string{"api_keys", "members", "invites", "workspaces", "users", "key_count_changes", "audit_entries",
	"idempotent_answers", "usage_counts", "key_uses", "page_votes", "nodes"}

func TestMain(m *testing.M) {
	code, err := 1, start()
	if err == nil {
		code = m.Run()
	}
	for _, s := range servers {
		if s.pooler != nil {
			err = errors.Join(err, s.pooler.Stop())
		}
		err = errors.Join(err, s.Stop())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func start() error {
	all, err := engines.Postgreses()
	if err != nil {
		return err
	}
	ctx := context.Background()
	for _, binaries := range all {
		p, err := engines.StartPostgres(ctx, engines.PostgresOptions{Binaries: binaries, Volatile: true})
		if err != nil {
			return err
		}
		s := &server{Postgres: p}
		servers = append(servers, s)
		number, err := p.Query(ctx, "postgres", "SHOW server_version_num")
		if err != nil || len(number) < 2 {
			return fmt.Errorf("%s: version %q: %w", binaries, number, err)
		}
		s.name = "postgres" + number[:2]
		if err := p.CreateDatabase(ctx, template); err != nil {
			return err
		}
		if _, _, err := Migrate(ctx, keypin.NewSecret(p.URL(template))); err != nil {
			return err
		}
		if s.pooler, err = engines.StartPgBouncer(ctx, engines.PgBouncerOptions{Postgres: p}); err != nil {
			return err
		}
	}
	return nil
}

// onEvery runs a test on every PostgreSQL that is installed.
func onEvery(t *testing.T, test func(t *testing.T, s *server)) {
	t.Helper()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) { test(t, s) })
	}
}

// database gives a migrated and empty database for one test that changes only its rows.
// Another test gets it afterwards: emptying one is much quicker than making one.
func (s *server) database(t testing.TB) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.spare) == 0 {
		s.spare = append(s.spare, s.create(t, template))
	}
	name := s.spare[len(s.spare)-1]
	s.spare = s.spare[:len(s.spare)-1]
	t.Cleanup(func() {
		s.asIn(context.Background(), t, name, "DELETE FROM "+strings.Join(emptied, "; DELETE FROM "))
		s.mu.Lock()
		defer s.mu.Unlock()
		s.spare = append(s.spare, name)
	})
	return name
}

// migrated makes a database for one test that may do with it what it likes.
func (s *server) migrated(t testing.TB) string {
	t.Helper()
	return s.copyOf(t, template)
}

// empty makes a database without a schema for one test.
func (s *server) empty(t testing.TB) string {
	t.Helper()
	return s.copyOf(t, "template0")
}

func (s *server) copyOf(t testing.TB, original string) string {
	t.Helper()
	name := s.create(t, original)
	t.Cleanup(func() { s.asIn(context.Background(), t, "postgres", "DROP DATABASE "+name+" WITH (FORCE)") })
	return name
}

func (s *server) create(t testing.TB, original string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.serial.Add(1))
	s.as(t, "postgres", "CREATE DATABASE "+name+" TEMPLATE "+original)
	return name
}

// as runs a statement as the superuser.
func (s *server) as(t testing.TB, database, statement string) {
	t.Helper()
	s.asIn(t.Context(), t, database, statement)
}

func (s *server) asIn(ctx context.Context, t testing.TB, database, statement string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// open opens a store for the test.
func open(t testing.TB, options Options) *Store {
	t.Helper()
	if options.Timeout == 0 {
		options.Timeout = time.Minute // the machine may be busy
	}
	store, err := Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

// direct opens a store on the database.
func (s *server) direct(t testing.TB, database string) *Store {
	t.Helper()
	return open(t, Options{URL: keypin.NewSecret(s.URL(database)), MaxConnections: 6})
}

// reopened opens a store with a changed pool.
func reopened(t *testing.T, like *Store, config *pgxpool.Config) *Store {
	t.Helper()
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	store := newStore(pool, Options{Timeout: like.timeout})
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}
