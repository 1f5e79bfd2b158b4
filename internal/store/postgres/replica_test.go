package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

// withReplica starts a primary with a migrated database keypin, and its replica.
func withReplica(t *testing.T) (primary, replica *engines.Postgres) {
	t.Helper()
	primary, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	stopping(t, primary)
	if _, _, err := Migrate(t.Context(), keypin.NewSecret(primary.URL("keypin"))); err != nil {
		t.Fatal(err)
	}
	if replica, err = primary.Replica(t.Context()); err != nil {
		t.Fatal(err)
	}
	stopping(t, replica)
	return primary, replica
}

func stopping(t *testing.T, p *engines.Postgres) {
	t.Helper()
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
}

// A pooler may be pointed at a replica behind our back.
func TestAKeyThatAReplicaAnswersWithIsNotGivenOut(t *testing.T) {
	primary, replica := withReplica(t)
	pooler, err := engines.StartPgBouncer(t.Context(), engines.PgBouncerOptions{Postgres: primary})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pooler.Stop(); err != nil {
			t.Error(err)
		}
	})
	url := pooler.URL("keypin")
	store := open(t, Options{URL: keypin.NewSecret(url), Pooled: true})
	key := seeded(t, store, 1)[0]
	if _, err := store.KeyByHash(t.Context(), key.Hash); err != nil {
		t.Fatal(err)
	}
	awaitReplica(t, primary, replica)
	if err := pooler.Kill(); err != nil {
		t.Fatal(err)
	}
	again, err := engines.StartPgBouncer(t.Context(), engines.PgBouncerOptions{Postgres: replica, Port: pooler.Port})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := again.Stop(); err != nil {
			t.Error(err)
		}
	})
	for range 20 {
		if got, err := store.KeyByHash(t.Context(), key.Hash); keypin.CodeOf(err) != keypin.CodeUnavailable || got != nil {
			t.Errorf("got %v, %v", got, err)
		}
		if _, err := store.KeyByHash(t.Context(), keypin.KeyHash{9}); keypin.CodeOf(err) != keypin.CodeUnavailable {
			t.Errorf("the replica says that there is no such key: %v", err)
		}
	}
	if err := store.Ping(t.Context()); keypin.CodeOf(err) != keypin.CodeUnavailable {
		t.Errorf("the replica answers a ping: %v", err)
	}
	err = store.Tx(t.Context(), func(tx keypin.Tx) error { return tx.UpdateKey(t.Context(), key) })
	if keypin.CodeOf(err) != keypin.CodeUnavailable {
		t.Errorf("a change on a replica: %v", err)
	}
}

// awaitReplica waits until the replica has what the primary has.
func awaitReplica(t *testing.T, primary, replica *engines.Postgres) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	at, err := primary.Query(ctx, "keypin", "SELECT pg_current_wal_lsn()")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, replica.URL("keypin"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for there := false; !there; {
		if err := conn.QueryRow(ctx, "SELECT coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)", at).Scan(&there); err != nil {
			t.Fatal(err)
		}
	}
}
