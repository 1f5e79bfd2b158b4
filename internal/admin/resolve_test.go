package admin_test

import (
	"fmt"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

func TestTheUserIsMadeOnFirstSightAndKeptCurrent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	identity := keypin.Identity{Issuer: issuer, Subject: "s", Email: "a@example.com", FirstName: "Ada"}
	first := w.signIn(identity).Principal
	before := w.store.transactions()
	w.signIn(identity)
	w.signIn(keypin.Identity{Issuer: issuer, Subject: "s"}) // tells nothing new
	equal(t, w.store.transactions(), before)

	identity.Email, identity.LastName = "b@example.com", "Lovelace"
	again := w.signIn(identity).Principal
	equal(t, again.UserID, first.UserID)
	user, err := w.store.User(t.Context(), first.UserID)
	must(t, err)
	equal(t, *user, keypin.User{
		ID: first.UserID, Issuer: issuer, Subject: "s", Email: "b@example.com",
		FirstName: "Ada", LastName: "Lovelace", CreatedAt: w.now(),
	})
	other := w.signIn(keypin.Identity{Issuer: "https://other.example", Subject: "s"}).Principal
	if other.UserID == first.UserID {
		t.Error("two issuers' subjects are one user")
	}
}

func TestConcurrentFirstSightsMakeOneUserAndOneWorkspace(t *testing.T) {
	t.Parallel()
	for _, org := range []*keypin.Org{nil, {ID: "org_1", Slug: "acme", Role: keypin.RoleEditor}} {
		w := newWorld(t)
		var mu sync.Mutex
		users, workspaces := map[keypin.ID]int{}, map[keypin.ID]int{}
		var group sync.WaitGroup
		for range 16 {
			group.Go(func() {
				p, err := w.SignIn(t.Context(), keypin.Identity{Issuer: issuer, Subject: "s", Email: "a@example.com", Org: org})
				if err != nil {
					t.Error(err)
					return
				}
				who, err := w.WhoAmI(t.Context(), admin.Call{Principal: p})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				users[p.UserID]++
				workspaces[who.WorkspaceID]++
			})
		}
		group.Wait()
		if len(users) != 1 || len(workspaces) != 1 {
			t.Errorf("%d users, %d workspaces", len(users), len(workspaces))
		}
	}
}

func TestManyMembersOfANewOrganisationShareOneWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	calls := make([]admin.Call, 12)
	for i := range calls {
		calls[i] = w.orgSession(fmt.Sprintf("m%d@example.com", i), "acme", keypin.RoleEditor)
	}
	var mu sync.Mutex
	workspaces := map[keypin.ID]bool{}
	var group sync.WaitGroup
	for _, call := range calls {
		group.Go(func() {
			issued, err := w.CreateKey(t.Context(), call, admin.NewKey{Name: "n"}) // a change may be the first request
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			workspaces[issued.Key.WorkspaceID] = true
		})
	}
	group.Wait()
	equal(t, len(workspaces), 1)
	_, total, err := w.Members(t.Context(), calls[0], keypin.Page{Limit: 100})
	must(t, err)
	equal(t, total, len(calls))
}

func TestAUsersOwnWorkspaceIsMadeOnFirstSight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := w.session("ada.l@example.com")
	got, err := w.Workspace(t.Context(), call)
	must(t, err)
	user := call.Principal.UserID
	equal(t, got, keypin.Workspace{
		ID: got.ID, Name: "Personal workspace", Slug: got.Slug, CreatedBy: user, PersonalOf: &user,
		CreatedAt: w.now(), UpdatedAt: w.now(),
	})
	who, err := w.WhoAmI(t.Context(), call)
	must(t, err)
	equal(t, who, admin.WhoAmI{Kind: keypin.AuthSession, UserID: user, WorkspaceID: got.ID, Role: keypin.RoleAdmin})
	equal(t, w.actions(got.ID), []string{"workspace.create"})

	again, err := w.Workspace(t.Context(), w.session("ada.l@again.example.com"))
	must(t, err)
	random := regexp.MustCompile(`^personal-[a-z2-7]{8}$`) // it tells nothing of the user
	if !random.MatchString(got.Slug) || !random.MatchString(again.Slug) || again.Slug == got.Slug {
		t.Errorf("got the slugs %s and %s", got.Slug, again.Slug)
	}
}

