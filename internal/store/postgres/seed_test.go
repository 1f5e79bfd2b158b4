package postgres

import (
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

var seedTime = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// seeded makes a workspace with n keys, every fifth suspended and every seventh lapsing.
func seeded(t testing.TB, store keypin.Store, n int) []*keypin.APIKey {
	t.Helper()
	workspace := &keypin.Workspace{ID: keypin.ID{1}, CreatedBy: keypin.ID{2}, Slug: "one", CreatedAt: seedTime, UpdatedAt: seedTime}
	keys := make([]*keypin.APIKey, n)
	err := store.Tx(t.Context(), func(tx keypin.Tx) error {
		if err := tx.InsertWorkspace(t.Context(), workspace); err != nil {
			return err
		}
		for i := range keys {
			keys[i] = seedKey(workspace.ID, i)
			keys[i].Active = i%5 != 4
			if i%7 == 6 {
				lapses := seedTime.Add(time.Duration(i%2) * time.Hour)
				keys[i].ExpiresAt = &lapses
			}
			if err := tx.InsertKey(t.Context(), keys[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// seedKey is the workspace's key of a number.
func seedKey(workspace keypin.ID, i int) *keypin.APIKey {
	id := keypin.ID{3, byte(i >> 16), byte(i >> 8), byte(i)}
	return &keypin.APIKey{
		ID: id, WorkspaceID: workspace, ChainID: id, Name: "a key", Type: keypin.KeyLive, Hash: keypin.KeyHash{byte(i), byte(i >> 8), byte(i >> 16)},
		Active: true, CreatedAt: seedTime, UpdatedAt: seedTime, Version: 1,
	}
}
