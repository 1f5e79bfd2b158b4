package admin_test

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite"
)

// world is a Service on a real store, with the time in the test's hands.
type world struct {
	*admin.Service
	t       *testing.T
	store   *watchedStore
	dropped *invalidations
	mu      sync.Mutex
	at      time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, store: &watchedStore{Store: openStore(t)}, dropped: &invalidations{},
		at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
	}
	w.Service = w.restart()
	return w
}

// restart is another Service on the same store, as after a restart or at another node.
func (w *world) restart() *admin.Service {
	w.t.Helper()
	registry, err := keypin.NewRegistry(keypin.DefaultScopes())
	if err != nil {
		w.t.Fatal(err)
	}
	return admin.New(admin.Options{Store: w.store, Registry: registry, Invalidator: w.dropped, Clock: w.now})
}

func openStore(t *testing.T) keypin.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: t.TempDir() + "/keypin.db", Migrate: true})
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

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = w.at.Add(d)
}

// watchedStore counts transactions and can hold them up.
type watchedStore struct {
	keypin.Store
	mu      sync.Mutex
	count   int
	arrived chan struct{} // when not nil: one send for each transaction that begins
	release chan struct{} // and one receive before it goes on
	afterTx func()        // when not nil: called after each commit
}

func (s *watchedStore) Tx(ctx context.Context, change func(keypin.Tx) error) error {
	s.mu.Lock()
	s.count++
	arrived, release := s.arrived, s.release
	s.mu.Unlock()
	if arrived != nil {
		arrived <- struct{}{}
		<-release
	}
	err := s.Store.Tx(ctx, change)
	if s.afterTx != nil {
		s.afterTx()
	}
	return err
}

func (s *watchedStore) hold() (arrived, release chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived, s.release = make(chan struct{}), make(chan struct{})
	return s.arrived, s.release
}

func (s *watchedStore) letGo() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived, s.release = nil, nil
}

func (s *watchedStore) transactions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// invalidations records what the caches were told.
type invalidations struct {
	mu         sync.Mutex
	keys       []keypin.KeyHash
	workspaces []keypin.ID
	fail       error
}

func (i *invalidations) InvalidateKeys(ctx context.Context, hashes []keypin.KeyHash) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fail != nil {
		return i.fail
	}
	i.keys = append(i.keys, hashes...)
	return ctx.Err()
}

func (i *invalidations) InvalidateWorkspace(ctx context.Context, workspace keypin.ID) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fail != nil {
		return i.fail
	}
	i.workspaces = append(i.workspaces, workspace)
	return ctx.Err()
}

// take gives the hashes that were dropped since the last take.
func (i *invalidations) take() []keypin.KeyHash {
	i.mu.Lock()
	defer i.mu.Unlock()
	keys := i.keys
	i.keys = nil
	return keys
}

func (i *invalidations) failWith(err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fail = err
}

const issuer = "https://issuer.example"

// session signs the person with the address in.
func (w *world) session(email string) admin.Call {
	w.t.Helper()
	return w.signIn(keypin.Identity{Issuer: issuer, Subject: "subject " + email, IssuedAt: w.now(), Email: email})
}

// orgSession is session with a token of an organisation. The token is of the whole
// second that it was issued in, as an iat is.
func (w *world) orgSession(email, org string, role keypin.Role) admin.Call {
	w.t.Helper()
	return w.signIn(keypin.Identity{
		Issuer: issuer, Subject: "subject " + email, IssuedAt: w.now().Truncate(time.Second), Email: email,
		Org: &keypin.Org{ID: "org_" + org, Slug: org, Role: role},
	})
}

func (w *world) signIn(identity keypin.Identity) admin.Call {
	w.t.Helper()
	p, err := w.SignIn(w.t.Context(), identity)
	if err != nil {
		w.t.Fatal(err)
	}
	return admin.Call{Principal: p, Origin: keypin.Origin{
		RequestID: "req_1", IP: netip.MustParseAddr("192.0.2.7"), UserAgent: "tests",
	}}
}

// workspaceOf is the workspace that the call is about.
func (w *world) workspaceOf(call admin.Call) keypin.ID {
	w.t.Helper()
	who, err := w.WhoAmI(w.t.Context(), call)
	if err != nil {
		w.t.Fatal(err)
	}
	return who.WorkspaceID
}

// in is the call about another workspace.
func in(call admin.Call, workspace keypin.ID) admin.Call {
	call.Workspace = &workspace
	return call
}

// join has the owner of a workspace invite the person, and gives the person's call in it.
func (w *world) join(owner admin.Call, email string, role keypin.Role) admin.Call {
	w.t.Helper()
	invited, err := w.CreateInvite(w.t.Context(), owner, email, role)
	if err != nil {
		w.t.Fatal(err)
	}
	call := w.session(email)
	if _, _, err := w.AcceptInvite(w.t.Context(), call, invited.Token); err != nil {
		w.t.Fatal(err)
	}
	return in(call, invited.Invite.WorkspaceID)
}

// create makes a key that has to succeed.
func (w *world) create(call admin.Call, scopes ...keypin.Scope) keypin.APIKey {
	w.t.Helper()
	issued, err := w.CreateKey(w.t.Context(), call, admin.NewKey{Name: "a key", Scopes: scopes})
	if err != nil {
		w.t.Fatal(err)
	}
	return issued.Key
}

// keyCall is the call of a key as it is stored now.
func (w *world) keyCall(key keypin.APIKey) admin.Call {
	w.t.Helper()
	stored, err := w.store.KeyByHash(w.t.Context(), key.Hash)
	if err != nil {
		w.t.Fatal(err)
	}
	p := &keypin.Principal{Kind: keypin.AuthAPIKey, Key: stored}
	if stored.CreatedBy != nil {
		p.UserID = *stored.CreatedBy
	}
	return admin.Call{Principal: p, Origin: keypin.Origin{IP: netip.MustParseAddr("192.0.2.8")}}
}

// member is the person's membership as the store has it, a removed one too.
func (w *world) member(call admin.Call, workspace keypin.ID) keypin.Member {
	w.t.Helper()
	m, err := w.store.Member(w.t.Context(), workspace, call.Principal.UserID)
	if err != nil {
		w.t.Fatal(err)
	}
	return *m
}

// stored is the key as the store has it.
func (w *world) stored(key keypin.APIKey) keypin.APIKey {
	w.t.Helper()
	k, err := w.store.Key(w.t.Context(), key.WorkspaceID, key.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return *k
}

// audit lists the workspace's audit rows, newest first.
func (w *world) audit(workspace keypin.ID) []keypin.AuditEntry {
	w.t.Helper()
	entries, err := w.store.AuditEntries(w.t.Context(), workspace, keypin.Page{Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return entries
}

// actions names, sorted, what was done in the workspace at this very instant.
func (w *world) actions(workspace keypin.ID) []string {
	w.t.Helper()
	var names []string
	for _, e := range w.audit(workspace) {
		if e.At.Equal(w.now()) {
			names = append(names, e.Action)
		}
	}
	slices.Sort(names)
	return names
}

// row finds the last audit row of the action.
func (w *world) row(workspace keypin.ID, action string) keypin.AuditEntry {
	w.t.Helper()
	for _, e := range w.audit(workspace) {
		if e.Action == action {
			return e
		}
	}
	w.t.Fatalf("no audit row of %s", action)
	return keypin.AuditEntry{}
}

func expect(t *testing.T, err error, code keypin.Code) {
	t.Helper()
	if got := keypin.CodeOf(err); got != code {
		t.Errorf("got %q (%v), want %q", got, err, code)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(keypin.Secret{}, netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
