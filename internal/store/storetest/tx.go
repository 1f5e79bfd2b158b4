package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/keypin/keypin/internal/keypin"
)

func txTests() []test {
	return []test{
		{"AFailedChangeLeavesNothing", aFailedChangeLeavesNothing},
		{"AChangeSeesWhatItWroteAndOthersDoNotYet", aChangeSeesWhatItWrote},
		{"ARefusedInsertDoesNotEndTheChange", aRefusedInsertDoesNotEndTheChange},
		{"ConcurrentIncrementsLoseNothing", concurrentIncrementsLoseNothing},
		{"FailuresAndPanicsDoNotHarmOtherChanges", failuresAndPanicsDoNotHarmOtherChanges},
		{"AChangeWhoseGoroutineEndsLeavesNothing", aChangeWhoseGoroutineEndsLeavesNothing},
		{"ACallerThatIsGoneChangesNothing", aCallerThatIsGoneChangesNothing},
		{"ACallerThatGoesDuringItsChangeIsToldTheOutcome", aCallerThatGoesDuringItsChange},
		{"AClosedStoreIsUnavailable", aClosedStoreIsUnavailable},
		{"CloseWaitsForRunningChanges", closeWaitsForRunningChanges},
	}
}

func aFailedChangeLeavesNothing(t *testing.T, w *world) {
	workspace := w.workspace()
	kept := w.key(workspace.ID)
	boom := errors.New("boom")
	key, entry, answer, user := w.newKey(workspace.ID), w.newAudit(workspace.ID, w.now), w.newAnswer(w.id()), w.newUser()
	err := w.store.Tx(t.Context(), func(tx keypin.Tx) error {
		changed := *kept
		changed.Name, changed.Active = "changed", false
		for _, err := range []error{
			tx.InsertUser(t.Context(), user), tx.InsertKey(t.Context(), key), tx.UpdateKey(t.Context(), &changed),
			tx.InsertAudit(t.Context(), entry), tx.InsertIdempotentAnswer(t.Context(), answer), tx.InsertInvite(t.Context(), w.newInvite(workspace.ID)),
		} {
			if err != nil {
				t.Errorf("before the failure: %v", err)
			}
		}
		return boom
	})
	if !errors.Is(err, boom) {
		t.Errorf("got %v, want what the change returned", err)
	}
	wantNotFound(t, none(w.store.Key(t.Context(), workspace.ID, key.ID)))
	wantNotFound(t, none(w.store.User(t.Context(), user.ID)))
	wantNotFound(t, none(w.answer(answer.Caller, answer.KeyHash, w.now)))
	wantFound(t, kept)(w.store.Key(t.Context(), workspace.ID, kept.ID))
	entries, err := w.store.AuditEntries(t.Context(), workspace.ID, everything)
	wantCode(t, "", err)
	wantEqual(t, nil, entries)
	wantEqual(t, keypin.KeyPage{Keys: []keypin.APIKey{*kept}, Total: 1}, w.list(t, workspace.ID, keypin.KeyQuery{Page: everything}))
}

func aChangeSeesWhatItWrote(t *testing.T, w *world) {
	workspace := w.workspace()
	key := w.newKey(workspace.ID)
	w.tx(func(tx keypin.Tx) error {
		if err := tx.InsertKey(t.Context(), key); err != nil {
			return err
		}
		wantFound(t, key)(tx.Key(t.Context(), workspace.ID, key.ID))
		wantFound(t, key)(tx.KeyByHash(t.Context(), key.Hash))
		page, err := tx.Keys(t.Context(), workspace.ID, keypin.KeyQuery{Page: everything, Status: keypin.StatusActive, Now: w.now})
		wantEqual(t, keypin.KeyPage{Keys: []keypin.APIKey{*key}, Total: 1}, page)

		wantNotFound(t, none(w.store.Key(t.Context(), workspace.ID, key.ID)))
		wantEqual(t, keypin.KeyPage{}, w.list(t, workspace.ID, keypin.KeyQuery{Page: everything}))
		return err
	})
	wantFound(t, key)(w.store.Key(t.Context(), workspace.ID, key.ID))
}

