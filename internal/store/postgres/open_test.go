package postgres

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

// password is in every URL of these tests that may have one, and in no error.
const password = "pa55/w#rd"

// as gives the URL of a database for another user than the superuser.
func (s *server) urlAs(user, database string) string {
	u, err := url.Parse(s.URL(database))
	if err != nil {
		panic(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// user makes a user for the test who may log in and has rights.
func (s *server) user(t testing.TB, database string, rights ...string) string {
	t.Helper()
	name := fmt.Sprintf("user_%d", s.serial.Add(1))
	s.as(t, "postgres", "CREATE ROLE "+name+" LOGIN PASSWORD '"+password+"'")
	for _, right := range rights {
		s.as(t, database, fmt.Sprintf(right, name))
	}
	t.Cleanup(func() {
		ctx := context.Background()
		s.asIn(ctx, t, database, "DROP OWNED BY "+name)
		s.asIn(ctx, t, "postgres", "DROP ROLE "+name)
	})
	return name
}

// refused opens a store that must be refused for what is wanted.
func refused(t *testing.T, options Options, want ...string) {
	t.Helper()
	if options.Timeout == 0 {
		options.Timeout = time.Minute
	}
	store, err := Open(t.Context(), options)
	if err == nil {
		t.Fatalf("opened, want %q", want)
	}
	if store != nil {
		t.Error("got a store and an error")
	}
	for _, w := range append(want, "database: ") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got %v, want %q", err, w)
		}
	}
	for _, part := range []string{password, "pa55", url.QueryEscape(password), "w#rd"} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("%v shows the password", err)
		}
	}
	t.Log(err)
}

func TestOpenRefusesAURLThatItCannotRead(t *testing.T) {
	for _, text := range []string{
		"", "postgres://", "postgres://127.0.0.1", "postgres://127.0.0.1/", "mysql://u:" + url.QueryEscape(password) + "@h/d", "host=h password=pa55 dbname=d",
		"postgres://u:" + password + "@h:5432/d", "postgres://u:pa55@h:port/d", "postgres://u:pa55@h:1/d?sslmode=no", "postgres://u:pa55@h:1/d?connect_timeout=x",
		"postgres://u:pa55@h:1/d?sslmode=verify-full&sslrootcert=/none/pa55",
	} {
		refused(t, Options{URL: keypin.NewSecret(text)}, "postgres://user:password@host:5432/database", "%40")
		if _, _, err := Migrate(t.Context(), keypin.NewSecret(text)); err == nil || strings.Contains(err.Error(), "pa55") {
			t.Errorf("Migrate: %v", err)
		}
	}
}

func TestOpenRefusesADatabaseThatDoesNotAnswer(t *testing.T) {
	port, err := engines.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	u := fmt.Sprintf("postgres://u:%s@127.0.0.1:%d/d", url.QueryEscape(password), port)
	refused(t, Options{URL: keypin.NewSecret(u)}, "no PostgreSQL answers", fmt.Sprintf("127.0.0.1:%d", port), "is it running", "connection refused")
	refused(t, Options{URL: keypin.NewSecret("postgres://u:" + url.QueryEscape(password) + "@host.invalid:1/d")}, "host.invalid:1", "is it running")
}

