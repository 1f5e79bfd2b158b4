package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keypin/keypin/internal/keypin"
)

// Open gives a store that is empty and shared with nobody. Whoever opens it closes
// it, with t.Cleanup; the tests may have closed it already.
type Open func(t testing.TB) keypin.Store

// Exercise tests every method of the store that open gives, and its transactions.
func Exercise(t *testing.T, open Open) {
	t.Helper()
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Keys", keyTests()},
		{"KeyList", keyListTests()},
		{"Users", userTests()},
		{"Workspaces", workspaceTests()},
		{"Members", memberTests()},
		{"Invites", inviteTests()},
		{"Audit", auditTests()},
		{"PageVotes", pageVoteTests()},
		{"Idempotency", idempotencyTests()},
		{"Usage", usageTests()},
		{"Tx", txTests()},
	} {
		for _, test := range group.tests {
			t.Run(group.name+"/"+test.name, func(t *testing.T) {
				t.Parallel()
				test.run(t, newWorld(t, open))
			})
		}
	}
}

// test is one true sentence about a store.
type test struct {
	name string
	run  func(t *testing.T, w *world)
}

// world is a store and what makes rows for it.
type world struct {
	t      testing.TB
	store  keypin.Store
	random *rand.ChaCha8
	now    time.Time
	serial int
}

func newWorld(t testing.TB, open Open) *world {
	t.Helper()
	return &world{
		t: t, store: open(t), random: rand.NewChaCha8([32]byte{1}),
		now: time.Date(2026, time.March, 1, 12, 0, 0, 123456000, time.UTC),
	}
}

// tx runs a change that must succeed.
func (w *world) tx(change func(tx keypin.Tx) error) {
	w.t.Helper()
	if err := w.store.Tx(w.t.Context(), change); err != nil {
		w.t.Fatalf("Tx: %v", err)
	}
}

// refused runs a change that must fail with the code.
func (w *world) refused(code keypin.Code, change func(tx keypin.Tx) error) {
	w.t.Helper()
	wantCode(w.t, code, w.store.Tx(w.t.Context(), change))
}

// after is an instant d later than the world's now, which tests move themselves.
func (w *world) after(d time.Duration) time.Time { return w.now.Add(d) }

func (w *world) id() keypin.ID {
	w.t.Helper()
	w.serial++
	id, err := keypin.NewID(w.now.Add(time.Duration(w.serial)*time.Millisecond), w.random)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) hash() (hash [32]byte) {
	w.t.Helper()
	if _, err := w.random.Read(hash[:]); err != nil {
		w.t.Fatal(err)
	}
	return hash
}

func (w *world) newUser() *keypin.User {
	id := w.id()
	return &keypin.User{
		ID: id, Issuer: "https://issuer.example", Subject: "user_" + id.String(), Email: fmt.Sprintf("u%d@example.com", w.serial),
		FirstName: "Zoë", LastName: "Ωmega", ImageURL: "https://img.example/z.png", CreatedAt: w.now,
	}
}

func (w *world) user() *keypin.User {
	w.t.Helper()
	user := w.newUser()
	w.tx(func(tx keypin.Tx) error { return tx.InsertUser(w.t.Context(), user) })
	return user
}

func (w *world) newWorkspace() *keypin.Workspace {
	id := w.id()
	return &keypin.Workspace{
		ID: id, Name: "Café ☕ 日本", Slug: fmt.Sprintf("ws-%d", w.serial), ColorIdx: 3, CreatedBy: w.id(),
		Settings: keypin.Settings{DefaultLanguage: "pt-BR", Theme: "dark"}, CreatedAt: w.now, UpdatedAt: w.now,
	}
}

func (w *world) workspace() *keypin.Workspace {
	w.t.Helper()
	workspace := w.newWorkspace()
	w.tx(func(tx keypin.Tx) error { return tx.InsertWorkspace(w.t.Context(), workspace) })
	return workspace
}

// delete marks the workspace as deleted at an instant.
func (w *world) delete(workspace *keypin.Workspace, at time.Time) {
	w.t.Helper()
	gone := *workspace
	gone.DeletedAt, gone.UpdatedAt = &at, at
	w.tx(func(tx keypin.Tx) error { return tx.UpdateWorkspace(w.t.Context(), &gone) })
}

// newKey is the plainest key there is.
func (w *world) newKey(workspace keypin.ID) *keypin.APIKey {
	id := w.id()
	return &keypin.APIKey{
		ID: id, WorkspaceID: workspace, ChainID: id, Name: fmt.Sprintf("key %d", w.serial), Type: keypin.KeyLive, Prefix: "op_live",
		Suffix: fmt.Sprintf("x%05d", w.serial), Hash: w.hash(), Active: true, CreatedAt: w.now, UpdatedAt: w.now, Version: 1,
	}
}

