package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"modernc.org/sqlite"

	"github.com/keypin/keypin/internal/keypin"
)

// opened is a store in a file of its own.
func opened(t *testing.T) (store *Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "keypin.db")
	store, err := Open(t.Context(), Options{Path: path, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store, path
}

// pragma runs a pragma on the writing connection, in a turn of its own.
func pragma(t *testing.T, store *Store, text string) {
	t.Helper()
	err := store.Tx(t.Context(), func(keypin.Tx) error {
		_, err := store.writer.conn.ExecContext(t.Context(), "PRAGMA "+text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// queue starts the changes in order while another has its turn, and gives what they
// return once all have ended: they are one group, up to its limit.
func queue(t *testing.T, store *Store, changes ...func(keypin.Tx) error) []error {
	t.Helper()
	outcomes := make([]error, len(changes))
	var group sync.WaitGroup
	if err := store.Tx(t.Context(), func(keypin.Tx) error {
		for i, change := range changes {
			group.Go(func() { outcomes[i] = store.Tx(t.Context(), change) })
			synctest.Wait() // it is in the queue
		}
		return nil
	}); err != nil && keypin.CodeOf(err) != keypin.CodeUnavailable {
		t.Error(err)
	}
	group.Wait()
	return outcomes
}

// user is the n-th of users that differ in nothing else; its bulk fills pages.
func user(n, bulk int) *keypin.User {
	return &keypin.User{ID: keypin.ID{9, byte(n >> 8), byte(n)}, Issuer: "i", Subject: fmt.Sprint(n), FirstName: strings.Repeat("x", bulk)}
}

func insertUser(ctx context.Context, n, bulk int) func(keypin.Tx) error {
	return func(tx keypin.Tx) error { return tx.InsertUser(ctx, user(n, bulk)) }
}

// commits counts the commits in the WAL: frames that tell the size of the database.
func commits(t *testing.T, path string) int {
	t.Helper()
	const header, frame = 32, 24 + 4096
	wal, err := os.ReadFile(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for at := header; at+frame <= len(wal); at += frame {
		if binary.BigEndian.Uint32(wal[at+4:]) != 0 && bytes.Equal(wal[at+8:at+16], wal[16:24]) {
			n++
		}
	}
	return n
}

func TestChangesThatWaitShareOneCommit(t *testing.T) {
	for _, c := range []struct{ changes, commits int }{{1, 1}, {40, 1}, {groupLimit - 1, 1}, {groupLimit, 2}, {2*groupLimit + 10, 3}} {
		synctest.Test(t, func(t *testing.T) {
			store, path := opened(t)
			changes := make([]func(keypin.Tx) error, c.changes)
			for i := range changes {
				changes[i] = insertUser(t.Context(), i, 1)
			}
			before := commits(t, path)
			for i, err := range queue(t, store, changes...) {
				if err != nil {
					t.Errorf("change %d: %v", i, err)
				}
			}
			if got := commits(t, path) - before; got != c.commits {
				t.Errorf("%d changes made %d commits, want %d", c.changes, got, c.commits)
			}
		})
	}
}

func TestAFailedChangeIsUndoneAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, path := opened(t)
		before, boom := commits(t, path), errors.New("boom")
		outcomes := queue(t, store, insertUser(t.Context(), 0, 1), func(tx keypin.Tx) error {
			return errors.Join(boom, tx.InsertUser(t.Context(), user(1, 1)))
		}, insertUser(t.Context(), 2, 1))
		if outcomes[0] != nil || !errors.Is(outcomes[1], boom) || outcomes[2] != nil {
			t.Errorf("got %v", outcomes)
		}
		wantUsers(t, store, true, false, true)
		if got := commits(t, path) - before; got != 1 {
			t.Errorf("got %d commits, want 1", got)
		}
	})
}

func TestACallerThatGoesDuringItsChangeHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := opened(t)
		ctx, cancel := context.WithCancel(t.Context())
		outcomes := queue(t, store, insertUser(t.Context(), 0, 1), func(tx keypin.Tx) error {
			cancel()
			return tx.InsertUser(ctx, user(1, 1)) // an interrupted statement would end the whole group
		}, insertUser(t.Context(), 2, 1))
		if err := errors.Join(outcomes...); err != nil {
			t.Error(err)
		}
		wantUsers(t, store, true, true, true)
	})
}

// wantUsers wants the first users to be there or not.
func wantUsers(t *testing.T, store *Store, there ...bool) {
	t.Helper()
	for n, want := range there {
		_, err := store.User(t.Context(), user(n, 1).ID)
		if code := keypin.CodeOf(err); code != "" && code != keypin.CodeNotFound || (err == nil) != want {
			t.Errorf("user %d: got %v, want it there: %v", n, err, want)
		}
	}
}