func TestOpenRefusesWhatItCannotUseAndSaysWhatToDo(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		for name, c := range map[string]struct {
			prepare func(t *testing.T, database string) (url string)
			empty   bool
			migrate bool
			pooled  bool
			want    []string
		}{
			"no such database": {prepare: func(t *testing.T, _ string) string {
				return s.URL("none")
			}, want: []string{`no database "none"`, `CREATE DATABASE "none" ENCODING 'UTF8'`}},
			"no such user": {prepare: func(t *testing.T, database string) string {
				return s.urlAs("nobody", database)
			}, want: []string{`refuses the user "nobody"`, "correct the user and the password"}},
			"may not connect": {prepare: func(t *testing.T, database string) string {
				s.as(t, "postgres", "REVOKE CONNECT ON DATABASE "+database+" FROM PUBLIC")
				return s.urlAs(s.user(t, database), database)
			}, want: []string{"may not connect", "GRANT CONNECT ON DATABASE"}},
			"may not make tables": {prepare: func(t *testing.T, database string) string {
				return s.urlAs(s.user(t, database), database)
			}, empty: true, migrate: true, want: []string{"schema version 0", "lacks the right to change the schema",
				"run `keypin migrate` of this program as the owner", "GRANT CREATE ON SCHEMA public"}},
			"may not read the version": {prepare: func(t *testing.T, database string) string {
				return s.urlAs(s.user(t, database), database)
			}, want: []string{"lacks the right to SELECT on the table goose_db_version", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES"}},
			"may not write": {prepare: func(t *testing.T, database string) string {
				return s.urlAs(s.user(t, database, "GRANT SELECT ON ALL TABLES IN SCHEMA public TO %s"), database)
			}, want: []string{"lacks the right to INSERT", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES"}},
			"read-only": {prepare: func(t *testing.T, database string) string {
				s.as(t, "postgres", "ALTER DATABASE "+database+" SET default_transaction_read_only = on")
				return s.URL(database)
			}, want: []string{"is read-only", "default_transaction_read_only"}},
			"another encoding": {prepare: func(t *testing.T, database string) string {
				s.as(t, "postgres", "CREATE DATABASE "+database+"_latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
				t.Cleanup(func() { s.asIn(context.Background(), t, "postgres", "DROP DATABASE "+database+"_latin WITH (FORCE)") })
				return s.URL(database + "_latin")
			}, migrate: true, want: []string{"has the encoding LATIN1", "ENCODING 'UTF8'"}},
			"not migrated": {prepare: func(t *testing.T, database string) string {
				return s.URL(database)
			}, empty: true, want: []string{"schema version 0", "run `keypin migrate`"}},
			"newer": {prepare: func(t *testing.T, database string) string {
				s.as(t, database, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (1000, true)")
				return s.URL(database)
			}, migrate: true, want: []string{"schema version 1000, and this program knows only versions up to 2", "start the newer program"}},
			"a pooler without being told": {prepare: func(t *testing.T, database string) string {
				return s.pooler.URL(database)
			}, want: []string{"unsupported startup parameter", "PgBouncer", "database_listen"}},
			"no such database behind a pooler": {prepare: func(*testing.T, string) string {
				return s.pooler.URL("none")
			}, want: []string{`database "none" does not exist`, "PgBouncer", "let it know the database"}, pooled: true},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				original := template
				if c.empty {
					original = "template0"
				}
				database := s.copyOf(t, original)
				refused(t, Options{URL: keypin.NewSecret(c.prepare(t, database)), Migrate: c.migrate, Pooled: c.pooled}, c.want...)
			})
		}
	})
}

func TestOpenRefusesAWrongPassword(t *testing.T) {
	p, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{Volatile: true, Settings: map[string]string{"password_encryption": "scram-sha-256"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	// The superuser is let in from elsewhere on the loopback network, all others need a password.
	hba, err := p.Query(t.Context(), "postgres", "SHOW hba_file")
	if err != nil {
		t.Fatal(err)
	}
	err = p.SQL(t.Context(), "postgres", "CREATE ROLE guarded LOGIN PASSWORD 'right'",
		"COPY (SELECT 'host all keypin 127.0.0.1/32 trust' UNION ALL SELECT 'host all all 127.0.0.1/32 scram-sha-256') TO '"+hba+"'", "SELECT pg_reload_conf()")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Postgres: p}
	refused(t, Options{URL: keypin.NewSecret(s.urlAs("guarded", "keypin"))}, `refuses the user "guarded"`, "password authentication failed")
}

func TestOpenRefusesAReplica(t *testing.T) {
	primary, replica := withReplica(t)
	refused(t, Options{URL: keypin.NewSecret(replica.URL("keypin"))}, "is a replica", "name the primary", "target_session_attrs=read-write")
	refused(t, Options{URL: keypin.NewSecret(replica.URL("keypin")), Migrate: true}, "is a replica")
	both := fmt.Sprintf("postgres://keypin@127.0.0.1:%d,127.0.0.1:%d/keypin?sslmode=disable", replica.Port, primary.Port)
	store := open(t, Options{URL: keypin.NewSecret(both)})
	if err := store.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	port, err := engines.FreePort(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	none := strings.Replace(both, fmt.Sprint(primary.Port), fmt.Sprint(port), 1)
	refused(t, Options{URL: keypin.NewSecret(none)}, "none of the servers at", "takes writes", "name the primary")
	refused(t, Options{URL: keypin.NewSecret(strings.Replace(both, fmt.Sprint(primary.Port), fmt.Sprint(replica.Port), 1))}, "is a replica")
}

func TestAnOldServerIsRefused(t *testing.T) {
	config, err := pgx.ParseConfig("postgres://u@h:5432/d")
	if err != nil {
		t.Fatal(err)
	}
	err = facts{version: 14_00_12, encoding: "UTF8"}.judge(config)
	if err == nil || !strings.Contains(err.Error(), "database: the server at h:5432 is PostgreSQL 14, and Keypin needs 15 or newer: upgrade it") {
		t.Errorf("got %v", err)
	}
	if err := (facts{version: 15_00_00, encoding: "UTF8"}).judge(config); err != nil {
		t.Error(err)
	}
}

func TestEveryTableIsKnown(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		got, err := s.Query(t.Context(), template, "SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'goose_db_version'")
		if err != nil {
			t.Fatal(err)
		}
		for _, known := range [][]string{tables(), slices.Clone(emptied)} {
			slices.Sort(known)
			if want := strings.Join(known, ","); got != want {
				t.Errorf("the database has %s, known are %s", got, want)
			}
		}
	})
}
