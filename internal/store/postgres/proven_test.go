package postgres

import (
	"context"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

// synchronous makes the primary's commits wait for the replica.
func synchronous(t *testing.T) (primary *engines.Postgres, store *Store, key *keypin.APIKey, stall, proceed func()) {
	t.Helper()
	primary, replica := withReplica(t)
	store = open(t, Options{URL: keypin.NewSecret(primary.URL("keypin")), Timeout: time.Second})
	key = seeded(t, store, 1)[0]
	awaitReplica(t, primary, replica)
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := primary.SQL(t.Context(), "postgres", statement); err != nil {
			t.Fatal(err)
		}
	}
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := replica.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { signal(syscall.SIGCONT) }) // else it would not end
	return primary, store, key, func() { t.Helper(); signal(syscall.SIGSTOP) }, func() { t.Helper(); signal(syscall.SIGCONT) }
}

func TestAPrimaryThatIsCutOffFromItsStandbyAcknowledgesAndProvesNothing(t *testing.T) {
	primary, store, key, stall, proceed := synchronous(t)
	suspend := func(active bool) error {
		changed := *key
		changed.Active = active
		return store.Tx(t.Context(), func(tx keypin.Tx) error { return tx.UpdateKey(t.Context(), &changed) })
	}
	proven := func() error {
		_, err := store.Proven().KeyByHash(t.Context(), key.Hash)
		return err
	}
	for _, err := range []error{suspend(false), proven()} {
		if err != nil {
			t.Fatalf("with the standby: %v", err)
		}
	}
	stall()
	// Once by the time that is over, and twice by somebody who ends the wait: the server
	// calls the commit done then.
	for turn := range 3 {
		if turn == 1 {
			cancelWaits(t, primary)
		}
		if err := suspend(true); keypin.CodeOf(err) != keypin.CodeUnavailable {
			t.Errorf("a change that the standby does not have is answered with %v", err)
		}
		if err := proven(); keypin.CodeOf(err) != keypin.CodeUnavailable {
			t.Errorf("a key is proven without the standby: %v", err)
		}
	}
	if _, err := store.KeyByHash(t.Context(), key.Hash); err != nil {
		t.Errorf("reading alone: %v", err) // which is why it proves nothing
	}
	proceed()
	for _, err := range []error{suspend(false), proven()} {
		if err != nil {
			t.Errorf("with the standby again: %v", err)
		}
	}
}

func TestAKeyThatAnotherServerWasReadFromHasToBeProven(t *testing.T) {
	_, store, key, stall, _ := synchronous(t)
	stall() // of the standby that takes over
	var asked []string
	heard := true
	vouched := store.Vouched(func(timeline string) bool {
		asked = append(asked, timeline)
		return heard
	})
	if got, err := vouched.KeyByHash(t.Context(), key.Hash); err != nil || got.ID != key.ID {
		t.Errorf("from the server whose changes are heard: %v, %v", got, err)
	}
	heard = false
	if _, err := vouched.KeyByHash(t.Context(), key.Hash); keypin.CodeOf(err) != keypin.CodeUnavailable {
		t.Errorf("from another one, which is cut off: %v", err)
	}
	if want := []string{"00000001", "00000001"}; !slices.Equal(asked, want) {
		t.Errorf("asked about %v, want %v", asked, want)
	}
}

func TestWhoTookOverHasAnotherTimeline(t *testing.T) {
	primary, replica := withReplica(t)
	store := open(t, Options{URL: keypin.NewSecret(primary.URL("keypin"))})
	key := seeded(t, store, 1)[0]
	awaitReplica(t, primary, replica)
	if err := replica.Promote(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, before, err1 := store.keyByHash(t.Context(), key.Hash)
	_, after, err2 := open(t, Options{URL: keypin.NewSecret(replica.URL("keypin"))}).keyByHash(t.Context(), key.Hash)
	if err1 != nil || err2 != nil || before == after || before == "" {
		t.Errorf("%q and %q: %v, %v", before, after, err1, err2)
	}
}

// cancelWaits cancels, until the test ends, each wait of a commit for the standby.
func cancelWaits(t *testing.T, primary *engines.Postgres) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			_ = primary.SQL(ctx, "postgres", "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") // again in a moment
		}
	})
	t.Cleanup(func() { stop(); done.Wait() })
}

func TestAKeyIsProvenAsItIsRead(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		database := s.migrated(t)
		owner := s.direct(t, database)
		key := seeded(t, owner, 1)[0]
		// Who serves has no more rights than on the tables.
		served := open(t, Options{URL: keypin.NewSecret(s.urlAs(s.user(t, database, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %s"), database))})
		for _, store := range []*Store{owner, served} {
			want, err := store.KeyByHash(t.Context(), key.Hash)
			if err != nil {
				t.Fatal(err)
			}
			got, err := store.Proven().KeyByHash(t.Context(), key.Hash)
			if err != nil || got.ID != want.ID || got.Version != want.Version {
				t.Errorf("got %v, %v", got, err)
			}
			if _, err := store.Proven().KeyByHash(t.Context(), keypin.KeyHash{1}); keypin.CodeOf(err) != keypin.CodeNotFound {
				t.Errorf("a key that is not there: %v", err)
			}
		}
	})
}