func (w *world) key(workspace keypin.ID) *keypin.APIKey {
	w.t.Helper()
	key := w.newKey(workspace)
	w.insertKeys(key)
	return key
}

func (w *world) insertKeys(keys ...*keypin.APIKey) {
	w.t.Helper()
	w.tx(func(tx keypin.Tx) error {
		for _, key := range keys {
			if err := tx.InsertKey(w.t.Context(), key); err != nil {
				return err
			}
		}
		return nil
	})
}

// updateKey changes a stored key and gives what is stored then.
func (w *world) updateKey(key *keypin.APIKey, change func(*keypin.APIKey)) *keypin.APIKey {
	w.t.Helper()
	changed := *key
	change(&changed)
	w.tx(func(tx keypin.Tx) error { return tx.UpdateKey(w.t.Context(), &changed) })
	return &changed
}

func (w *world) newMember(workspace, user keypin.ID, role keypin.Role) *keypin.Member {
	return &keypin.Member{
		ID: w.id(), WorkspaceID: workspace, UserID: user, Role: role, Source: keypin.MemberLocal, CreatedAt: w.now,
	}
}

func (w *world) member(workspace, user keypin.ID, role keypin.Role) *keypin.Member {
	w.t.Helper()
	member := w.newMember(workspace, user, role)
	w.tx(func(tx keypin.Tx) error { return tx.InsertMember(w.t.Context(), member) })
	return member
}

func (w *world) newInvite(workspace keypin.ID) *keypin.Invite {
	return &keypin.Invite{
		ID: w.id(), WorkspaceID: workspace, Email: fmt.Sprintf("i%d@example.com", w.serial), Role: keypin.RoleEditor, TokenHash: w.hash(),
		InvitedBy: w.id(), CreatedAt: w.now, ExpiresAt: w.after(keypin.InviteLifetime),
	}
}

func (w *world) invite(workspace keypin.ID) *keypin.Invite {
	w.t.Helper()
	invite := w.newInvite(workspace)
	w.tx(func(tx keypin.Tx) error { return tx.InsertInvite(w.t.Context(), invite) })
	return invite
}

func (w *world) newAudit(workspace keypin.ID, at time.Time) *keypin.AuditEntry {
	id := w.id()
	return &keypin.AuditEntry{
		ID: id, WorkspaceID: workspace, At: at, ActorKind: keypin.AuthSession, ActorUserID: w.id(), Action: "api_key.create",
		TargetKind: "api_key", TargetID: w.id(), Origin: keypin.Origin{RequestID: "req_" + id.String()},
	}
}

func (w *world) newAnswer(caller keypin.ID) *keypin.IdempotentAnswer {
	return &keypin.IdempotentAnswer{
		Caller: caller, KeyHash: w.hash(), RequestHash: w.hash(), Sealed: []byte("sealed\x00\xff"),
		CreatedAt: w.now, ExpiresAt: w.after(keypin.IdempotencyLifetime),
	}
}

// pointer is a pointer to a copy of v.
func pointer[T any](v T) *T { return &v }

// values copies what pointers point to.
func values[T any](pointers []*T) []T {
	all := make([]T, len(pointers))
	for i, p := range pointers {
		all[i] = *p
	}
	return all
}

// everything is one page that holds all rows of a small test.
var everything = keypin.Page{Limit: 100}

func wantCode(t testing.TB, code keypin.Code, err error) {
	t.Helper()
	if got := keypin.CodeOf(err); got != code {
		t.Errorf("got %v, want the code %q", err, code)
	}
	var public *keypin.Error
	if err != nil && !errors.As(err, &public) {
		t.Errorf("got %T, want a *keypin.Error", err)
	}
}

// wantNotFound wants the error that tells nothing else.
func wantNotFound(t testing.TB, err error) {
	t.Helper()
	wantEqual(t, error(keypin.NotFound()), err, cmp.Comparer(func(a, b error) bool { return a != nil && b != nil && a.Error() == b.Error() }))
}

func wantEqual[T any](t testing.TB, want, got T, options ...cmp.Option) {
	t.Helper()
	options = append(options, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
	if diff := cmp.Diff(want, got, options...); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// wantFound wants a row, and no error.
func wantFound[T any](t testing.TB, want *T) func(got *T, err error) {
	t.Helper()
	return func(got *T, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("got %v", err)
			return
		}
		wantEqual(t, want, got)
	}
}

// none drops a row, so that its error can be judged.
func none[T any](_ T, err error) error { return err }
