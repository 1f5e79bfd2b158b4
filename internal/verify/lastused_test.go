package verify_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// recorder is the part of a store that takes times of last use.
type recorder struct {
	mu      sync.Mutex
	stored  map[keypin.ID]time.Time
	commits []time.Time // when each transaction ended
	err     error       // of the next commit
	twice   bool        // run every change twice, as a store may
}

func (r *recorder) Tx(ctx context.Context, change func(keypin.Tx) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	attempt := touches{stored: map[keypin.ID]time.Time{}}
	if r.twice {
		if err := change(attempt); err != nil {
			return err
		}
		attempt.stored = map[keypin.ID]time.Time{}
	}
	if err := change(attempt); err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	if r.stored == nil {
		r.stored = map[keypin.ID]time.Time{}
	}
	for id, at := range attempt.stored {
		if at.After(r.stored[id]) {
			r.stored[id] = at
		}
	}
	r.commits = append(r.commits, time.Now())
	return nil
}

// touches is a transaction of a recorder.
type touches struct {
	keypin.Tx // nil: nothing but TouchKey may be called
	stored    map[keypin.ID]time.Time
}

func (t touches) TouchKey(_ context.Context, id keypin.ID, at time.Time) error {
	t.stored[id] = at
	return nil
}

func keyID(n int) (id keypin.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

func TestUsesAreStoredEveryTwentySecondsAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		l := verify.NewLastUsed(store, time.Now, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		began := time.Now()
		go func() { ended <- l.Run(ctx) }()

		// A use every second for 65 s: stored at 20, 40 and 60 s and at the end.
		for i := range 65 {
			l.Touch(keyID(i%3), time.Now())
			time.Sleep(time.Second)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		var commits []time.Duration
		for _, at := range store.commits {
			commits = append(commits, at.Sub(began))
		}
		if diff := cmp.Diff([]time.Duration{20 * time.Second, 40 * time.Second, 60 * time.Second, 65 * time.Second}, commits); diff != "" {
			t.Errorf("committed (-want +got):\n%s", diff)
		}
		want := map[keypin.ID]time.Time{}
		for i := range 65 {
			want[keyID(i%3)] = keypin.Timestamp(began.Add(time.Duration(i) * time.Second))
		}
		if diff := cmp.Diff(want, store.stored); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
	})
}

func TestNothingIsWrittenWhenNothingWasUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		l := verify.NewLastUsed(store, time.Now, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := l.Run(ctx); err != nil || len(store.commits) != 0 {
			t.Errorf("%d commits, %v", len(store.commits), err)
		}
	})
}

func TestAFailedFlushIsMadeGoodByTheNext(t *testing.T) {
	var log bytes.Buffer
	store := &recorder{err: errors.New("disk full"), twice: true}
	l := verify.NewLastUsed(store, func() time.Time { return now.Add(3 * time.Second) }, slog.New(slog.NewTextHandler(&log, nil)))
	l.Touch(keyID(1), now)
	l.Touch(keyID(2), now)
	if err := l.Flush(t.Context()); !errors.Is(err, store.err) {
		t.Fatalf("%v", err)
	}
	if line := log.String(); !strings.Contains(line, "keys=2") || !strings.Contains(line, "behind=3s") {
		t.Errorf("logged %q", line)
	}
	store.err = nil
	l.Touch(keyID(2), now.Add(time.Second))
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[keypin.ID]time.Time{keyID(1): now, keyID(2): now.Add(time.Second)}
	if diff := cmp.Diff(want, store.stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestTheLatestUseCounts(t *testing.T) {
	store := &recorder{}
	l := verify.NewLastUsed(store, time.Now, slog.New(slog.DiscardHandler))
	for _, s := range []int{1, 3, 2} {
		l.Touch(keyID(1), now.Add(time.Duration(s)*time.Second))
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[keypin.ID]time.Time{keyID(1): now.Add(3 * time.Second)}, store.stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestMemoryIsBoundedAndWhatIsDroppedIsCounted(t *testing.T) {
	const bound, more = 1 << 16, 100
	store := &recorder{}
	l := verify.NewLastUsed(store, time.Now, slog.New(slog.DiscardHandler))
	for i := range bound + more {
		l.Touch(keyID(i), now)
	}
	l.Touch(keyID(0), now.Add(time.Second)) // one that is known has its place
	if got := l.Dropped(); got != more {
		t.Errorf("%d were dropped, not %d", got, more)
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(store.stored) != bound || len(store.commits) != bound/4096 || !store.stored[keyID(0)].Equal(now.Add(time.Second)) {
		t.Errorf("%d stored in %d transactions", len(store.stored), len(store.commits))
	}
	l.Touch(keyID(bound), now)
	if got := l.Dropped(); got != more {
		t.Errorf("a flush made no room: %d were dropped", got)
	}
}

func TestUsesDuringFlushesAreNotLost(t *testing.T) {
	const users, uses = 4, 2000
	store := &recorder{}
	l := verify.NewLastUsed(store, time.Now, slog.New(slog.DiscardHandler))
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			for i := range uses {
				l.Touch(keyID(i%10), now.Add(time.Duration(i*users+u)*time.Millisecond))
				if i%100 == u {
					if err := l.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		want := now.Add(time.Duration((uses-10+i)*users+users-1) * time.Millisecond)
		if got := store.stored[keyID(i)]; !got.Equal(want) {
			t.Errorf("key %d was last used at %v, stored is %v", i, want, got)
		}
	}
}