func TestTheSteadyStateReadsWithoutATransaction(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call, keypin.ScopeKeysRead)
	before := w.store.transactions()
	for _, caller := range []admin.Call{call, w.keyCall(key)} {
		_, err := w.Key(t.Context(), caller, key.ID)
		must(t, err)
	}
	equal(t, w.store.transactions(), before)
}

func TestAMembersActivityIsNotedEveryFiveMinutes(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	active := func() time.Time {
		m, err := w.store.Member(t.Context(), *call.Workspace, call.Principal.UserID)
		must(t, err)
		return *m.LastActiveAt
	}
	start := w.now()
	w.advance(5 * time.Minute)
	_, err := w.WhoAmI(t.Context(), call)
	must(t, err)
	equal(t, active(), start)
	w.advance(time.Second)
	_, err = w.WhoAmI(t.Context(), call)
	must(t, err)
	equal(t, active(), w.now())
	w.advance(6 * time.Minute)
	w.create(call)
	equal(t, active(), w.now())
}

func TestAnOrganisationsTokenOpensItsWorkspace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.orgSession("boss@example.com", "acme", keypin.RoleAdmin)
	got, err := w.Workspace(t.Context(), boss)
	must(t, err)
	equal(t, got, keypin.Workspace{
		ID: got.ID, Name: "acme", Slug: "acme", CreatedBy: boss.Principal.UserID, OrgIssuer: issuer, OrgID: "org_acme",
		CreatedAt: w.now(), UpdatedAt: w.now(),
	})
	equal(t, w.actions(got.ID), []string{"member.join", "workspace.create"})
	worker := w.orgSession("worker@example.com", "acme", keypin.RoleEditor)
	who, err := w.WhoAmI(t.Context(), in(worker, got.ID)) // named, on first sight
	must(t, err)
	equal(t, who.Role, keypin.RoleEditor)

	// The same person without the organisation, or with another one, is not in.
	for _, call := range []admin.Call{
		w.session("boss@example.com"),
		w.orgSession("boss@example.com", "other", keypin.RoleAdmin),
	} {
		_, err := w.WhoAmI(t.Context(), in(call, got.ID))
		expect(t, err, keypin.CodeWorkspaceForbidden)
		if w.workspaceOf(call) == got.ID {
			t.Error("the wrong workspace")
		}
	}
	// An organisation of the same id at another issuer is another one.
	foreign := w.signIn(keypin.Identity{
		Issuer: "https://other.example", Subject: "s", Org: &keypin.Org{ID: "org_acme", Slug: "acme", Role: keypin.RoleAdmin},
	})
	_, err = w.WhoAmI(t.Context(), in(foreign, got.ID))
	expect(t, err, keypin.CodeWorkspaceForbidden)
	next, err := w.Workspace(t.Context(), foreign)
	must(t, err)
	equal(t, next.Slug, "acme-2")
}

func TestAnOrganisationsWorkspaceHasAUsableName(t *testing.T) {
	t.Parallel()
	for _, each := range []struct {
		org        keypin.Org
		name, slug string
	}{
		{keypin.Org{ID: "1", Name: "Acme, Inc."}, "Acme, Inc.", "acme-inc"},
		{keypin.Org{ID: "1", Name: "Acme, Inc.", Slug: "acme"}, "Acme, Inc.", "acme"},
		{keypin.Org{ID: "1", Slug: "Not a slug"}, "Not a slug", "not-a-slug"},
		{keypin.Org{ID: "1", Name: "\x00"}, "Workspace", "workspace"},
	} {
		w := newWorld(t)
		each.org.Role = keypin.RoleEditor
		got, err := w.Workspace(t.Context(), w.signIn(keypin.Identity{Issuer: issuer, Subject: "s", Org: &each.org}))
		must(t, err)
		equal(t, []string{got.Name, got.Slug}, []string{each.name, each.slug})
	}
}

