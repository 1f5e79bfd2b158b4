package admin_test

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

func TestTheLastAdminStays(t *testing.T) {
	t.Parallel()
	w, call := team(t)
	self := w.member(call, *call.Workspace).ID
	_, err := w.UpdateMember(t.Context(), call, self, keypin.RoleEditor)
	expect(t, err, keypin.CodeConflict)
	_, err = w.RemoveMember(t.Context(), call, self)
	expect(t, err, keypin.CodeConflict)
	_, err = w.UpdateMember(t.Context(), call, self, keypin.RoleAdmin)
	expect(t, err, ok)

	editor := w.join(call, "editor@example.com", keypin.RoleEditor)
	promoted, err := w.UpdateMember(t.Context(), call, w.member(editor, *call.Workspace).ID, keypin.RoleAdmin)
	must(t, err)
	equal(t, promoted.Role, keypin.RoleAdmin)
	equal(t, promoted.Email, "editor@example.com")
	_, err = w.RemoveMember(t.Context(), editor, self)
	expect(t, err, ok)
	_, err = w.WhoAmI(t.Context(), call)
	expect(t, err, keypin.CodeWorkspaceForbidden)
	_, err = w.RemoveMember(t.Context(), editor, self)
	expect(t, err, keypin.CodeNotFound)
}

// team is owner with a workspace that is nobody's own.
func team(t *testing.T) (*world, admin.Call) {
	t.Helper()
	w, call := owner(t)
	created, err := w.CreateWorkspace(t.Context(), call, admin.NewWorkspace{Name: "Team"})
	must(t, err)
	return w, in(call, created.Workspace.ID)
}

func TestThePersonalWorkspaceKeepsItsOwnerAsAnAdmin(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	second := w.join(call, "second@example.com", keypin.RoleAdmin)
	before := w.member(call, *call.Workspace)
	for _, caller := range []admin.Call{call, second} {
		_, err := w.UpdateMember(t.Context(), caller, before.ID, keypin.RoleViewer)
		expect(t, err, keypin.CodeConflict)
		_, err = w.RemoveMember(t.Context(), caller, before.ID)
		expect(t, err, keypin.CodeConflict)
	}
	equal(t, w.member(call, *call.Workspace), before)
}

func TestMembersOfAnotherWorkspaceAreNotFound(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	stranger := c.session("stranger@example.com")
	_, err := c.UpdateMember(t.Context(), stranger, c.memberID("viewer@example.com"), keypin.RoleAdmin)
	expect(t, err, keypin.CodeNotFound)
	_, err = c.RemoveMember(t.Context(), stranger, c.memberID("viewer@example.com"))
	expect(t, err, keypin.CodeNotFound)
}

func TestTheListOfMembersEndsWithThePendingInvites(t *testing.T) {
	t.Parallel()
	c := newCast(t)
	for _, email := range []string{"x@example.com", "y@example.com"} {
		c.advance(time.Second)
		_, err := c.CreateInvite(t.Context(), c.admin, email, keypin.RoleViewer)
		must(t, err)
	}
	everyone := []string{"admin@example.com", "editor@example.com", "viewer@example.com", "x@example.com", "y@example.com"}
	for offset := range 7 {
		for limit := 1; limit <= 6; limit++ {
			entries, total, err := c.Members(t.Context(), c.viewer, keypin.Page{Offset: offset, Limit: limit})
			must(t, err)
			equal(t, total, len(everyone))
			var got, want []string
			for _, e := range entries {
				if e.Member != nil {
					got = append(got, e.Member.Email)
				} else {
					got = append(got, e.Invite.Email)
				}
			}
			want = append(want, everyone[min(offset, 5):min(offset+limit, 5)]...)
			equal(t, got, want)
		}
	}
}