func aRefusedInsertDoesNotEndTheChange(t *testing.T, w *world) {
	workspace := w.workspace()
	second := w.newWorkspace()
	second.Slug = workspace.Slug
	user, twin := w.user(), w.newUser()
	twin.Subject = user.Subject
	w.tx(func(tx keypin.Tx) error {
		wantCode(t, keypin.CodeConflict, tx.InsertUser(t.Context(), twin))
		wantFound(t, user)(tx.UserBySubject(t.Context(), twin.Issuer, twin.Subject))
		wantCode(t, keypin.CodeSlugTaken, tx.InsertWorkspace(t.Context(), second))
		second.Slug += "-2"
		return tx.InsertWorkspace(t.Context(), second)
	})
	wantFound(t, second)(w.store.Workspace(t.Context(), second.ID))
}

func concurrentIncrementsLoseNothing(t *testing.T, w *world) {
	const clients, rounds = 16, 10
	key := w.key(w.workspace().ID)
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for range rounds {
				err := w.store.Tx(t.Context(), func(tx keypin.Tx) error {
					current, err := tx.Key(t.Context(), key.WorkspaceID, key.ID)
					if err != nil {
						return err
					}
					current.Version++
					return tx.UpdateKey(t.Context(), current)
				})
				wantCode(t, "", err)
			}
		})
	}
	group.Wait()
	got, err := w.store.Key(t.Context(), key.WorkspaceID, key.ID)
	wantCode(t, "", err)
	wantEqual(t, key.Version+clients*rounds, got.Version)
}

// ending is how a change ends in failuresAndPanicsDoNotHarmOtherChanges.
type ending int

const (
	endsWell ending = iota
	endsWithError
	endsWithPanic
	endings
)

func failuresAndPanicsDoNotHarmOtherChanges(t *testing.T, w *world) {
	const clients = 48
	workspace := w.workspace()
	boom := errors.New("boom")
	keys := make([]*keypin.APIKey, clients)
	for i := range keys {
		keys[i] = w.newKey(workspace.ID)
	}
	var group sync.WaitGroup
	for i, key := range keys {
		group.Go(func() {
			how, panicked := ending(i)%endings, any(nil)
			err := func() error {
				defer func() { panicked = recover() }()
				return w.store.Tx(t.Context(), func(tx keypin.Tx) error {
					err := tx.InsertKey(t.Context(), key)
					switch how {
					case endsWithError:
						return boom
					case endsWithPanic:
						panic(fmt.Sprintf("panic %d", i))
					default:
						return err
					}
				})
			}()
			switch how {
			default:
				wantCode(t, "", err)
			case endsWithError:
				if !errors.Is(err, boom) {
					t.Errorf("got %v, want what the change returned", err)
				}
			case endsWithPanic:
				wantEqual(t, any(fmt.Sprintf("panic %d", i)), panicked)
			}
		})
	}
	group.Wait()
	var want []keypin.APIKey
	for i, key := range keys {
		if ending(i)%endings == endsWell {
			want = append(want, *key)
		}
	}
	slices.Reverse(want)
	page := w.list(t, workspace.ID, keypin.KeyQuery{Page: everything})
	wantEqual(t, keypin.KeyPage{Keys: want, Total: len(want)}, page)
}

func aChangeWhoseGoroutineEndsLeavesNothing(t *testing.T, w *world) {
	key := w.newKey(w.workspace().ID)
	var group sync.WaitGroup
	group.Go(func() {
		_ = w.store.Tx(t.Context(), func(tx keypin.Tx) error {
			wantCode(t, "", tx.InsertKey(t.Context(), key))
			runtime.Goexit() // as t.FailNow does
			return nil
		})
	})
	group.Wait()
	wantNotFound(t, none(w.store.KeyByHash(t.Context(), key.Hash)))
	w.key(key.WorkspaceID)
}

