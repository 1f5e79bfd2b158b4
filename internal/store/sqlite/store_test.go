package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite"
	"github.com/keypin/keypin/internal/store/storetest"
)

func TestTheStoreDoesWhatEveryStoreMustDo(t *testing.T) { storetest.Exercise(t, openAny) }

func TestWorkspacesSeeNothingOfOneAnother(t *testing.T) { storetest.Isolation(t, openAny) }

func openAny(t testing.TB) keypin.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "keypin.db"))
}

func open(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Migrate: true})
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