func TestAnInviteMakesAMemberOnce(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	invited, err := w.CreateInvite(t.Context(), call, "guest@example.com", keypin.RoleEditor)
	must(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(invited.Token.Reveal())
	must(t, err)
	equal(t, len(raw), 32)
	stored, err := w.store.Invite(t.Context(), *call.Workspace, invited.Invite.ID)
	must(t, err)
	equal(t, stored.TokenHash, sha256.Sum256([]byte(invited.Token.Reveal())))
	equal(t, stored.ExpiresAt, w.now().Add(14*24*time.Hour))

	guest := w.session("GUEST@example.com")
	member, workspace, err := w.AcceptInvite(t.Context(), guest, invited.Token)
	must(t, err)
	equal(t, member.Role, keypin.RoleEditor)
	equal(t, member.Email, "GUEST@example.com")
	equal(t, workspace.ID, *call.Workspace)
	who, err := w.WhoAmI(t.Context(), in(guest, workspace.ID))
	must(t, err)
	equal(t, who.Role, keypin.RoleEditor)
	entry := w.row(workspace.ID, "invite.accept")
	equal(t, entry.ActorUserID, guest.Principal.UserID)

	_, _, err = w.AcceptInvite(t.Context(), guest, invited.Token)
	expect(t, err, keypin.CodeGone)
	_, total, err := w.Invites(t.Context(), call, keypin.Page{Limit: 10})
	must(t, err)
	equal(t, total, 0)
}

func TestAnInviteThatIsNotPendingIsGone(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	guest := w.session("guest@example.com")
	invite := func() admin.Invited {
		invited, err := w.CreateInvite(t.Context(), call, "guest@example.com", keypin.RoleViewer)
		must(t, err)
		return invited
	}
	accept := func(i admin.Invited) error { _, _, err := w.AcceptInvite(t.Context(), guest, i.Token); return err }

	revoked := invite()
	first, err := w.RevokeInvite(t.Context(), call, revoked.Invite.ID)
	must(t, err)
	w.advance(time.Second)
	again, err := w.RevokeInvite(t.Context(), call, revoked.Invite.ID)
	must(t, err)
	equal(t, again, first)
	expect(t, accept(revoked), keypin.CodeGone)

	expired := invite()
	w.advance(keypin.InviteLifetime)
	expect(t, accept(expired), keypin.CodeGone)
	_, err = w.RevokeInvite(t.Context(), call, expired.Invite.ID)
	expect(t, err, keypin.CodeGone)

	used := invite()
	changed, err := w.UpdateInvite(t.Context(), call, used.Invite.ID, keypin.RoleEditor)
	must(t, err)
	equal(t, changed.Role, keypin.RoleEditor)
	must(t, accept(used))
	_, err = w.RevokeInvite(t.Context(), call, used.Invite.ID)
	expect(t, err, keypin.CodeGone)
	for _, i := range []admin.Invited{revoked, expired, used} {
		_, err := w.UpdateInvite(t.Context(), call, i.Invite.ID, keypin.RoleAdmin)
		expect(t, err, keypin.CodeGone)
	}
	expect(t, accept(admin.Invited{Token: keypin.NewSecret("never made")}), keypin.CodeNotFound)
	stranger := w.session("stranger@example.com")
	_, err = w.UpdateInvite(t.Context(), stranger, used.Invite.ID, keypin.RoleAdmin)
	expect(t, err, keypin.CodeNotFound)
	_, err = w.RevokeInvite(t.Context(), stranger, used.Invite.ID)
	expect(t, err, keypin.CodeNotFound)
}

func TestAnInviteIsForItsAddress(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	invited, err := w.CreateInvite(t.Context(), call, "guest@example.com", keypin.RoleViewer)
	must(t, err)
	_, _, err = w.AcceptInvite(t.Context(), w.session("thief@example.com"), invited.Token)
	expect(t, err, forbidden)
	unverified := w.signIn(keypin.Identity{Issuer: issuer, Subject: "not verified", EmailUnverified: true})
	_, _, err = w.AcceptInvite(t.Context(), unverified, invited.Token)
	expect(t, err, forbidden)
	silent := w.signIn(keypin.Identity{Issuer: issuer, Subject: "tells no e-mail"})
	_, _, err = w.AcceptInvite(t.Context(), silent, invited.Token)
	expect(t, err, ok)
}

func TestAMembersInviteStaysUnused(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	guest := w.join(call, "guest@example.com", keypin.RoleViewer)
	invited, err := w.CreateInvite(t.Context(), call, "guest@example.com", keypin.RoleAdmin)
	must(t, err)
	_, _, err = w.AcceptInvite(t.Context(), guest, invited.Token)
	expect(t, err, keypin.CodeConflict)
	member, err := w.store.Member(t.Context(), *call.Workspace, guest.Principal.UserID)
	must(t, err)
	equal(t, member.Role, keypin.RoleViewer)

	// Removed, the same invite is gone, and a new one brings them back.
	_, err = w.RemoveMember(t.Context(), call, member.ID)
	must(t, err)
	_, _, err = w.AcceptInvite(t.Context(), guest, invited.Token)
	expect(t, err, keypin.CodeGone)
	invited, err = w.CreateInvite(t.Context(), call, "guest@example.com", keypin.RoleAdmin)
	must(t, err)
	back, _, err := w.AcceptInvite(t.Context(), guest, invited.Token)
	must(t, err)
	equal(t, back.ID, member.ID)
	equal(t, back.Role, keypin.RoleAdmin)
}

func TestWhoLeftTheOrganisationCanBeInvited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.orgSession("boss@example.com", "acme", keypin.RoleAdmin)
	ws := w.workspaceOf(boss)
	w.workspaceOf(w.orgSession("left@example.com", "acme", keypin.RoleEditor))
	invited, err := w.CreateInvite(t.Context(), boss, "left@example.com", keypin.RoleViewer)
	must(t, err)
	left := w.session("left@example.com")
	_, err = w.WhoAmI(t.Context(), in(left, ws))
	expect(t, err, keypin.CodeWorkspaceForbidden)
	member, _, err := w.AcceptInvite(t.Context(), left, invited.Token)
	must(t, err)
	equal(t, member.Source, keypin.MemberLocal)
	who, err := w.WhoAmI(t.Context(), in(left, ws))
	must(t, err)
	equal(t, who.Role, keypin.RoleViewer)

	// The only admin does not give the role up by accepting less.
	own, err := w.CreateInvite(t.Context(), boss, "boss@example.com", keypin.RoleViewer)
	must(t, err)
	_, _, err = w.AcceptInvite(t.Context(), w.session("boss@example.com"), own.Token)
	expect(t, err, keypin.CodeConflict)
}

