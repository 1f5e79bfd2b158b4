package copy_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/cli"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres"
	"github.com/keypin/keypin/internal/store/sqlite"
	"github.com/keypin/keypin/test/engines"
)

var now = time.Date(2026, time.March, 1, 12, 0, 0, 123456000, time.UTC)

// deployment is a database of SQLite that was in use.
type deployment struct {
	t          *testing.T
	path       string
	store      *sqlite.Store
	random     *rand.ChaCha8
	workspaces []*keypin.Workspace
	keys       []*keypin.APIKey
}

func newDeployment(t *testing.T) *deployment {
	t.Helper()
	d := &deployment{t: t, path: filepath.Join(t.TempDir(), "keypin.db"), random: rand.NewChaCha8([32]byte{7})}
	var err error
	if d.store, err = sqlite.Open(t.Context(), sqlite.Options{Path: d.path, Migrate: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *deployment) id() (id keypin.ID)    { _, _ = d.random.Read(id[:]); return id }
func (d *deployment) hash() (hash [32]byte) { _, _ = d.random.Read(hash[:]); return hash }
func (d *deployment) chance(one int) bool   { return rand.New(d.random).IntN(one) == 0 }
func (d *deployment) maybe(t time.Time) *time.Time {
	if d.chance(2) {
		return nil
	}
	return &t
}

func (d *deployment) tx(change func(context.Context, keypin.Tx) error) {
	d.t.Helper()
	if err := d.store.Tx(d.t.Context(), func(tx keypin.Tx) error { return change(d.t.Context(), tx) }); err != nil {
		d.t.Fatal(err)
	}
}

// settle adds a workspace with everything that one may have, and so many keys.
func (d *deployment) settle(keys int) {
	d.t.Helper()
	user := &keypin.User{ID: d.id(), Issuer: "https://issuer.example", Email: "zoë@example.com", FirstName: "Zoë", ImageURL: "https://img.example/\"<&", CreatedAt: now}
	user.Subject = user.ID.String()
	w := &keypin.Workspace{
		ID: d.id(), Name: "Café ☕", ColorIdx: 3, CreatedBy: user.ID, Settings: keypin.Settings{Theme: "dark"}, CreatedAt: now, UpdatedAt: now,
	}
	w.Slug = "ws-" + w.ID.String()[:8]
	d.workspaces = append(d.workspaces, w)
	d.tx(func(ctx context.Context, tx keypin.Tx) error {
		for _, err := range []error{
			tx.InsertUser(ctx, user), tx.InsertWorkspace(ctx, w),
			tx.InsertMember(ctx, &keypin.Member{ID: d.id(), WorkspaceID: w.ID, UserID: user.ID, Role: keypin.RoleAdmin, Source: keypin.MemberLocal, LastActiveAt: &now, CreatedAt: now}),
			tx.InsertInvite(ctx, &keypin.Invite{ID: d.id(), WorkspaceID: w.ID, Email: "i@example.com", Role: keypin.RoleEditor, TokenHash: d.hash(), InvitedBy: user.ID, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}),
			tx.InsertAudit(ctx, &keypin.AuditEntry{ID: d.id(), WorkspaceID: w.ID, At: now, ActorKind: keypin.AuthSession, ActorUserID: user.ID, Action: "api_key.create", TargetKind: "api_key",
				TargetID: d.id(), Origin: keypin.Origin{RequestID: "req_x", IP: netip.MustParseAddr("2001:db8::1")}, After: []byte(`{"b": 1, "a": "<é>"}`)}),
			tx.InsertPageVote(ctx, &keypin.PageVote{ID: d.id(), At: now, Page: "/docs/errors", Helpful: d.chance(2), Comment: "é <&>\n☕"}),
			tx.InsertIdempotentAnswer(ctx, &keypin.IdempotentAnswer{Caller: user.ID, KeyHash: d.hash(), RequestHash: d.hash(), Sealed: []byte("\x00\xff"), CreatedAt: now, ExpiresAt: now.Add(time.Hour)}),
		} {
			if err != nil {
				return err
			}
		}
		for i := range keys {
			if err := d.addKey(ctx, tx, w, user, i); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *deployment) addKey(ctx context.Context, tx keypin.Tx, w *keypin.Workspace, user *keypin.User, i int) error {
	id := d.id()
	limit := 60
	key := &keypin.APIKey{
		ID: id, WorkspaceID: w.ID, ChainID: id, CreatedBy: &user.ID, Name: fmt.Sprintf("key %d ☕", i), Type: keypin.KeyLive, Prefix: "op_live", Suffix: fmt.Sprintf("x%05d", i),
		Hash: d.hash(), Scopes: []keypin.Scope{"voices:read"}, Active: !d.chance(5), RevokeAt: d.maybe(now.Add(time.Hour)), ExpiresAt: d.maybe(now.Add(-time.Hour)), RateLimit: &limit,
		AllowedIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Metadata: map[string]string{"b": "<&>", "a": "é"}, CreatedAt: now.Add(time.Duration(i) * time.Millisecond), UpdatedAt: now, Version: 3,
	}
	d.keys = append(d.keys, key)
	if err := tx.InsertKey(ctx, key); err != nil {
		return err
	}
	if d.chance(3) {
		if err := tx.TouchKey(ctx, keypin.LastUse{KeyID: id, At: now, IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "curl/8"}); err != nil {
			return err
		}
		return tx.AddUsage(ctx, []keypin.UsageCount{{WorkspaceID: w.ID, ChainID: id, Minute: now.Truncate(time.Minute), Code: "valid", Count: int64(i + 1)}})
	}
	return nil
}

// keypinCopy runs the command.
func keypinCopy(t *testing.T, from, to string) (code int, stdout, stderr string) {
	t.Helper()
	var out, report bytes.Buffer
	code = cli.Main(t.Context(), cli.Process{Args: []string{"copy", "--from", from}, Environ: []string{"KEYPIN_DATABASE=" + to}, Stdout: &out, Stderr: &report})
	return code, out.String(), report.String()
}

func startPostgres(t *testing.T) *engines.Postgres {
	t.Helper()
	p, err := engines.StartPostgres(t.Context(), engines.PostgresOptions{Volatile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// same compares what both stores answer.
func (d *deployment) same(t *testing.T, other keypin.Store) {
	t.Helper()
	for _, w := range d.workspaces {
		want, wantErr := d.store.Workspace(t.Context(), w.ID)
		got, err := other.Workspace(t.Context(), w.ID)
		if diff := cmp.Diff(want, got); diff != "" || keypin.CodeOf(err) != keypin.CodeOf(wantErr) {
			t.Errorf("a workspace: %v, %s", err, diff)
		}
		for _, status := range []keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll} {
			for _, at := range []time.Time{now, now.Add(2 * time.Hour), now.Add(-2 * time.Hour)} {
				query := keypin.KeyQuery{Page: keypin.Page{Offset: 10, Limit: 100}, Status: status, Now: at}
				want, err1 := d.store.Keys(t.Context(), w.ID, query)
				got, err2 := other.Keys(t.Context(), w.ID, query)
				if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || err1 != nil || err2 != nil {
					t.Errorf("keys %s at %v: %v %v %s", status, at, err1, err2, diff)
				}
			}
		}
	}
	votes, err1 := d.store.PageVotes(t.Context(), keypin.ID{}, 100)
	got, err2 := other.PageVotes(t.Context(), keypin.ID{}, 100)
	if diff := cmp.Diff(votes, got); diff != "" || len(votes) != len(d.workspaces) || err1 != nil || err2 != nil {
		t.Errorf("votes: %v %v %s", err1, err2, diff)
	}
	for i := 0; i < len(d.keys); i += 9 { // the copy has compared all of them
		key := d.keys[i]
		want, err1 := d.store.KeyByHash(t.Context(), key.Hash)
		got, err2 := other.KeyByHash(t.Context(), key.Hash)
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || err1 != nil || err2 != nil {
			t.Errorf("a key: %v %v %s", err1, err2, diff)
		}
		query := keypin.UsageQuery{Step: keypin.UsageMinute, From: now.Add(-time.Hour).Truncate(time.Minute), To: now.Add(time.Hour).Truncate(time.Minute)}
		wantUse, err1 := d.store.ChainUsage(t.Context(), key.WorkspaceID, key.ChainID, query)
		gotUse, err2 := other.ChainUsage(t.Context(), key.WorkspaceID, key.ChainID, query)
		if diff := cmp.Diff(wantUse, gotUse); diff != "" || err1 != nil || err2 != nil {
			t.Errorf("usage: %v %v %s", err1, err2, diff)
		}
	}
}

func TestACopyIsEqualAndASecondOneBringsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	server := startPostgres(t)
	d := newDeployment(t)
	for range 3 {
		d.settle(300)
	}
	code, sums, told := keypinCopy(t, "sqlite://"+d.path, server.URL("keypin"))
	if code != 0 || !strings.Contains(sums, "api_keys") || !strings.Contains(told, "api_keys: 900 rows, 900 of them written\n") {
		t.Fatalf("%d\n%s%s", code, sums, told)
	}
	open := func() *postgres.Store {
		t.Helper()
		store, err := postgres.Open(t.Context(), postgres.Options{URL: keypin.NewSecret(server.URL("keypin"))})
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	store := open()
	d.same(t, store)
	if err := store.Close(); err != nil {
		t.Error(err)
	}

	// The service goes on: keys change, slugs go from one workspace to another, one is deleted.
	a, b := *d.workspaces[0], *d.workspaces[1]
	gone := *d.workspaces[2]
	gone.DeletedAt, gone.UpdatedAt = &now, now
	d.tx(func(ctx context.Context, tx keypin.Tx) error {
		for _, w := range []struct {
			of   keypin.Workspace
			slug string
		}{{a, "between"}, {b, a.Slug}, {a, b.Slug}, {gone, gone.Slug}} {
			w.of.Slug = w.slug
			if err := tx.UpdateWorkspace(ctx, &w.of); err != nil {
				return err
			}
		}
		changed := *d.keys[0]
		changed.Active, changed.Name = false, "renamed"
		return tx.UpdateKey(ctx, &changed)
	})
	d.settle(3)
	code, again, told := keypinCopy(t, "sqlite://"+d.path, server.URL("keypin"))
	if code != 0 || !strings.Contains(told, "api_keys: 903 rows, 4 of them written\n") || !strings.Contains(told, "workspaces: 4 rows, 4 of them written\n") || !strings.Contains(told, "audit_entries: 4 rows, 1 of them written\n") {
		t.Fatalf("%d\n%s%s", code, again, told)
	}
	store = open()
	defer store.Close()
	d.same(t, store)
	if again == sums {
		t.Error("the sums tell of no difference")
	}
}

func TestACopyThatWasBrokenOffGoesOn(t *testing.T) {
	t.Parallel()
	server := startPostgres(t)
	d := newDeployment(t)
	d.settle(6500)
	ctx, stop := context.WithCancel(t.Context())
	from, to := keypin.NewSecret("sqlite://"+d.path), keypin.NewSecret(server.URL("keypin"))
	_, err := app.Copy(ctx, from, to, func(_ string, _, written int64, _ bool) {
		if written >= 2000 {
			stop()
		}
	})
	if err == nil {
		t.Fatal("it was not broken off")
	}
	written := map[string]int64{}
	if _, err := app.Copy(t.Context(), from, to, func(table string, _, n int64, _ bool) { written[table] = n }); err != nil {
		t.Fatal(err)
	}
	if n := written["api_keys"]; n < 1 || n > 4500 {
		t.Errorf("%d of 6500 keys were written anew", n)
	}
}

func TestWhatCannotBeCopiedIsRefusedWithTheRemedy(t *testing.T) {
	t.Parallel()
	server := startPostgres(t)
	d := newDeployment(t)
	d.settle(1)
	source := "sqlite://" + d.path
	const secret = "hunter2"
	for _, c := range []struct {
		name, from, to string
		code           int
		want           string
	}{
		{"no target", source, "", 2, "--to is not given"},
		{"a target of SQLite", source, source, 2, "--to is SQLite"},
		{"a source of PostgreSQL", server.URL("keypin"), server.URL("keypin"), 2, "--from is PostgreSQL"},
		{"a source that is no URL", d.path, server.URL("keypin"), 2, "--from is not a URL"},
		{"a source that is not there", "sqlite://" + filepath.Join(t.TempDir(), "none.db"), server.URL("keypin"), 1, "from: the database file must be there"},
		{"a target that does not answer", source, "postgres://keypin:" + secret + "@127.0.0.1:1/keypin", 1, "to: "},
	} {
		code, out, told := keypinCopy(t, c.from, c.to)
		if code != c.code || out != "" || !strings.Contains(told, c.want) || strings.Contains(told, secret) {
			t.Errorf("%s: %d, %s%s", c.name, code, out, told)
		}
	}

	// Another deployment's database.
	if err := server.CreateDatabase(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	other := newDeployment(t)
	other.random = rand.NewChaCha8([32]byte{8})
	other.settle(1)
	if code, _, told := keypinCopy(t, "sqlite://"+other.path, server.URL("other")); code != 0 {
		t.Fatal(told)
	}
	if code, _, told := keypinCopy(t, source, server.URL("other")); code != 1 || !strings.Contains(told, "belongs to another deployment") {
		t.Errorf("%d %s", code, told)
	}

	// One on which a node runs.
	if err := server.SQL(t.Context(), "other", "INSERT INTO nodes VALUES (gen_random_uuid(), 'host 127.0.0.1:8080', '1.0', '{}', now(), now())"); err != nil {
		t.Fatal(err)
	}
	if code, _, told := keypinCopy(t, "sqlite://"+other.path, server.URL("other")); code != 1 || !strings.Contains(told, `to: the node "host 127.0.0.1:8080" runs on it: stop it`) {
		t.Errorf("%d %s", code, told)
	}
	if _, err := os.Stat(d.path); err != nil {
		t.Error(err)
	}
}
