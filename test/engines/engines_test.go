package engines_test

import (
	"syscall"
	"testing"

	"github.com/keypin/keypin/test/engines"
)

func TestEveryPostgresStartsStallsAndKeepsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	all, err := engines.Postgreses()
	if err != nil || len(all) < 2 {
		t.Fatalf("%d PostgreSQLs, want the system's and a newer one: %v", len(all), err)
	}
	for _, binaries := range all {
		p, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{Binaries: binaries, Settings: map[string]string{"work_mem": "5MB"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
		for _, step := range []func() error{
			func() error {
				return p.SQL(t.Context(), "keypin", "CREATE TABLE t (n int)", "INSERT INTO t VALUES (7)")
			},
			func() error { return p.Signal(syscall.SIGSTOP) },
			func() error { return p.Signal(syscall.SIGCONT) },
			p.Kill,
			func() error { return p.Start(t.Context()) },
			p.Shutdown,
			func() error { return p.Start(t.Context()) },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := p.Query(t.Context(), "keypin", "SELECT n, current_setting('work_mem') FROM t"); err != nil || got != "7|5MB" {
			t.Errorf("%s: %q, %v", binaries, got, err)
		}
	}
}

func TestRedisStartsAndForgets(t *testing.T) {
	t.Parallel()
	r, err := engines.StartRedis(t.Context(), engines.RedisOptions{Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	if got, err := r.Do(t.Context(), "SET", "a", "1"); err != nil || got != "OK" {
		t.Fatalf("%q, %v", got, err)
	}
	if err := r.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Do(t.Context(), "EXISTS", "a"); err != nil || got != "0" {
		t.Errorf("%q, %v", got, err)
	}
}