// invitesOf names, sorted, the addresses of the pending invites.
func (w *world) invitesOf(call admin.Call) []string {
	w.t.Helper()
	invites, _, err := w.Invites(w.t.Context(), call, keypin.Page{Limit: 100})
	must(w.t, err)
	var emails []string
	for _, i := range invites {
		emails = append(emails, i.Email)
	}
	slices.Sort(emails)
	return emails
}

func TestWhoIsRemovedOrDemotedLeavesNoInviteBehind(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world, admin.Call, keypin.ID) error{
		"removed": func(w *world, call admin.Call, id keypin.ID) error {
			_, err := w.RemoveMember(w.t.Context(), call, id)
			return err
		},
		"demoted": func(w *world, call admin.Call, id keypin.ID) error {
			_, err := w.UpdateMember(w.t.Context(), call, id, keypin.RoleEditor)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, call := owner(t)
			second := w.join(call, "Second@example.com", keypin.RoleAdmin)
			for _, each := range []struct {
				from admin.Call
				to   string
			}{{call, "kept@example.com"}, {call, "second@example.com"}, {second, "friend@example.com"}, {second, "second@example.com"}} {
				_, err := w.CreateInvite(t.Context(), each.from, each.to, keypin.RoleAdmin)
				must(t, err)
			}
			w.advance(time.Second)
			must(t, change(w, call, w.member(second, *call.Workspace).ID))
			equal(t, w.invitesOf(call), []string{"kept@example.com"})
			equal(t, w.actions(*call.Workspace)[:3], []string{"invite.revoke", "invite.revoke", "invite.revoke"})
		})
	}
}