// wantUnavailable wants an error that may be shown and holds nothing of the engine's.
func wantUnavailable(t *testing.T, err error) {
	t.Helper()
	var engine *sqlite.Error
	if keypin.CodeOf(err) != keypin.CodeUnavailable || errors.As(err, &engine) {
		t.Errorf("got %v (%T), want %s", err, err, keypin.CodeUnavailable)
	}
}

func TestWhenTheCommitFailsTheWholeGroupIsUnavailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := opened(t)
		outcomes := queue(t, store, insertUser(t.Context(), 0, 1), func(tx keypin.Tx) error {
			// A reference that is checked at the commit, to nothing.
			if _, err := store.writer.conn.ExecContext(t.Context(), "PRAGMA defer_foreign_keys=ON"); err != nil {
				return err
			}
			nobody := keypin.ID{7}
			return tx.InsertWorkspace(t.Context(), &keypin.Workspace{ID: keypin.ID{8}, Slug: "s", PersonalOf: &nobody})
		}, insertUser(t.Context(), 1, 1), func(keypin.Tx) error { return errors.New("its own") })
		for _, err := range outcomes {
			wantUnavailable(t, err)
		}
		wantUsers(t, store, false, false)
		if err := store.Tx(t.Context(), insertUser(t.Context(), 1, 1)); err != nil {
			t.Errorf("the store did not recover: %v", err)
		}
		wantUsers(t, store, false, true)
	})
}

func TestWhenTheDiskIsFullWhatWasAcknowledgedIsThereAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, _ := opened(t)
		var pages int
		if err := store.reading.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
			t.Fatal(err)
		}
		pragma(t, store, fmt.Sprintf("max_page_count=%d", pages+20))
		outcomes := queue(t, store,
			insertUser(t.Context(), 0, 1),
			insertUser(t.Context(), 1, 1<<20),
			func(tx keypin.Tx) error { // ignores that it failed
				wantUnavailable(t, tx.InsertUser(t.Context(), user(2, 1<<20)))
				_ = tx.InsertUser(t.Context(), user(3, 1))
				return nil
			},
			insertUser(t.Context(), 4, 1),
		)
		wantUnavailable(t, outcomes[1])
		wantUnavailable(t, outcomes[2])
		wantUsers(t, store, outcomes[0] == nil, false, false, false, outcomes[3] == nil)
		pragma(t, store, "max_page_count=1000000")
		if err := store.Tx(t.Context(), insertUser(t.Context(), 5, 1<<20)); err != nil {
			t.Errorf("the store did not recover: %v", err)
		}
	})
}

func TestAllThatWaitAreUnavailableWhileAnotherProcessWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, path := opened(t)
		pragma(t, store, "busy_timeout=1")
		other, err := openPool(path, writerPragmas, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		lock, err := other.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		for n := range 5 {
			group.Go(func() { wantUnavailable(t, store.Tx(t.Context(), insertUser(t.Context(), n, 1))) })
		}
		group.Wait()
		wantUsers(t, store, false) // reading goes on
		if err := lock.Rollback(); err != nil {
			t.Fatal(err)
		}
		if err := store.Tx(t.Context(), insertUser(t.Context(), 0, 1)); err != nil {
			t.Errorf("the store did not recover: %v", err)
		}
	})
}

func TestAClosedStoreIsOneFile(t *testing.T) {
	store, path := opened(t)
	if err := store.Tx(t.Context(), insertUser(t.Context(), 0, 1)); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	files = slices.DeleteFunc(files, func(f string) bool { return f == path+".lock" }) // empty, and of no interest to a copy
	if err != nil || len(files) != 1 {                                                 // else whoever copies the file copies a part
		t.Errorf("got %v, %v", files, err)
	}
}

func TestATxThatIsKeptChangesNothing(t *testing.T) {
	store, _ := opened(t)
	var kept keypin.Tx
	if err := store.Tx(t.Context(), func(tx keypin.Tx) error { kept = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	wantUnavailable(t, insertUser(t.Context(), 0, 1)(kept))
	wantUsers(t, store, false)
}

func TestEveryConnectionHasItsPragmas(t *testing.T) {
	store, _ := opened(t)
	reading := []*sql.Conn{}
	for range defaultReaders() { // all at once, so that each is another one
		conn, err := store.reading.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		reading = append(reading, conn)
	}
	wanted := map[string]string{"busy_timeout": "5000", "foreign_keys": "1", "synchronous": "2", "journal_mode": "wal"}
	for i, conn := range append(reading, store.writer.conn) {
		wanted["query_only"] = "1"
		if i == len(reading) {
			wanted["query_only"] = "0"
		}
		for name, want := range wanted {
			var got string
			if err := conn.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&got); err != nil || got != want {
				t.Errorf("connection %d: %s is %q (%v), want %q", i, name, got, err, want)
			}
		}
	}
}
