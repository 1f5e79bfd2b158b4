package bulk

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite"
	"github.com/keypin/keypin/internal/token"
)

// owners stores whom the keys belong to.
func owners(ctx context.Context, tx keypin.Tx, keys Keys, now time.Time) error {
	if err := tx.InsertUser(ctx, &keypin.User{ID: keys.User, Issuer: "i", Subject: "s", CreatedAt: now}); err != nil {
		return err
	}
	return tx.InsertWorkspace(ctx, &keypin.Workspace{ID: keys.Workspace, Name: "w", Slug: "w", CreatedBy: keys.User, CreatedAt: now, UpdatedAt: now})
}

func TestTheStoreReadsWhatWasFilledInAsItsOwn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keypin.db")
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	now := keypin.Timestamp(time.Now())
	keys := Keys{Workspace: keypin.ID{2}, User: keypin.ID{1}, N: 2 * BlockSize, RateLimit: 600}
	if err := store.Tx(t.Context(), func(tx keypin.Tx) error { return owners(t.Context(), tx, keys, now) }); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Fill(t.Context(), path, keys); err != nil {
		t.Fatal(err)
	}

	if store, err = sqlite.Open(t.Context(), sqlite.Options{Path: path}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	secrets, err := Stored.Block(1)
	if err != nil {
		t.Fatal(err)
	}
	parsed, ok := token.Parse(secrets[BlockSize-1])
	if !ok {
		t.Fatal("a secret has not the form of one")
	}
	key, err := store.KeyByHash(t.Context(), parsed.Hash)
	if err != nil {
		t.Fatal(err)
	}
	if key.State(now) != keypin.KeyUsable || key.Suffix != parsed.Suffix || key.Prefix != parsed.Prefix || key.RateLimit == nil || *key.RateLimit != 600 {
		t.Errorf("the last key is %+v", key)
	}
}

func TestStreamsRepeatThemselvesAndNotOneAnother(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range []Stream{Stored, Unknown} {
		for block := range 3 {
			first, err := s.Block(block)
			if err != nil {
				t.Fatal(err)
			}
			again, err := s.Block(block)
			if err != nil {
				t.Fatal(err)
			}
			for i, secret := range first {
				if secret != again[i] || seen[secret] {
					t.Fatalf("secret %d of block %d of stream %d is another one the second time, or not the only one", i, block, s)
				}
				seen[secret] = true
			}
		}
	}
}
