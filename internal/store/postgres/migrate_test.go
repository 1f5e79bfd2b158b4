package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/keypin/keypin/internal/keypin"
)

func TestTheKnownVersionIsThatOfTheLastMigration(t *testing.T) {
	files, err := filepath.Glob("migrations/*.sql")
	if err != nil || int64(len(files)) != SchemaVersion {
		t.Errorf("got %d migrations (%v) and the version %d", len(files), err, SchemaVersion)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "goose Down") {
			t.Errorf("%s goes back, or %v", file, err)
		}
	}
}

func TestMigrateBringsANewDatabaseToTheKnownVersion(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		for way, u := range map[string]string{"Direct": s.URL(s.empty(t)), "ThroughPgBouncer": s.pooler.URL(s.empty(t))} {
			t.Run(way, func(t *testing.T) {
				for _, want := range []int64{0, SchemaVersion} {
					before, after, err := Migrate(t.Context(), keypin.NewSecret(u))
					if err != nil || before != want || after != SchemaVersion {
						t.Errorf("got %d to %d (%v), want %d to %d", before, after, err, want, SchemaVersion)
					}
				}
				open(t, Options{URL: keypin.NewSecret(u), Pooled: way != "Direct"})
			})
		}
	})
}

func TestNodesMayMigrateAtOnce(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		for way, u := range map[string]string{"Direct": s.URL(s.empty(t)), "ThroughPgBouncer": s.pooler.URL(s.empty(t))} {
			t.Run(way, func(t *testing.T) {
				var first atomic.Int64
				var group sync.WaitGroup
				for range 5 {
					group.Go(func() {
						before, after, err := Migrate(t.Context(), keypin.NewSecret(u))
						if err != nil || after != SchemaVersion {
							t.Errorf("got version %d, %v", after, err)
						}
						if before == 0 {
							first.Add(1)
						}
					})
				}
				group.Wait()
				if first.Load() != 1 {
					t.Errorf("%d nodes migrated, want one", first.Load())
				}
			})
		}
	})
}

func TestAnIndexIsMadeConcurrentlyWhileTheLockOfWhoMigratesIsHeld(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		for _, way := range []string{"Direct", "ThroughPgBouncer"} {
			t.Run(way, func(t *testing.T) {
				database := s.migrated(t)
				u := s.URL(database)
				if way != "Direct" {
					u = s.pooler.URL(database)
				}
				config, err := parse(keypin.NewSecret(u))
				if err != nil {
					t.Fatal(err)
				}
				config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
				pool := stdlib.OpenDB(*config.ConnConfig)
				defer pool.Close()
				unlock, err := lock(t.Context(), pool)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if _, err := pool.ExecContext(ctx, "CREATE INDEX CONCURRENTLY keys_named ON api_keys (workspace_id, name)"); err != nil {
					t.Errorf("the index waits for the lock: %v", err)
				}
				if err := unlock(); err != nil {
					t.Error(err)
				}
			})
		}
	})
}

// next is a migration that might come: it does what migrations may do.
var next = fstest.MapFS{
	fmt.Sprintf("%05d_columns.sql", SchemaVersion+1): {Data: []byte(`
-- +goose Up
ALTER TABLE api_keys ADD COLUMN note text NOT NULL DEFAULT '';
ALTER TABLE workspaces ADD COLUMN colour text;
CREATE TABLE notes (id uuid NOT NULL PRIMARY KEY, workspace_id uuid NOT NULL REFERENCES workspaces (id), note text NOT NULL);
`)},
	fmt.Sprintf("%05d_index.sql", SchemaVersion+2): {Data: []byte(`
-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY keys_noted ON api_keys (workspace_id, note);
`)},
}

func TestAStoreServesWhileTheNextVersionMigrates(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		for _, way := range []string{"Direct", "ThroughPgBouncer"} {
			t.Run(way, func(t *testing.T) {
				database := s.migrated(t)
				options := Options{URL: keypin.NewSecret(s.URL(database))}
				if way != "Direct" {
					options = Options{URL: keypin.NewSecret(s.pooler.URL(database)), Pooled: true}
				}
				store := open(t, options)
				keys := seeded(t, store, 50)
				var done, operations atomic.Int64
				serving := make(chan struct{})
				var group sync.WaitGroup
				for i := range 4 {
					group.Go(func() {
						for n := 0; done.Load() == 0 || n < 20; n++ {
							if operations.Add(1) == 20 {
								close(serving)
							}
							if err := serve(t.Context(), store, keys, 1000*(i+1)+n); err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
				<-serving
				applyNext(t, s, database)
				done.Add(1)
				group.Wait()
				// The old version does not start any more; the new one's column is there.
				if _, err := Open(t.Context(), options); err == nil || !strings.Contains(err.Error(), fmt.Sprint("schema version ", SchemaVersion+2)) {
					t.Errorf("got %v", err)
				}
			})
		}
	})
}

// applyNext migrates as the next version would.
func applyNext(t *testing.T, s *server, database string) {
	t.Helper()
	config, err := parse(keypin.NewSecret(s.URL(database)))
	if err != nil {
		t.Fatal(err)
	}
	pool := stdlib.OpenDB(*config.ConnConfig)
	defer pool.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, pool, next, goose.WithDisableGlobalRegistry(true), goose.WithAllowOutofOrder(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// serve does one of everything.
func serve(ctx context.Context, store *Store, keys []*keypin.APIKey, n int) error {
	key := keys[rand.N(len(keys))]
	_, err1 := store.KeyByHash(ctx, key.Hash)
	_, err2 := store.Keys(ctx, key.WorkspaceID, keypin.KeyQuery{Page: keypin.Page{Limit: 10}, Now: seedTime, Status: keypin.StatusActive})
	_, err3 := store.Workspace(ctx, key.WorkspaceID)
	err4 := store.Tx(ctx, func(tx keypin.Tx) error {
		current, err := tx.Key(ctx, key.WorkspaceID, key.ID)
		if err != nil {
			return err
		}
		current.Version++
		return errors.Join(tx.UpdateKey(ctx, current), tx.InsertKey(ctx, seedKey(key.WorkspaceID, 100000+n)))
	})
	err5 := store.Tx(ctx, func(tx keypin.Tx) error {
		return errors.Join(tx.TouchKey(ctx, keypin.LastUse{KeyID: key.ID, At: seedTime.Add(time.Duration(n) * time.Second)}),
			tx.AddUsage(ctx, []keypin.UsageCount{{WorkspaceID: key.WorkspaceID, ChainID: key.ChainID, Minute: seedTime, Code: fmt.Sprint(n % 3), Count: 1}}))
	})
	return errors.Join(err1, err2, err3, err4, err5)
}