func aCallerThatIsGoneChangesNothing(t *testing.T, w *world) {
	workspace := w.workspace()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	key := w.newKey(workspace.ID)
	wantCode(t, keypin.CodeUnavailable, w.store.Tx(gone, func(tx keypin.Tx) error { return tx.InsertKey(gone, key) }))
	wantNotFound(t, none(w.store.Key(t.Context(), workspace.ID, key.ID)))
	wantCode(t, keypin.CodeUnavailable, none(w.store.Key(gone, workspace.ID, key.ID)))
	wantCode(t, keypin.CodeUnavailable, none(w.store.Keys(gone, workspace.ID, keypin.KeyQuery{Page: everything, Now: w.now})))

	// One that goes while it waits for its turn leaves no trace either.
	waiting, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer := make(chan error, 1)
	w.tx(func(keypin.Tx) error {
		go func() {
			answer <- w.store.Tx(waiting, func(tx keypin.Tx) error { return tx.InsertKey(waiting, key) })
		}()
		cancel()
		return nil
	})
	// Where changes do not wait for one another, it may have been quicker than who went.
	if err := <-answer; err == nil {
		wantFound(t, key)(w.store.Key(t.Context(), workspace.ID, key.ID))
	} else {
		wantCode(t, keypin.CodeUnavailable, err)
		wantNotFound(t, none(w.store.Key(t.Context(), workspace.ID, key.ID)))
	}
}

func aCallerThatGoesDuringItsChange(t *testing.T, w *world) {
	workspace := w.workspace()
	first, second := w.newKey(workspace.ID), w.newKey(workspace.ID)
	ctx, cancel := context.WithCancel(t.Context())
	err := w.store.Tx(ctx, func(tx keypin.Tx) error {
		if err := tx.InsertKey(ctx, first); err != nil {
			return err
		}
		cancel()
		return tx.InsertKey(ctx, second)
	})
	wanted := 2
	if err != nil { // an engine may refuse, but wholly
		wantCode(t, keypin.CodeUnavailable, err)
		wanted = 0
	}
	page := w.list(t, workspace.ID, keypin.KeyQuery{Page: everything})
	wantEqual(t, wanted, page.Total)
}

func aClosedStoreIsUnavailable(t *testing.T, w *world) {
	key := w.key(w.workspace().ID)
	wantCode(t, "", w.store.Ping(t.Context()))
	wantCode(t, "", w.store.Close())
	wantCode(t, "", w.store.Close())
	wantCode(t, keypin.CodeUnavailable, w.store.Ping(t.Context()))
	wantCode(t, keypin.CodeUnavailable, none(w.store.KeyByHash(t.Context(), key.Hash)))
	wantCode(t, keypin.CodeUnavailable, none(w.store.Keys(t.Context(), key.WorkspaceID, keypin.KeyQuery{Page: everything, Now: w.now})))
	wantCode(t, keypin.CodeUnavailable, w.store.Tx(t.Context(), func(keypin.Tx) error { return nil }))
}

func closeWaitsForRunningChanges(t *testing.T, w *world) {
	key := w.newKey(w.workspace().ID)
	var acknowledged atomic.Bool
	started, finish := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		err := w.store.Tx(t.Context(), func(tx keypin.Tx) error {
			close(started)
			<-finish
			err := tx.InsertKey(t.Context(), key)
			acknowledged.Store(err == nil)
			return err
		})
		wantCode(t, "", err)
	})
	<-started
	group.Go(func() {
		wantCode(t, "", w.store.Close())
		if !acknowledged.Load() {
			t.Error("the store was closed before the change ended")
		}
	})
	close(finish)
	group.Wait()
}