func TestTheRoleFollowsTheIssuerOnlyWhenItChangesThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.orgSession("boss@example.com", "acme", keypin.RoleAdmin)
	ws := w.workspaceOf(boss)
	role := func(told keypin.Role) keypin.Role {
		w.advance(time.Second)
		who, err := w.WhoAmI(t.Context(), w.orgSession("worker@example.com", "acme", told))
		must(t, err)
		return who.Role
	}
	equal(t, role(keypin.RoleEditor), keypin.RoleEditor)
	member, err := w.store.Member(t.Context(), ws, w.session("worker@example.com").Principal.UserID)
	must(t, err)
	_, err = w.UpdateMember(t.Context(), boss, member.ID, keypin.RoleViewer)
	must(t, err)
	equal(t, role(keypin.RoleEditor), keypin.RoleViewer) // changed here, not there
	equal(t, role(keypin.RoleAdmin), keypin.RoleAdmin)
	equal(t, role(keypin.RoleEditor), keypin.RoleEditor)
}

func TestWhoWasRemovedStaysOutUntilTheIssuerChangesTheirRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.orgSession("boss@example.com", "acme", keypin.RoleAdmin)
	worker := w.orgSession("worker@example.com", "acme", keypin.RoleEditor)
	ws := w.workspaceOf(worker)
	member, err := w.store.Member(t.Context(), ws, worker.Principal.UserID)
	must(t, err)
	_, err = w.RemoveMember(t.Context(), boss, member.ID)
	must(t, err)
	for _, call := range []admin.Call{worker, in(worker, ws)} {
		_, err = w.WhoAmI(t.Context(), call)
		expect(t, err, keypin.CodeWorkspaceForbidden)
	}
	list, total, err := w.Workspaces(t.Context(), worker, keypin.Page{Limit: 10})
	must(t, err)
	equal(t, len(list)+total, 0)
	w.advance(time.Second)
	who, err := w.WhoAmI(t.Context(), w.orgSession("worker@example.com", "acme", keypin.RoleAdmin))
	must(t, err)
	equal(t, who.Role, keypin.RoleAdmin)
	equal(t, w.actions(ws), []string{"member.join"})
}

func TestAnOlderTokenUndoesNothing(t *testing.T) {
	t.Parallel()
	const worker, org = "worker@example.com", "acme"
	type people struct {
		*world
		boss   admin.Call
		worker keypin.ID
	}
	remove := func(p people) { _, err := p.RemoveMember(p.t.Context(), p.boss, p.worker); must(p.t, err) }
	update := func(role keypin.Role) func(people) {
		return func(p people) { _, err := p.UpdateMember(p.t.Context(), p.boss, p.worker, role); must(p.t, err) }
	}
	follow := func(p people) { // the issuer's own word
		_, err := p.WhoAmI(p.t.Context(), p.orgSession(worker, org, keypin.RoleViewer))
		must(p.t, err)
	}
	for _, each := range []struct {
		name         string
		change       func(people)
		after, fresh keypin.Role // "" is out
	}{
		{"a removal", remove, "", keypin.RoleAdmin},
		{"a demotion here", update(keypin.RoleViewer), keypin.RoleViewer, keypin.RoleAdmin},
		{"a demotion by the issuer", follow, keypin.RoleViewer, keypin.RoleAdmin},
	} {
		t.Run(each.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.advance(500 * time.Millisecond)
			p := people{world: w, boss: w.orgSession("boss@example.com", org, keypin.RoleAdmin)}
			ws := w.workspaceOf(p.boss)
			first := w.orgSession(worker, org, keypin.RoleEditor)
			equal(t, w.workspaceOf(first), ws)
			p.worker = w.member(first, ws).ID
			role := func(call admin.Call) keypin.Role {
				who, err := w.WhoAmI(t.Context(), call)
				if keypin.CodeOf(err) != keypin.CodeWorkspaceForbidden {
					must(t, err)
				}
				return who.Role
			}
			w.advance(time.Second)
			older := w.orgSession(worker, org, keypin.RoleAdmin) // not seen by Keypin yet
			w.advance(time.Second)
			early := w.orgSession(worker, org, keypin.RoleAdmin)
			w.advance(400 * time.Millisecond)
			each.change(p)
			changed := w.member(first, ws)
			w.advance(50 * time.Millisecond) // still the second of the change
			for _, call := range []admin.Call{older, early, first, w.orgSession(worker, org, keypin.RoleAdmin)} {
				before := w.store.transactions()
				equal(t, role(call), each.after)
				equal(t, w.store.transactions(), before)
			}
			equal(t, w.member(first, ws), changed)

			w.advance(time.Second)
			fresh := w.orgSession(worker, org, keypin.RoleAdmin)
			equal(t, role(fresh), each.fresh)
			equal(t, role(older), each.fresh)
			equal(t, role(first), each.fresh)
			before := w.store.transactions()
			equal(t, role(fresh), each.fresh)
			equal(t, w.store.transactions(), before)
		})
	}
}

