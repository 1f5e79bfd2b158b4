package sqlite_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the bare loop speaks to the engine directly

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite"
)

// BenchmarkTxInsert compares creating a key with its audit row through Tx with a bare
// loop that inserts the same two rows' worth of bytes into a plain table, one durable
// commit each.
func BenchmarkTxInsert(b *testing.B) {
	b.Run("bare", benchmarkBareInsert)
	for _, clients := range []int{1, 32} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchmarkTxInsert(b, clients) })
	}
}

func benchmarkBareInsert(b *testing.B) {
	pool, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "bare.db")+
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
	if err != nil {
		b.Fatal(err)
	}
	defer pool.Close()
	pool.SetMaxOpenConns(1)
	ctx := b.Context()
	if _, err := pool.ExecContext(ctx, "CREATE TABLE keys (id BLOB PRIMARY KEY, hash BLOB UNIQUE, name TEXT, scopes TEXT, created_at INTEGER) STRICT"); err != nil {
		b.Fatal(err)
	}
	insert, err := pool.PrepareContext(ctx, "INSERT INTO keys VALUES (?, ?, ?, ?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	defer insert.Close()
	for b.Loop() {
		key := benchmarkKey(b, keypin.ID{})
		if _, err := insert.ExecContext(ctx, key.ID[:], key.Hash[:], key.Name, `["workflows:read","voices:read"]`, key.CreatedAt.UnixMicro()); err != nil {
			b.Fatal(err)
		}
	}
}

func benchmarkTxInsert(b *testing.B, clients int) {
	store, err := sqlite.Open(b.Context(), sqlite.Options{Path: filepath.Join(b.TempDir(), "keypin.db"), Migrate: true})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			b.Error(err)
		}
	}()
	workspace := benchmarkWorkspace(b, store)
	var left atomic.Int64
	left.Store(int64(b.N))
	done := make(chan error, clients)
	b.ResetTimer()
	for range clients {
		go func() {
			var err error
			for left.Add(-1) >= 0 && err == nil {
				err = insertBenchmarkKey(b.Context(), store, benchmarkKey(b, workspace))
			}
			done <- err
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			b.Error(err)
		}
	}
}

func insertBenchmarkKey(ctx context.Context, store keypin.Store, key *keypin.APIKey) error {
	return store.Tx(ctx, func(tx keypin.Tx) error {
		if err := tx.InsertKey(ctx, key); err != nil {
			return err
		}
		return tx.InsertAudit(ctx, &keypin.AuditEntry{
			ID: key.ID, WorkspaceID: key.WorkspaceID, At: key.CreatedAt, ActorKind: keypin.AuthSession, Action: "api_key.create",
			TargetKind: "api_key", TargetID: key.ID, Origin: keypin.Origin{RequestID: "req_" + key.ID.String(), IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "onepin/0.7.1"},
			After: []byte(`{"name":"` + key.Name + `","scopes":["workflows:read","voices:read"],"active":true}`),
		})
	})
}

func benchmarkWorkspace(b testing.TB, store keypin.Store) keypin.ID {
	b.Helper()
	now := keypin.Timestamp(time.Now())
	id, err := keypin.NewID(now, rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	if err := store.Tx(b.Context(), func(tx keypin.Tx) error {
		return tx.InsertWorkspace(b.Context(), &keypin.Workspace{ID: id, Name: "Bench", Slug: "bench", CreatedBy: id, CreatedAt: now, UpdatedAt: now})
	}); err != nil {
		b.Fatal(err)
	}
	return id
}

func benchmarkKey(b *testing.B, workspace keypin.ID) *keypin.APIKey {
	b.Helper()
	now := keypin.Timestamp(time.Now())
	id, err := keypin.NewID(now, rand.Reader)
	if err != nil {
		b.Error(err)
	}
	key := &keypin.APIKey{
		ID: id, WorkspaceID: workspace, ChainID: id, Name: "Continuous integration", Type: keypin.KeyLive, Prefix: "op_live", Suffix: "a1B2c3",
		Scopes: []keypin.Scope{"workflows:read", "voices:read"}, Active: true, CreatedAt: now, UpdatedAt: now, Version: 1,
	}
	if _, err := rand.Read(key.Hash[:]); err != nil {
		b.Error(err)
	}
	return key
}
