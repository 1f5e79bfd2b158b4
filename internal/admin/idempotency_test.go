package admin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

func under(call admin.Call, key string) admin.Call {
	call.IdempotencyKey = keypin.NewSecret(key)
	return call
}

func TestTheSameRequestUnderTheSameKeyGivesTheSameAnswer(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	limit := 5
	input := admin.NewKey{
		Name: "n", Scopes: []keypin.Scope{"voices:read"}, RateLimit: &limit,
		AllowedIPs: ranges("192.0.2.1"), Metadata: map[string]string{"a": "1", "b": "2"},
	}
	first, err := w.CreateKey(t.Context(), under(call, "create-once"), input)
	must(t, err)
	rows := len(w.audit(*call.Workspace))
	name := "changed since"
	_, err = w.UpdateKey(t.Context(), call, first.Key.ID, admin.KeyPatch{Name: &name})
	must(t, err)
	_, err = w.RevokeKey(t.Context(), call, first.Key.ID)
	must(t, err)
	w.advance(23 * time.Hour)

	again, err := w.restart().CreateKey(t.Context(), under(call, "create-once"), input)
	must(t, err)
	want := first
	want.Replayed = true
	equal(t, again, want)
	equal(t, len(w.audit(*call.Workspace)), rows+2) // of the update and the revocation only

	w.advance(time.Hour)
	fresh, err := w.CreateKey(t.Context(), under(call, "create-once"), input)
	must(t, err)
	if fresh.Replayed || fresh.Key.ID == first.Key.ID {
		t.Error("an answer was replayed after 24 hours")
	}
}

func TestAReplayMayOutliveTheExpiryThatItAskedFor(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	expires := w.now().Add(time.Minute)
	input := admin.NewKey{Name: "n", ExpiresAt: &expires}
	first, err := w.CreateKey(t.Context(), under(call, "create-once"), input)
	must(t, err)
	w.advance(time.Hour)
	again, err := w.CreateKey(t.Context(), under(call, "create-once"), input)
	must(t, err)
	equal(t, again.Secret, first.Secret)
}

func TestARotationIsReplayed(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call)
	call.IfVersion = []int64{1} // stale once the first answer is out
	first, err := w.RotateKey(t.Context(), under(call, "rotate-once"), key.ID, admin.Rotation{})
	must(t, err)
	w.advance(time.Minute)
	again, err := w.RotateKey(t.Context(), under(call, "rotate-once"), key.ID, admin.Rotation{})
	must(t, err)
	first.New.Replayed = true
	equal(t, again, first)
}

func TestWorkspacesAndInvitesAreReplayed(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	first, err := w.CreateWorkspace(t.Context(), under(call, "workspace-once"), admin.NewWorkspace{Name: "n"})
	must(t, err)
	again, err := w.CreateWorkspace(t.Context(), under(call, "workspace-once"), admin.NewWorkspace{Name: "n"})
	must(t, err)
	first.Replayed = true
	equal(t, again, first)

	invited, err := w.CreateInvite(t.Context(), under(call, "invite-once"), "a@example.com", keypin.RoleViewer)
	must(t, err)
	invitedAgain, err := w.CreateInvite(t.Context(), under(call, "invite-once"), "a@example.com", keypin.RoleViewer)
	must(t, err)
	invited.Replayed = true
	equal(t, invitedAgain, invited)
}

func TestAnotherRequestUnderTheSameKeyIsRefused(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	other, err := w.CreateWorkspace(t.Context(), call, admin.NewWorkspace{Name: "other"})
	must(t, err)
	a, b := w.create(call), w.create(call)
	once := under(call, "used-before")
	_, err = w.RotateKey(t.Context(), once, a.ID, admin.Rotation{Grace: time.Hour})
	must(t, err)
	var never *time.Time
	for name, do := range map[string]func() error{
		"another key": func() error {
			_, err := w.RotateKey(t.Context(), once, b.ID, admin.Rotation{Grace: time.Hour})
			return err
		},
		"another grace": func() error { _, err := w.RotateKey(t.Context(), once, a.ID, admin.Rotation{}); return err },
		"another expiry": func() error {
			_, err := w.RotateKey(t.Context(), once, a.ID, admin.Rotation{Grace: time.Hour, ExpiresAt: &never})
			return err
		},
		"another operation": func() error { _, err := w.CreateKey(t.Context(), once, admin.NewKey{Name: "n"}); return err },
		"another workspace": func() error {
			_, err := w.CreateKey(t.Context(), in(once, other.Workspace.ID), admin.NewKey{Name: "n"})
			return err
		},
		"a workspace": func() error {
			_, err := w.CreateWorkspace(t.Context(), once, admin.NewWorkspace{Name: "n"})
			return err
		},
		"an invite": func() error {
			_, err := w.CreateInvite(t.Context(), once, "a@example.com", keypin.RoleViewer)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { expectField(t, do(), "header.Idempotency-Key") })
	}
}

func TestCallersDoNotSeeOneAnothersAnswers(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	second := w.join(call, "second@example.com", keypin.RoleAdmin)
	key := w.keyCall(w.create(call, keypin.ScopeKeysWrite))
	seen := map[keypin.ID]bool{}
	for _, caller := range []admin.Call{call, second, key} {
		issued, err := w.CreateKey(t.Context(), under(caller, "all-the-same"), admin.NewKey{Name: "n"})
		must(t, err)
		if issued.Replayed || seen[issued.Key.ID] {
			t.Error("another caller's answer")
		}
		seen[issued.Key.ID] = true
	}
}

