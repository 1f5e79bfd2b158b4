package bulk

import (
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres"
	"github.com/keypin/keypin/internal/token"
	"github.com/keypin/keypin/test/engines"
)

func TestTheStoreOnPostgresReadsWhatWasFilledInAsItsOwn(t *testing.T) {
	t.Parallel()
	server, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	open := func() *postgres.Store {
		t.Helper()
		store, err := postgres.Open(t.Context(), postgres.Options{URL: keypin.NewSecret(server.URL("keypin")), Migrate: true})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	store := open()
	now := keypin.Timestamp(time.Now())
	keys := Keys{Workspace: keypin.ID{2}, User: keypin.ID{1}, N: 2 * BlockSize, RateLimit: 600}
	if err := store.Tx(t.Context(), func(tx keypin.Tx) error { return owners(t.Context(), tx, keys, now) }); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := FillPostgres(t.Context(), server, "keypin", keys); err != nil {
		t.Fatal(err)
	}

	store = open()
	t.Cleanup(func() { _ = store.Close() })
	page, err := store.Keys(t.Context(), keys.Workspace, keypin.KeyQuery{Page: keypin.Page{Limit: 1}, Status: keypin.StatusActive, Now: now})
	if err != nil || page.Total != keys.N || len(page.Keys) != 1 {
		t.Fatalf("the list has %d of %d keys: %v", len(page.Keys), page.Total, err)
	}
	secrets, err := Stored.Block(1)
	if err != nil {
		t.Fatal(err)
	}
	parsed, ok := token.Parse(secrets[BlockSize-1])
	if !ok {
		t.Fatal("a secret has not the form of one")
	}
	want := page.Keys[0] // the newest
	if want.Hash != parsed.Hash || want.Suffix != parsed.Suffix || want.Prefix != parsed.Prefix ||
		want.State(now) != keypin.KeyUsable || want.RateLimit == nil || *want.RateLimit != 600 {
		t.Errorf("the last key is %+v", want)
	}
	if again := FillPostgres(t.Context(), server, "keypin", keys); again == nil {
		t.Error("keys were stored where there were some")
	}
}
