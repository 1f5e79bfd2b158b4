package admin_test

import (
	"errors"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

const (
	ok           = keypin.Code("")
	forbidden    = keypin.CodeForbidden
	insufficient = keypin.CodeInsufficientScope
)

// cast is a workspace with every kind of caller in it.
type cast struct {
	*world
	admin, editor, viewer          admin.Call
	bare, reads, writes, verifies  admin.Call // keys, by the scope they hold
	readsWorkspace                 admin.Call
	adminsKey, editorsKey, manages keypin.APIKey // targets
}

func newCast(t *testing.T) *cast {
	t.Helper()
	w := newWorld(t)
	owner := w.session("admin@example.com")
	c := &cast{world: w, admin: in(owner, w.workspaceOf(owner))}
	w.advance(time.Second)
	c.editor = w.join(c.admin, "editor@example.com", keypin.RoleEditor)
	w.advance(time.Second) // the list of members has an order
	c.viewer = w.join(c.admin, "viewer@example.com", keypin.RoleViewer)
	c.bare = w.keyCall(w.create(c.admin))
	c.reads = w.keyCall(w.create(c.admin, keypin.ScopeKeysRead))
	c.writes = w.keyCall(w.create(c.admin, "voices:read", keypin.ScopeKeysWrite))
	c.verifies = w.keyCall(w.create(c.admin, keypin.ScopeKeysVerify))
	c.readsWorkspace = w.keyCall(w.create(c.admin, keypin.ScopeWorkspaceRead))
	c.adminsKey = w.create(c.admin, "voices:read")
	c.editorsKey = w.create(c.editor, "voices:read")
	c.manages = w.create(c.admin, keypin.ScopeKeysRead)
	return c
}

func TestEachCallerMayDoWhatTheTableSays(t *testing.T) {
	t.Parallel()
	type row struct {
		operation                                                            string
		do                                                                   func(*cast, admin.Call) error
		admin, editor, viewer, bare, reads, writes, verifies, readsWorkspace keypin.Code
	}
	name := "renamed"
	page := keypin.Page{Limit: 10}
	query := keypin.KeyQuery{Page: page, Status: keypin.StatusAll}
	rows := []row{
		{"whoami", func(c *cast, call admin.Call) error { _, err := c.WhoAmI(c.t.Context(), call); return err },
			ok, ok, ok, ok, ok, ok, ok, ok},
		{"list keys", func(c *cast, call admin.Call) error { _, err := c.Keys(c.t.Context(), call, query); return err },
			ok, ok, ok, insufficient, ok, insufficient, insufficient, insufficient},
		{"get a key", func(c *cast, call admin.Call) error { _, err := c.Key(c.t.Context(), call, c.adminsKey.ID); return err },
			ok, ok, ok, insufficient, ok, insufficient, insufficient, insufficient},
		{"create a key", func(c *cast, call admin.Call) error {
			_, err := c.CreateKey(c.t.Context(), call, admin.NewKey{Name: "n", Scopes: []keypin.Scope{"voices:read"}})
			return err
		}, ok, ok, forbidden, insufficient, insufficient, ok, insufficient, insufficient},
		{"update the admin's key", func(c *cast, call admin.Call) error {
			_, err := c.UpdateKey(c.t.Context(), call, c.adminsKey.ID, admin.KeyPatch{Name: &name})
			return err
		}, ok, forbidden, forbidden, insufficient, insufficient, ok, insufficient, insufficient},
		{"update the editor's key", func(c *cast, call admin.Call) error {
			_, err := c.UpdateKey(c.t.Context(), call, c.editorsKey.ID, admin.KeyPatch{Name: &name})
			return err
		}, ok, ok, forbidden, insufficient, insufficient, ok, insufficient, insufficient},
		{"rotate the admin's key", func(c *cast, call admin.Call) error {
			_, err := c.RotateKey(c.t.Context(), call, c.create(c.admin, "voices:read").ID, admin.Rotation{})
			return err
		}, ok, forbidden, forbidden, insufficient, insufficient, ok, insufficient, insufficient},
		{"rotate the editor's key", func(c *cast, call admin.Call) error {
			_, err := c.RotateKey(c.t.Context(), call, c.create(c.editor, "voices:read").ID, admin.Rotation{})
			return err
		}, ok, ok, forbidden, insufficient, insufficient, ok, insufficient, insufficient},
		{"revoke the admin's key", func(c *cast, call admin.Call) error {
			_, err := c.RevokeKey(c.t.Context(), call, c.create(c.admin).ID)
			return err
		}, ok, forbidden, forbidden, insufficient, insufficient, ok, insufficient, insufficient},
		{"revoke the editor's key", func(c *cast, call admin.Call) error {
			_, err := c.RevokeKey(c.t.Context(), call, c.create(c.editor).ID)
			return err
		}, ok, ok, forbidden, insufficient, insufficient, ok, insufficient, insufficient},
		{"verify", func(c *cast, call admin.Call) error { _, err := c.AuthorizeVerify(c.t.Context(), call); return err },
			ok, forbidden, forbidden, insufficient, insufficient, insufficient, ok, insufficient},
		{"list workspaces", func(c *cast, call admin.Call) error {
			_, _, err := c.Workspaces(c.t.Context(), call, page)
			return err
		}, ok, ok, ok, insufficient, insufficient, insufficient, insufficient, ok},
		{"get the workspace", func(c *cast, call admin.Call) error { _, err := c.Workspace(c.t.Context(), call); return err },
			ok, ok, ok, insufficient, insufficient, insufficient, insufficient, ok},
		{"create a workspace", func(c *cast, call admin.Call) error {
			_, err := c.CreateWorkspace(c.t.Context(), call, admin.NewWorkspace{Name: "n"})
			return err
		}, ok, ok, ok, forbidden, forbidden, forbidden, forbidden, forbidden},
		{"update the workspace", func(c *cast, call admin.Call) error {
			_, err := c.UpdateWorkspace(c.t.Context(), call, admin.WorkspacePatch{Name: &name})
			return err
		}, ok, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden},
		{"ask for a slug", func(c *cast, call admin.Call) error {
			_, err := c.SlugAvailable(c.t.Context(), call, "free")
			return err
		}, ok, ok, ok, insufficient, insufficient, insufficient, insufficient, ok},
		{"get settings", func(c *cast, call admin.Call) error { _, err := c.Settings(c.t.Context(), call); return err },
			ok, ok, ok, insufficient, insufficient, insufficient, insufficient, ok},
		{"update settings", func(c *cast, call admin.Call) error {
			_, err := c.UpdateSettings(c.t.Context(), call, admin.SettingsPatch{Theme: &name})
			return err
		}, ok, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden},
		{"list members", func(c *cast, call admin.Call) error {
			_, _, err := c.Members(c.t.Context(), call, page)
			return err
		}, ok, ok, ok, insufficient, insufficient, insufficient, insufficient, ok},
		{"update a member", func(c *cast, call admin.Call) error {
			_, err := c.UpdateMember(c.t.Context(), call, c.memberID("viewer@example.com"), keypin.RoleViewer)
			return err
		}, ok, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden},
		{"list invites", func(c *cast, call admin.Call) error {
			_, _, err := c.Invites(c.t.Context(), call, page)
			return err
		}, ok, ok, ok, insufficient, insufficient, insufficient, insufficient, ok},
		{"invite", func(c *cast, call admin.Call) error {
			_, err := c.CreateInvite(c.t.Context(), call, "new@example.com", keypin.RoleViewer)
			return err
		}, ok, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden},
		{"accept an invite", func(c *cast, call admin.Call) error {
			_, _, err := c.AcceptInvite(c.t.Context(), call, keypin.NewSecret("unknown"))
			return err
		}, keypin.CodeNotFound, keypin.CodeNotFound, keypin.CodeNotFound, forbidden, forbidden, forbidden, forbidden, forbidden},
		{"remove a member", func(c *cast, call admin.Call) error {
			_, err := c.RemoveMember(c.t.Context(), call, c.memberID("viewer@example.com"))
			return err
		}, ok, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden},
		{"delete the workspace", func(c *cast, call admin.Call) error {
			_, err := c.DeleteWorkspace(c.t.Context(), call)
			return err
		}, ok, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden, forbidden},
	}
	for _, r := range rows {
		t.Run(r.operation, func(t *testing.T) {
			t.Parallel()
			c := newCast(t)
			// The admin comes last: some operations take away what the others need.
			for _, each := range []struct {
				who  string
				call admin.Call
				want keypin.Code
			}{
				{"bare key", c.bare, r.bare},
				{"reading key", c.reads, r.reads},
				{"writing key", c.writes, r.writes},
				{"verifying key", c.verifies, r.verifies},
				{"workspace-reading key", c.readsWorkspace, r.readsWorkspace},
				{"viewer", c.viewer, r.viewer},
				{"editor", c.editor, r.editor},
				{"admin", c.admin, r.admin},
			} {
				if got := keypin.CodeOf(r.do(c, each.call)); got != each.want {
					t.Errorf("%s: got %q, want %q", each.who, got, each.want)
				}
			}
		})
	}
}

// memberID finds a member of the cast by address.
func (c *cast) memberID(email string) keypin.ID {
	c.t.Helper()
	members, _, err := c.store.Members(c.t.Context(), *c.admin.Workspace, keypin.Page{Limit: 100})
	must(c.t, err)
	for _, m := range members {
		if m.Email == email {
			return m.ID
		}
	}
	c.t.Fatal("no such member")
	return keypin.ID{}
}

func TestNobodyGrantsAScopeThatTheyCouldNotUse(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	for _, each := range []struct {
		name   string
		call   admin.Call
		scopes []keypin.Scope
		want   keypin.Code
	}{
		{"an admin grants everything", c.admin, []keypin.Scope{"voices:write", keypin.ScopeKeysWrite, keypin.ScopeKeysVerify}, ok},
		{"an editor grants product scopes", c.editor, []keypin.Scope{"voices:write", "uploads:write"}, ok},
		{"an editor does not grant reading keys", c.editor, []keypin.Scope{keypin.ScopeKeysRead}, forbidden},
		{"an editor does not grant writing keys", c.editor, []keypin.Scope{"voices:read", keypin.ScopeKeysWrite}, forbidden},
		{"an editor does not grant verifying", c.editor, []keypin.Scope{keypin.ScopeKeysVerify}, forbidden},
		{"a key grants its own", c.writes, []keypin.Scope{"voices:read"}, ok},
		{"a key does not grant what manages keys, its own neither", c.writes, []keypin.Scope{"voices:read", keypin.ScopeKeysWrite}, forbidden},
		{"a key does not grant another that manages keys", c.writes, []keypin.Scope{keypin.ScopeKeysVerify}, forbidden},
		{"a key grants nothing", c.writes, nil, ok},
		{"a key does not grant another", c.writes, []keypin.Scope{"voices:read", "voices:write"}, insufficient},
	} {
		t.Run(each.name, func(t *testing.T) {
			issued, err := c.CreateKey(t.Context(), each.call, admin.NewKey{Name: "n", Scopes: each.scopes})
			expect(t, err, each.want)
			if err != nil && !issued.Secret.IsZero() {
				t.Error("a refusal came with a secret")
			}
		})
	}
	_, err := c.CreateKey(t.Context(), c.writes, admin.NewKey{Name: "n", Scopes: []keypin.Scope{"voices:write"}})
	equal(t, neededBy(t, err), []keypin.Scope{"voices:write"})
}

func neededBy(t *testing.T, err error) []keypin.Scope {
	t.Helper()
	var e *keypin.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	return e.Needed
}

func TestAPatchThatWidensIsHeldToTheCeilingOverAllScopes(t *testing.T) {
	t.Parallel()
	limit, higher, lower := 10, 20, 5
	yes, no, name := true, false, "renamed"
	var none *int
	var never *time.Time
	both := []keypin.Scope{"voices:read", keypin.ScopeKeysRead}
	more := []keypin.Scope{"voices:read", "voices:write", keypin.ScopeKeysRead}
	less := []keypin.Scope{keypin.ScopeKeysRead}
	product := []keypin.Scope{"voices:read", "voices:write"}
	metadata := map[string]string{"a": "b"}
	w, call := owner(t)
	second := w.join(call, "second@example.com", keypin.RoleAdmin)
	member := w.member(second, *call.Workspace).ID
	expires := w.now().Add(48 * time.Hour)
	for _, each := range []struct {
		name  string
		patch func(expires time.Time) admin.KeyPatch
		want  keypin.Code
	}{
		{"renaming", func(time.Time) admin.KeyPatch { return admin.KeyPatch{Name: &name} }, ok},
		{"metadata", func(time.Time) admin.KeyPatch { return admin.KeyPatch{Metadata: &metadata} }, ok},
		{"suspending", func(time.Time) admin.KeyPatch { return admin.KeyPatch{Active: &no} }, ok},
		{"fewer scopes", func(time.Time) admin.KeyPatch { return admin.KeyPatch{Scopes: &less} }, ok},
		{"the same scopes", func(time.Time) admin.KeyPatch { return admin.KeyPatch{Scopes: &both} }, ok},
		{"more scopes", func(time.Time) admin.KeyPatch { return admin.KeyPatch{Scopes: &more} }, forbidden},
		{"more scopes, all grantable", func(time.Time) admin.KeyPatch { return admin.KeyPatch{Scopes: &product} }, ok},
		{"a lower limit", func(time.Time) admin.KeyPatch { p := &lower; return admin.KeyPatch{RateLimit: &p} }, ok},
		{"a higher limit", func(time.Time) admin.KeyPatch { p := &higher; return admin.KeyPatch{RateLimit: &p} }, forbidden},
		{"no limit", func(time.Time) admin.KeyPatch { return admin.KeyPatch{RateLimit: &none} }, forbidden},
		{"an earlier end", func(e time.Time) admin.KeyPatch {
			at := e.Add(-time.Hour)
			p := &at
			return admin.KeyPatch{ExpiresAt: &p}
		}, ok},
		{"a later end", func(e time.Time) admin.KeyPatch {
			at := e.Add(time.Hour)
			p := &at
			return admin.KeyPatch{ExpiresAt: &p}
		}, forbidden},
		{"no end", func(time.Time) admin.KeyPatch { return admin.KeyPatch{ExpiresAt: &never} }, forbidden},
		{"fewer addresses", func(time.Time) admin.KeyPatch {
			p := ranges("192.0.2.0/25", "192.0.2.200")
			return admin.KeyPatch{AllowedIPs: &p}
		}, ok},
		{"other addresses", func(time.Time) admin.KeyPatch {
			p := ranges("192.0.2.0/24", "198.51.100.1")
			return admin.KeyPatch{AllowedIPs: &p}
		}, forbidden},
		{"a wider range", func(time.Time) admin.KeyPatch { p := ranges("192.0.0.0/16"); return admin.KeyPatch{AllowedIPs: &p} }, forbidden},
		{"any address", func(time.Time) admin.KeyPatch { p := ranges(); return admin.KeyPatch{AllowedIPs: &p} }, forbidden},
		{"the same and renaming", func(e time.Time) admin.KeyPatch {
			n, at := &limit, &e
			return admin.KeyPatch{Name: &name, Active: &yes, RateLimit: &n, ExpiresAt: &at}
		}, ok},
	} {
		t.Run(each.name, func(t *testing.T) {
			// Made as an admin, patched as an editor: so the key holds more than they may grant.
			_, err := w.UpdateMember(t.Context(), call, member, keypin.RoleAdmin)
			must(t, err)
			issued, err := w.CreateKey(t.Context(), second, admin.NewKey{
				Name: "n", Scopes: both, RateLimit: &limit, ExpiresAt: &expires, AllowedIPs: ranges("192.0.2.0/24"),
			})
			must(t, err)
			_, err = w.UpdateMember(t.Context(), call, member, keypin.RoleEditor)
			must(t, err)
			before := w.stored(issued.Key)
			_, err = w.UpdateKey(t.Context(), second, issued.Key.ID, each.patch(expires))
			expect(t, err, each.want)
			if err != nil {
				equal(t, w.stored(issued.Key), before)
			}
		})
	}
}

func TestAKeyAddsNoScopeThatManagesKeys(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	target := c.create(c.admin)
	managing, product := []keypin.Scope{keypin.ScopeKeysWrite}, []keypin.Scope{"voices:read"}
	_, err := c.UpdateKey(t.Context(), c.writes, target.ID, admin.KeyPatch{Scopes: &managing})
	expect(t, err, forbidden)
	equal(t, c.stored(target), target)
	_, err = c.UpdateKey(t.Context(), c.writes, target.ID, admin.KeyPatch{Scopes: &product})
	expect(t, err, ok)

	// What an admin granted a key may keep, revive and rotate, if it holds the same.
	twin, no, yes := c.create(c.admin, keypin.ScopeKeysWrite), false, true
	both := []keypin.Scope{"voices:read", keypin.ScopeKeysWrite}
	for _, patch := range []admin.KeyPatch{{Scopes: &both}, {Active: &no}, {Active: &yes}} {
		_, err = c.UpdateKey(t.Context(), c.writes, twin.ID, patch)
		expect(t, err, ok)
	}
	c.rotate(c.writes, twin.ID, admin.Rotation{})
}

func TestReactivatingIsWidening(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	yes, no := true, false
	_, err := c.UpdateKey(t.Context(), c.writes, c.manages.ID, admin.KeyPatch{Active: &no})
	must(t, err)
	_, err = c.UpdateKey(t.Context(), c.writes, c.manages.ID, admin.KeyPatch{Active: &yes})
	expect(t, err, insufficient)
	_, err = c.UpdateKey(t.Context(), c.admin, c.manages.ID, admin.KeyPatch{Active: &yes})
	expect(t, err, ok)
}

func TestRotatingAndRevokingAcrossTheCeiling(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	_, err := c.RotateKey(t.Context(), c.writes, c.manages.ID, admin.Rotation{})
	expect(t, err, insufficient)
	equal(t, neededBy(t, err), []keypin.Scope{keypin.ScopeKeysRead})
	_, err = c.RevokeKey(t.Context(), c.writes, c.manages.ID)
	expect(t, err, ok)
}

func TestACallingKeyThatWasEndedOrNarrowedInBetweenChangesNothing(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	no := false
	scopes := []keypin.Scope{"voices:read"}
	past := ranges("198.51.100.0/24")
	for _, each := range []struct {
		name string
		do   func(id keypin.ID) error
		want keypin.Code
	}{
		{"revoked", func(id keypin.ID) error { _, err := c.RevokeKey(t.Context(), c.admin, id); return err }, keypin.CodeUnauthorized},
		{"suspended", func(id keypin.ID) error {
			_, err := c.UpdateKey(t.Context(), c.admin, id, admin.KeyPatch{Active: &no})
			return err
		}, keypin.CodeUnauthorized},
		{"narrowed", func(id keypin.ID) error {
			_, err := c.UpdateKey(t.Context(), c.admin, id, admin.KeyPatch{Scopes: &scopes})
			return err
		}, insufficient},
		{"fenced", func(id keypin.ID) error {
			_, err := c.UpdateKey(t.Context(), c.admin, id, admin.KeyPatch{AllowedIPs: &past})
			return err
		}, forbidden},
	} {
		t.Run(each.name, func(t *testing.T) {
			key := c.create(c.admin, keypin.ScopeKeysWrite)
			call := c.keyCall(key)
			must(t, each.do(key.ID))
			before := c.stored(c.adminsKey)
			_, err := c.RevokeKey(t.Context(), call, c.adminsKey.ID)
			expect(t, err, each.want)
			equal(t, c.stored(c.adminsKey), before)
		})
	}
}

func TestAForeignWorkspaceAndOneThatDoesNotExistAnswerAlike(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	stranger := c.session("stranger@example.com")
	unknown, err := keypin.ParseID("11111111-2222-4333-8444-555555555555")
	must(t, err)
	deleted, err := c.CreateWorkspace(t.Context(), c.admin, admin.NewWorkspace{Name: "gone"})
	must(t, err)
	_, err = c.DeleteWorkspace(t.Context(), in(c.admin, deleted.Workspace.ID))
	must(t, err)
	strangersKey := c.keyCall(c.create(stranger, keypin.ScopeKeysRead, keypin.ScopeKeysWrite, keypin.ScopeWorkspaceRead))
	var first error
	for _, caller := range []admin.Call{stranger, strangersKey} {
		for _, id := range []keypin.ID{unknown, deleted.Workspace.ID, *c.admin.Workspace} {
			call := in(caller, id)
			for _, do := range []func() error{
				func() error { _, err := c.WhoAmI(t.Context(), call); return err },
				func() error { _, err := c.Key(t.Context(), call, c.adminsKey.ID); return err },
				func() error { _, err := c.Workspace(t.Context(), call); return err },
				func() error { _, err := c.RevokeKey(t.Context(), call, c.adminsKey.ID); return err },
			} {
				err := do()
				expect(t, err, keypin.CodeWorkspaceForbidden)
				if first == nil {
					first = err
				}
				equal(t, err.Error(), first.Error())
			}
		}
	}
}

func TestAnotherWorkspacesKeyIsNotFound(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	stranger := c.session("stranger@example.com")
	_, err := c.Key(t.Context(), stranger, c.adminsKey.ID)
	expect(t, err, keypin.CodeNotFound)
	_, err = c.UpdateKey(t.Context(), stranger, c.adminsKey.ID, admin.KeyPatch{})
	expect(t, err, keypin.CodeNotFound)
	_, err = c.RotateKey(t.Context(), stranger, c.adminsKey.ID, admin.Rotation{})
	expect(t, err, keypin.CodeNotFound)
	_, err = c.RevokeKey(t.Context(), stranger, c.adminsKey.ID)
	expect(t, err, keypin.CodeNotFound)
}