func TestAnInviteOfWhoIsNoAdminAnyMoreIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.orgSession("boss@example.com", "acme", keypin.RoleAdmin)
	ws := w.workspaceOf(boss)
	var invites []admin.Invited
	for range 101 { // more than a page
		invited, err := w.CreateInvite(t.Context(), boss, "guest@example.com", keypin.RoleAdmin)
		must(t, err)
		invites = append(invites, invited)
	}
	other := w.orgSession("other@example.com", "acme", keypin.RoleAdmin)
	equal(t, w.workspaceOf(other), ws)
	// The membership changes behind the service's back, so that the invites stay.
	before, now := w.member(boss, ws), w.now()
	removed, demoted := before, before
	removed.RemovedAt, demoted.Role = &now, keypin.RoleEditor
	guest := w.session("guest@example.com")
	for _, m := range []keypin.Member{removed, demoted} {
		must(t, w.store.Tx(t.Context(), func(tx keypin.Tx) error { return tx.UpdateMember(t.Context(), &m) }))
		_, _, err := w.AcceptInvite(t.Context(), guest, invites[0].Token)
		expect(t, err, keypin.CodeGone)
	}

	_, err := w.RemoveMember(t.Context(), other, demoted.ID)
	must(t, err)
	_, total, err := w.Invites(t.Context(), other, keypin.Page{Limit: 1})
	must(t, err)
	equal(t, total, 0)
}

func TestWhoTheIssuerDemotesLeavesNoInviteBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.orgSession("boss@example.com", "acme", keypin.RoleAdmin)
	w.workspaceOf(boss)
	_, err := w.CreateInvite(t.Context(), boss, "friend@example.com", keypin.RoleAdmin)
	must(t, err)
	w.advance(time.Second)
	demoted := w.orgSession("boss@example.com", "acme", keypin.RoleEditor)
	equal(t, w.invitesOf(demoted), []string(nil))
}

func TestWhoBecomesLessByAnInviteLeavesNoInviteBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boss := w.orgSession("boss@example.com", "acme", keypin.RoleAdmin)
	ws := w.workspaceOf(boss)
	left := w.orgSession("left@example.com", "acme", keypin.RoleAdmin)
	equal(t, w.workspaceOf(left), ws)
	for _, each := range []struct {
		from admin.Call
		to   string
	}{{boss, "kept@example.com"}, {left, "friend@example.com"}} {
		_, err := w.CreateInvite(t.Context(), each.from, each.to, keypin.RoleAdmin)
		must(t, err)
	}
	w.join(boss, "left@example.com", keypin.RoleViewer)
	equal(t, w.invitesOf(boss), []string{"kept@example.com"})
}

func TestAcceptingOneInviteRevokesTheOthersToTheAddress(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	for _, email := range []string{"guest@example.com", "kept@example.com", "guest@example.com"} {
		_, err := w.CreateInvite(t.Context(), call, email, keypin.RoleAdmin)
		must(t, err)
	}
	w.advance(time.Second)
	guest := w.join(call, "guest@example.com", keypin.RoleViewer)
	equal(t, w.invitesOf(call), []string{"kept@example.com"})
	equal(t, w.actions(*call.Workspace), []string{"invite.accept", "invite.create", "invite.revoke", "invite.revoke"})
	equal(t, w.member(guest, *call.Workspace).Role, keypin.RoleViewer)
}

func TestAnInviteToADeletedWorkspaceIsNotFound(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	invited, err := w.CreateInvite(t.Context(), call, "guest@example.com", keypin.RoleViewer)
	must(t, err)
	_, err = w.DeleteWorkspace(t.Context(), call)
	must(t, err)
	_, _, err = w.AcceptInvite(t.Context(), w.session("guest@example.com"), invited.Token)
	expect(t, err, keypin.CodeNotFound)
}
