package sqlite_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite"
	"github.com/keypin/keypin/internal/store/storetest"
)

func TestTheStoreDoesWhatEveryStoreMustDo(t *testing.T) { storetest.Exercise(t, opener(t)) }

func TestWorkspacesSeeNothingOfOneAnother(t *testing.T) { storetest.Isolation(t, opener(t)) }

// opener migrates one database and opens copies of it: the tests of a store are many,
// and migrating takes longer than most of them.
func opener(t *testing.T) storetest.Open {
	t.Helper()
	original := filepath.Join(t.TempDir(), "keypin.db")
	if err := open(t, original).Close(); err != nil {
		t.Fatal(err)
	}
	migrated, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	return func(t testing.TB) keypin.Store {
		t.Helper()
		path := filepath.Join(t.TempDir(), "keypin.db")
		if err := os.WriteFile(path, migrated, 0o600); err != nil {
			t.Fatal(err)
		}
		return open(t, path)
	}
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

func TestOneFileIsForOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keypin.db")
	first, err := sqlite.Open(t.Context(), sqlite.Options{Path: path, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), sqlite.Options{Path: path}); err == nil || !strings.Contains(err.Error(), "another process holds") {
		t.Errorf("a second store opened: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := sqlite.Open(t.Context(), sqlite.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path + ".lock"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the lock: %v, %v", info, err)
	}
}