func TestAReplayNeedsTheRightThatTheRequestNeeds(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	second := w.join(call, "second@example.com", keypin.RoleAdmin)
	member, err := w.store.Member(t.Context(), *call.Workspace, second.Principal.UserID)
	must(t, err)
	managing := admin.NewKey{Name: "n", Scopes: []keypin.Scope{keypin.ScopeKeysRead}}
	plain := admin.NewKey{Name: "n"}
	create := func(key string, input admin.NewKey) error {
		_, err := w.CreateKey(t.Context(), under(second, key), input)
		return err
	}
	must(t, create("managing-key", managing))
	must(t, create("plain-key", plain))
	_, err = w.UpdateMember(t.Context(), call, member.ID, keypin.RoleEditor)
	must(t, err)
	expect(t, create("managing-key", managing), forbidden)
	expect(t, create("plain-key", plain), ok)
	_, err = w.UpdateMember(t.Context(), call, member.ID, keypin.RoleViewer)
	must(t, err)
	expect(t, create("plain-key", plain), forbidden)
	_, err = w.RemoveMember(t.Context(), call, member.ID)
	must(t, err)
	expect(t, create("plain-key", plain), keypin.CodeWorkspaceForbidden)
}

func TestErrorsAreNotKept(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key, no, yes := w.create(call), false, true
	_, err := w.UpdateKey(t.Context(), call, key.ID, admin.KeyPatch{Active: &no})
	must(t, err)
	once := under(call, "rotate-once")
	_, err = w.RotateKey(t.Context(), once, key.ID, admin.Rotation{})
	expect(t, err, keypin.CodeKeyInactive)
	_, err = w.UpdateKey(t.Context(), call, key.ID, admin.KeyPatch{Active: &yes})
	must(t, err)
	rotated, err := w.RotateKey(t.Context(), once, key.ID, admin.Rotation{})
	must(t, err)
	equal(t, rotated.New.Replayed, false)
}

func TestARequestInFlightHoldsTheNextOneOff(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	once := under(call, "in-flight")
	arrived, release := w.store.hold()
	type result struct {
		issued admin.Issued
		err    error
	}
	first := make(chan result)
	go func() {
		issued, err := w.CreateKey(context.WithoutCancel(t.Context()), once, admin.NewKey{Name: "n"})
		first <- result{issued, err}
	}()
	<-arrived
	w.store.letGo()
	_, err := w.CreateKey(t.Context(), once, admin.NewKey{Name: "n"})
	expect(t, err, keypin.CodeConflict)
	equal(t, retryAfter(err), time.Second)
	_, err = w.CreateKey(t.Context(), under(call, "another-key"), admin.NewKey{Name: "n"})
	expect(t, err, ok)
	release <- struct{}{}
	done := <-first
	must(t, done.err)
	again, err := w.CreateKey(t.Context(), once, admin.NewKey{Name: "n"})
	must(t, err)
	equal(t, again.Secret, done.issued.Secret)
}

func retryAfter(err error) time.Duration {
	if e := (*keypin.Error)(nil); errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

func TestConcurrentRetriesAtTwoNodesMakeOneKey(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	nodes := []*admin.Service{w.Service, w.restart(), w.restart()}
	var mu sync.Mutex
	made := map[keypin.ID]bool{}
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			issued, err := nodes[i%len(nodes)].CreateKey(t.Context(), under(call, "many-at-once"), admin.NewKey{Name: "n"})
			if code := keypin.CodeOf(err); code == keypin.CodeConflict {
				return
			} else if code != "" {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			made[issued.Key.ID] = true
		})
	}
	group.Wait()
	page, err := w.Keys(t.Context(), call, keypin.KeyQuery{Page: keypin.Page{Limit: 10}, Status: keypin.StatusAll})
	must(t, err)
	equal(t, page.Total, 1)
	equal(t, len(made), 1)
}

// answerSpy keeps the answers that pass through a transaction.
type answerSpy struct {
	keypin.Store
	answers []keypin.IdempotentAnswer
}

type spyTx struct {
	keypin.Tx
	spy *answerSpy
}

func (s *answerSpy) Tx(ctx context.Context, change func(keypin.Tx) error) error {
	return s.Store.Tx(ctx, func(tx keypin.Tx) error { return change(spyTx{tx, s}) })
}

func (t spyTx) InsertIdempotentAnswer(ctx context.Context, answer *keypin.IdempotentAnswer) error {
	t.spy.answers = append(t.spy.answers, *answer)
	return t.Tx.InsertIdempotentAnswer(ctx, answer)
}

func TestTheStoredAnswerRevealsNothing(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	spy := &answerSpy{Store: w.store}
	registry, err := keypin.NewRegistry(keypin.DefaultScopes())
	must(t, err)
	service := admin.New(admin.Options{Store: spy, Registry: registry, Invalidator: w.dropped, Clock: w.now})
	const idempotencyKey = "a-recognisable-idempotency-key"
	issued, err := service.CreateKey(t.Context(), under(call, idempotencyKey), admin.NewKey{Name: "n"})
	must(t, err)
	if len(spy.answers) != 1 {
		t.Fatal("no stored answer was seen")
	}
	a := spy.answers[0]
	equal(t, a.ExpiresAt, w.now().Add(24*time.Hour))
	everything := bytes.Join([][]byte{a.KeyHash[:], a.RequestHash[:], a.Sealed}, nil)
	plainHash := sha256.Sum256([]byte(idempotencyKey))
	for name, secret := range map[string]string{
		"the plaintext":       issued.Secret.Reveal(),
		"the suffix":          issued.Key.Suffix,
		"the idempotency key": idempotencyKey,
		"an unsalted hash of the idempotency key": string(plainHash[:]),
	} {
		if bytes.Contains(everything, []byte(secret)) {
			t.Errorf("the stored answer contains %s", name)
		}
	}
}
