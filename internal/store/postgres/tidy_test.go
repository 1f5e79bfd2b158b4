package postgres

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
)

// eventually wants a query to give something within a minute, after each asking again.
func (s *server) eventually(t *testing.T, database, query, want string, ask func()) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		got, err := s.Query(t.Context(), database, query)
		if err != nil {
			t.Fatal(err)
		}
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s gives %s, want %s", query, got, want)
		}
		ask()
	}
}

func TestCountsAreFoldedAndStayRight(t *testing.T) {
	const created = 3 * foldFrom
	onEvery(t, func(t *testing.T, s *server) {
		database := s.database(t)
		store := s.direct(t, database)
		ctx := t.Context()
		seeded(t, store, 0)
		for i := range created {
			if err := store.Tx(ctx, func(tx keypin.Tx) error { return tx.InsertKey(ctx, seedKey(keypin.ID{1}, i)) }); err != nil {
				t.Fatal(err)
			}
		}
		s.eventually(t, database, "SELECT count(*) FROM key_count_changes", "1", func() {
			store.tidying.fold(keypin.ID{1})
			page, err := store.Keys(ctx, keypin.ID{1}, keypin.KeyQuery{Page: keypin.Page{Limit: 1}, Now: seedTime})
			if err != nil || page.Total != created {
				t.Fatalf("got %d, %v", page.Total, err)
			}
		})
	})
}

func TestKeysThatLapsedAreJudgedAgain(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		database := s.database(t)
		store := s.direct(t, database)
		seeded(t, store, 400) // 57 of them lapse, 11 of which are suspended
		list := func(now time.Time, want int) func() {
			return func() {
				page, err := store.Keys(t.Context(), keypin.ID{1}, keypin.KeyQuery{Page: keypin.Page{Limit: 1}, Status: keypin.StatusActive, Now: now})
				if err != nil || page.Total != want {
					t.Fatalf("got %d, %v, want %d", page.Total, err, want)
				}
			}
		}
		s.eventually(t, database, "SELECT count(*) FROM api_keys WHERE ended", "126", list(seedTime.Add(2*time.Hour), 274))
		list(seedTime, 297)()
	})
}

func TestExpiredAnswersGoAwayAsNewOnesCome(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		database := s.database(t)
		store := s.direct(t, database)
		s.as(t, database, `INSERT INTO idempotent_answers SELECT gen_random_uuid(), sha256(i::text::bytea), sha256('r'), 'x', timestamptz '2026-02-01', timestamptz '2026-02-02'
			FROM generate_series(1, 100) AS i`)
		var n byte
		s.eventually(t, database, "SELECT count(*) FROM idempotent_answers WHERE expires_at < timestamptz '2026-03-01'", "0", func() {
			n++
			err := store.Tx(t.Context(), func(tx keypin.Tx) error {
				return tx.InsertIdempotentAnswer(t.Context(), &keypin.IdempotentAnswer{
					Caller: keypin.ID{1}, KeyHash: [32]byte{n}, Sealed: []byte("x"), CreatedAt: seedTime, ExpiresAt: seedTime.Add(time.Hour),
				})
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	})
}

// exchanges counts what is sent to the server and waited for.
type exchanges struct{ n atomic.Int64 }

func (e *exchanges) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	e.n.Add(1)
	return ctx
}

func (e *exchanges) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestWhatIsDoneOftenTakesFewExchanges(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		for _, pooled := range []bool{false, true} {
			database, e := s.database(t), &exchanges{}
			options := Options{URL: keypin.NewSecret(s.URL(database)), Tracer: e}
			if pooled {
				options.URL, options.Pooled = keypin.NewSecret(s.pooler.URL(database)), true
			}
			store := open(t, options)
			ctx := t.Context()
			keys := seeded(t, store, 500)
			for what, c := range map[string]struct {
				want int64
				do   func() error
			}{
				"a look-up": {1, func() error { _, err := store.KeyByHash(ctx, keys[0].Hash); return err }},
				"a list": {4, func() error {
					_, err := store.Keys(ctx, keypin.ID{1}, keypin.KeyQuery{Page: keypin.Page{Limit: 50}, Now: seedTime})
					return err
				}},
				"a change": {3, func() error { return store.Tx(ctx, func(tx keypin.Tx) error { return tx.UpdateKey(ctx, keys[0]) }) }},
				"a flush": {7, func() error {
					return store.Tx(ctx, func(tx keypin.Tx) error {
						var counts []keypin.UsageCount
						for _, key := range keys {
							if err := tx.TouchKey(ctx, keypin.LastUse{KeyID: key.ID, At: seedTime}); err != nil {
								return err
							}
							counts = append(counts, keypin.UsageCount{WorkspaceID: key.WorkspaceID, ChainID: key.ChainID, Minute: seedTime, Code: "valid", Count: 1})
						}
						return tx.AddUsage(ctx, counts)
					})
				}},
			} {
				store.tidying.stop() // it would be counted too
				before := e.n.Load()
				if err := c.do(); err != nil {
					t.Error(err)
				}
				if got := e.n.Load() - before; got != c.want {
					t.Errorf("%s takes %d exchanges, want %d (pooled: %t)", what, got, c.want, pooled)
				}
			}
		}
	})
}
