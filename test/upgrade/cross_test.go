package upgrade

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/test/chaos/check"
)

// once is an Idempotency-Key that no other request has.
func (w *world) once() string { return fmt.Sprintf("crossed-%d", w.serial.Add(1)) }

// must makes a change at a node, which has to be answered.
func (w *world) must(t *testing.T, d *door, c change) key {
	t.Helper()
	made, e := w.make(t.Context(), d, c)
	if !e.Acknowledged() {
		t.Fatalf("node %d: %s: %d %s %s", d.node+1, c.what, e.Status, e.Code, e.Error)
	}
	return made
}

// becomes waits until a node gives this outcome. A key that is to be refused is not
// accepted later than a second after the change was answered, which was just now.
func (w *world) becomes(t *testing.T, d *door, k key, want client.Outcome, needs ...string) {
	t.Helper()
	answered := time.Now()
	eventually(t, fmt.Sprintf("node %d does not answer %s", d.node+1, want), func() bool {
		asked := time.Now()
		got := w.check(t.Context(), d, k, needs...)
		if got != want && got == client.OutcomeValid && asked.Sub(answered) > check.Bound {
			t.Fatalf("node %d accepts a key %s after the change was answered, want %s", d.node+1, asked.Sub(answered), want)
		}
		return got == want
	})
}

// crossed changes keys at one node and looks at the other.
func (w *world) crossed(t *testing.T, at, other *door) {
	t.Helper()
	name := w.once()
	k := w.must(t, at, creation(name, 0))
	w.becomes(t, other, k, client.OutcomeValid, wide()...)
	w.must(t, other, scoping(k, narrow()))
	w.becomes(t, at, k, client.OutcomeInsufficientScope, wide()...)
	w.must(t, at, activation(k, false))
	w.becomes(t, other, k, client.OutcomeInactive)
	w.must(t, other, activation(k, true))
	w.becomes(t, at, k, client.OutcomeValid)
	next := w.must(t, other, rotation(name+"-rotate", k, 0))
	w.becomes(t, at, next, client.OutcomeValid)
	w.becomes(t, at, k, client.OutcomeRevoked)
	w.must(t, at, revocation(next))
	w.becomes(t, other, next, client.OutcomeRevoked)
}

// replayed asks a node for a change with an Idempotency-Key, and the other for the same.
func (w *world) replayed(t *testing.T, at, other *door) {
	t.Helper()
	once := client.IdempotencyKey(w.once())
	p := client.CreateKeyParams{Name: "made once", Scopes: wide()}
	var meta client.ResponseMeta
	first, err1 := at.manage.Keys.Create(t.Context(), p, once)
	again, err2 := other.manage.Keys.Create(t.Context(), p, once, client.CaptureMeta(&meta))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if again.ID != first.ID || again.Secret.Reveal() != first.Secret.Reveal() || !meta.Replayed {
		t.Errorf("node %d makes key %s, and node %d gives %s for the same Idempotency-Key (replayed: %t)", at.node+1, first.ID, other.node+1, again.ID, meta.Replayed)
	}
	p.Name = "another"
	if _, err := other.manage.Keys.Create(t.Context(), p, once); !errors.Is(err, client.ErrValidation) {
		t.Errorf("another request with the same Idempotency-Key: %v", err)
	}
	once = client.IdempotencyKey(w.once())
	rotated, err1 := at.manage.Keys.Rotate(t.Context(), first.ID, client.RotateKeyParams{}, once)
	same, err2 := other.manage.Keys.Rotate(t.Context(), first.ID, client.RotateKeyParams{}, once, client.CaptureMeta(&meta))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if same.NewKey.Secret.Reveal() != rotated.NewKey.Secret.Reveal() || !meta.Replayed {
		t.Errorf("the rotation is replayed with another key")
	}
	tagged, err := at.manage.Keys.Get(t.Context(), rotated.NewKey.ID)
	if err != nil {
		t.Fatal(err)
	}
	renamed := client.UpdateKeyParams{Name: client.Set("renamed")}
	if _, err := other.manage.Keys.Update(t.Context(), tagged.ID, renamed, client.IfMatch(tagged.ETag)); err != nil {
		t.Errorf("If-Match with the other node's ETag: %v", err)
	}
	if _, err := at.manage.Keys.Update(t.Context(), tagged.ID, renamed, client.IfMatch(tagged.ETag)); !errors.Is(err, client.ErrPreconditionFailed) {
		t.Errorf("If-Match with an ETag from before the other node's change: %v", err)
	}
}

// limited asks both nodes at once about a key that has a limit, more often than that, and
// about the one that replaces it.
func (w *world) limited(t *testing.T, at, other *door) {
	t.Helper()
	const limit = 20
	name := w.once()
	k := w.must(t, at, creation(name, limit))
	began := time.Now()
	admitted := w.exhaust(t, k, limit)
	next := w.must(t, other, rotation(name+"-rotate", k, limit))
	admitted += w.exhaust(t, next, limit)
	// What a node leased and did not spend in time counts too: so it may be less.
	took := time.Since(began)
	if took >= time.Minute {
		t.Fatalf("exhausting a limit took %s: more than a window, which tells nothing", took)
	}
	if admitted > limit || admitted < limit/2 {
		t.Errorf("both nodes admitted a chain of keys %d times within %s, its limit is %d", admitted, took, limit)
	}
	t.Logf("both nodes admitted a chain with a limit of %d %d times", limit, admitted)
}

// exhaust asks every node about the key twice as often as its limit, and tells how often
// it was admitted.
func (w *world) exhaust(t *testing.T, k key, limit int) int {
	t.Helper()
	var admitted atomic.Int64
	var asking sync.WaitGroup
	for _, d := range w.doors {
		for range 4 {
			asking.Go(func() {
				for range limit / 2 {
					if w.check(t.Context(), d, k) == client.OutcomeValid {
						admitted.Add(1)
					}
				}
			})
		}
	}
	asking.Wait()
	return int(admitted.Load())
}