func TestARemovedGuestIsNotBroughtBackByTheIssuersFirstWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.orgSession("boss@example.com", "acme", keypin.RoleAdmin)
	ws := w.workspaceOf(boss)
	guest := w.join(boss, "guest@example.com", keypin.RoleViewer)
	stale := w.orgSession("guest@example.com", "acme", keypin.RoleAdmin)
	w.advance(time.Second)
	_, err := w.RemoveMember(t.Context(), boss, w.member(guest, ws).ID)
	must(t, err)
	removed := w.member(guest, ws)
	out := func(call admin.Call) {
		t.Helper()
		_, err := w.WhoAmI(t.Context(), in(call, ws))
		expect(t, err, keypin.CodeWorkspaceForbidden)
	}
	out(stale)
	equal(t, w.member(guest, ws), removed)
	w.advance(time.Second)
	first := w.orgSession("guest@example.com", "acme", keypin.RoleAdmin)
	out(first)
	noted := removed
	noted.IssuerRole, noted.IssuerToldAt = keypin.RoleAdmin, &first.Principal.Identity.IssuedAt
	equal(t, w.member(guest, ws), noted)

	w.advance(time.Second)
	who, err := w.WhoAmI(t.Context(), w.orgSession("guest@example.com", "acme", keypin.RoleEditor))
	must(t, err)
	equal(t, who.Role, keypin.RoleEditor)
	equal(t, w.member(guest, ws).Source, keypin.MemberIssuer)
}

func TestAnInvitedMemberOfAnOrganisationsWorkspaceNeedsNoOrganisation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.orgSession("boss@example.com", "acme", keypin.RoleAdmin)
	ws := w.workspaceOf(boss)
	guest := w.join(boss, "guest@example.com", keypin.RoleViewer)
	who, err := w.WhoAmI(t.Context(), guest)
	must(t, err)
	equal(t, who.Role, keypin.RoleViewer)
	// Joining the organisation too changes nothing here, and does not undo a removal.
	asMember := w.orgSession("guest@example.com", "acme", keypin.RoleAdmin)
	who, err = w.WhoAmI(t.Context(), asMember)
	must(t, err)
	equal(t, who.Role, keypin.RoleViewer)
	member, err := w.store.Member(t.Context(), ws, guest.Principal.UserID)
	must(t, err)
	equal(t, member.Source, keypin.MemberLocal)
	_, err = w.RemoveMember(t.Context(), boss, member.ID)
	must(t, err)
	_, err = w.WhoAmI(t.Context(), asMember)
	expect(t, err, keypin.CodeWorkspaceForbidden)
}

func TestADeletedWorkspaceIsMadeAnewOnTheNextSight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := w.session("owner@example.com")
	first := w.workspaceOf(call)
	_, err := w.DeleteWorkspace(t.Context(), call)
	must(t, err)
	if w.workspaceOf(call) == first {
		t.Error("the deleted workspace came back")
	}
	_, err = w.WhoAmI(t.Context(), in(call, first))
	expect(t, err, keypin.CodeWorkspaceForbidden)
}
