package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keypin/keypin/internal/keypin"
)

func userTests() []test {
	return []test{
		{"AUserIsFoundByIDAndBySubject", aUserIsFoundByIDAndBySubject},
		{"ASubjectHasOneUserOfEachIssuer", aSubjectHasOneUserOfEachIssuer},
		{"UpdateUserWritesTheProfileOnly", updateUserWritesTheProfileOnly},
	}
}

func aUserIsFoundByIDAndBySubject(t *testing.T, w *world) {
	user := w.user()
	bare := &keypin.User{ID: w.id(), Issuer: "urn:keypin:local", Subject: "email:名@example.com", CreatedAt: w.now}
	w.tx(func(tx keypin.Tx) error { return tx.InsertUser(t.Context(), bare) })
	for _, u := range []*keypin.User{user, bare} {
		wantFound(t, u)(w.store.User(t.Context(), u.ID))
		wantFound(t, u)(w.store.UserBySubject(t.Context(), u.Issuer, u.Subject))
	}
	wantNotFound(t, none(w.store.User(t.Context(), w.id())))
	wantNotFound(t, none(w.store.UserBySubject(t.Context(), user.Issuer, bare.Subject)))
	wantNotFound(t, none(w.store.UserBySubject(t.Context(), user.Subject, user.Issuer)))
}

func aSubjectHasOneUserOfEachIssuer(t *testing.T, w *world) {
	user, second, elsewhere := w.user(), w.newUser(), w.newUser()
	second.Subject, elsewhere.Subject, elsewhere.Issuer = user.Subject, user.Subject, "https://other.example"
	w.refused(keypin.CodeConflict, func(tx keypin.Tx) error { return tx.InsertUser(t.Context(), second) })
	w.tx(func(tx keypin.Tx) error { return tx.InsertUser(t.Context(), elsewhere) })
	wantFound(t, user)(w.store.UserBySubject(t.Context(), user.Issuer, user.Subject))
	wantFound(t, elsewhere)(w.store.UserBySubject(t.Context(), elsewhere.Issuer, elsewhere.Subject))
	wantNotFound(t, none(w.store.User(t.Context(), second.ID)))
}

func updateUserWritesTheProfileOnly(t *testing.T, w *world) {
	user, other := w.user(), w.user()
	changed := w.newUser()
	changed.ID, changed.FirstName, changed.ImageURL = user.ID, "", "https://img.example/new.png"
	w.tx(func(tx keypin.Tx) error { return tx.UpdateUser(t.Context(), changed) })
	want := *changed
	want.Issuer, want.Subject, want.CreatedAt = user.Issuer, user.Subject, user.CreatedAt
	wantFound(t, &want)(w.store.User(t.Context(), user.ID))
	wantFound(t, other)(w.store.User(t.Context(), other.ID))
	w.refused(keypin.CodeNotFound, func(tx keypin.Tx) error { return tx.UpdateUser(t.Context(), w.newUser()) })
}

func memberTests() []test {
	return []test{
		{"AMemberComesBackAsItWasWritten", aMemberComesBackAsItWasWritten},
		{"AUserHasOneMembershipARemovedOneToo", aUserHasOneMembership},
		{"UpdateMemberWritesItsFieldsAndNoOther", updateMemberWritesItsFieldsAndNoOther},
		{"MembersAreListedOldestFirstWithTheirProfiles", membersAreListedOldestFirst},
		{"ARemovedMemberIsFoundByItsUserOnly", aRemovedMemberIsFoundByItsUserOnly},
	}
}

// profiled is the member as the lists show it.
func profiled(member *keypin.Member, user *keypin.User) *keypin.Member {
	shown := *member
	shown.Email, shown.FirstName, shown.LastName, shown.ImageURL = user.Email, user.FirstName, user.LastName, user.ImageURL
	return &shown
}

// wantMember wants the member, with or without its user's profile.
func wantMember(t *testing.T, want *keypin.Member) func(*keypin.Member, error) {
	t.Helper()
	return func(got *keypin.Member, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("got %v", err)
			return
		}
		wantEqual(t, want, got, cmpopts.IgnoreFields(keypin.Member{}, "Email", "FirstName", "LastName", "ImageURL"))
	}
}

func aMemberComesBackAsItWasWritten(t *testing.T, w *world) {
	workspace, user, other := w.workspace(), w.user(), w.user()
	plain := w.member(workspace.ID, user.ID, keypin.RoleAdmin)
	full := w.newMember(workspace.ID, other.ID, keypin.RoleViewer)
	full.Source, full.IssuerRole = keypin.MemberIssuer, keypin.RoleEditor
	full.IssuerToldAt, full.LastActiveAt = pointer(w.after(-time.Second)), pointer(w.after(time.Second))
	w.tx(func(tx keypin.Tx) error { return tx.InsertMember(t.Context(), full) })
	wantMember(t, plain)(w.store.Member(t.Context(), workspace.ID, user.ID))
	wantMember(t, full)(w.store.Member(t.Context(), workspace.ID, other.ID))
	wantFound(t, profiled(full, other))(w.store.MemberByID(t.Context(), workspace.ID, full.ID))
	wantNotFound(t, none(w.store.Member(t.Context(), workspace.ID, w.id())))
	wantNotFound(t, none(w.store.MemberByID(t.Context(), workspace.ID, w.id())))
}

func aUserHasOneMembership(t *testing.T, w *world) {
	workspace, user := w.workspace(), w.user()
	member := w.member(workspace.ID, user.ID, keypin.RoleEditor)
	again := func(tx keypin.Tx) error {
		return tx.InsertMember(t.Context(), w.newMember(workspace.ID, user.ID, keypin.RoleAdmin))
	}
	w.refused(keypin.CodeConflict, again)
	member.RemovedAt = pointer(w.now)
	w.tx(func(tx keypin.Tx) error { return tx.UpdateMember(t.Context(), member) })
	w.refused(keypin.CodeConflict, again)
	wantMember(t, member)(w.store.Member(t.Context(), workspace.ID, user.ID))
}

func updateMemberWritesItsFieldsAndNoOther(t *testing.T, w *world) {
	workspace, user := w.workspace(), w.user()
	member := w.member(workspace.ID, user.ID, keypin.RoleAdmin)
	changed := w.newMember(workspace.ID, w.id(), keypin.RoleViewer)
	changed.ID, changed.Source, changed.IssuerRole = member.ID, keypin.MemberIssuer, keypin.RoleAdmin
	changed.IssuerToldAt, changed.LastActiveAt = pointer(w.after(time.Minute)), pointer(w.after(time.Hour))
	changed.CreatedAt = w.after(time.Hour)
	w.tx(func(tx keypin.Tx) error { return tx.UpdateMember(t.Context(), changed) })
	want := *changed
	want.UserID, want.CreatedAt = member.UserID, member.CreatedAt
	wantMember(t, &want)(w.store.Member(t.Context(), workspace.ID, user.ID))
	w.refused(keypin.CodeNotFound, func(tx keypin.Tx) error {
		return tx.UpdateMember(t.Context(), w.newMember(workspace.ID, user.ID, keypin.RoleAdmin))
	})
}

func membersAreListedOldestFirst(t *testing.T, w *world) {
	workspace := w.workspace()
	var want []keypin.Member
	for i := range 7 {
		user := w.user()
		member := w.newMember(workspace.ID, user.ID, keypin.RoleEditor)
		if i%2 == 0 {
			member.Role = keypin.RoleAdmin
		}
		member.CreatedAt = w.after(time.Duration(i/3) * time.Second) // some at the same instant
		if i == 4 {
			member.RemovedAt = pointer(w.now)
		} else {
			want = append(want, *profiled(member, user))
		}
		w.tx(func(tx keypin.Tx) error { return tx.InsertMember(t.Context(), member) })
	}
	for offset := range len(want) + 2 {
		got, total, err := w.store.Members(t.Context(), workspace.ID, keypin.Page{Offset: offset, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, want[min(offset, len(want)):min(offset+2, len(want))], got)
		wantEqual(t, len(want), total)
	}
	admins, err := w.store.CountAdmins(t.Context(), workspace.ID)
	wantCode(t, "", err)
	wantEqual(t, 3, admins)
}

func aRemovedMemberIsFoundByItsUserOnly(t *testing.T, w *world) {
	workspace, user := w.workspace(), w.user()
	member := w.member(workspace.ID, user.ID, keypin.RoleAdmin)
	member.RemovedAt = pointer(w.after(time.Minute))
	w.tx(func(tx keypin.Tx) error { return tx.UpdateMember(t.Context(), member) })
	wantMember(t, member)(w.store.Member(t.Context(), workspace.ID, user.ID))
	wantNotFound(t, none(w.store.MemberByID(t.Context(), workspace.ID, member.ID)))
	admins, err := w.store.CountAdmins(t.Context(), workspace.ID)
	wantCode(t, "", err)
	wantEqual(t, 0, admins)

	member.RemovedAt = nil
	w.tx(func(tx keypin.Tx) error { return tx.UpdateMember(t.Context(), member) })
	wantFound(t, profiled(member, user))(w.store.MemberByID(t.Context(), workspace.ID, member.ID))
}

func inviteTests() []test {
	return []test{
		{"AnInviteIsFoundByIDAndByToken", anInviteIsFoundByIDAndByToken},
		{"TheInvitesOfADeletedWorkspaceAreGone", theInvitesOfADeletedWorkspaceAreGone},
		{"UpdateInviteWritesItsFieldsAndNoOther", updateInviteWritesItsFieldsAndNoOther},
		{"PendingInvitesAreThoseThatCanBeAcceptedNow", pendingInvitesAreThoseThatCanBeAcceptedNow},
	}
}

func anInviteIsFoundByIDAndByToken(t *testing.T, w *world) {
	invite := w.invite(w.workspace().ID)
	wantFound(t, invite)(w.store.Invite(t.Context(), invite.WorkspaceID, invite.ID))
	wantFound(t, invite)(w.store.InviteByToken(t.Context(), invite.TokenHash))
	wantNotFound(t, none(w.store.Invite(t.Context(), invite.WorkspaceID, w.id())))
	wantNotFound(t, none(w.store.InviteByToken(t.Context(), w.hash())))
}

func theInvitesOfADeletedWorkspaceAreGone(t *testing.T, w *world) {
	workspace := w.workspace()
	invite := w.invite(workspace.ID)
	w.delete(workspace, w.after(time.Second))
	wantNotFound(t, none(w.store.InviteByToken(t.Context(), invite.TokenHash)))
}

func updateInviteWritesItsFieldsAndNoOther(t *testing.T, w *world) {
	invite := w.invite(w.workspace().ID)
	changed := w.newInvite(invite.WorkspaceID)
	changed.ID, changed.Role = invite.ID, keypin.RoleAdmin
	changed.AcceptedAt, changed.RevokedAt = pointer(w.after(time.Hour)), pointer(w.after(2*time.Hour))
	w.tx(func(tx keypin.Tx) error { return tx.UpdateInvite(t.Context(), changed) })
	want := *invite
	want.Role, want.AcceptedAt, want.RevokedAt = changed.Role, changed.AcceptedAt, changed.RevokedAt
	wantFound(t, &want)(w.store.Invite(t.Context(), invite.WorkspaceID, invite.ID))
	wantFound(t, &want)(w.store.InviteByToken(t.Context(), invite.TokenHash))
	w.refused(keypin.CodeNotFound, func(tx keypin.Tx) error { return tx.UpdateInvite(t.Context(), w.newInvite(invite.WorkspaceID)) })
}

func pendingInvitesAreThoseThatCanBeAcceptedNow(t *testing.T, w *world) {
	workspace := w.workspace().ID
	expiry := w.after(time.Hour)
	var want []keypin.Invite
	for i := range 9 {
		invite := w.newInvite(workspace)
		invite.CreatedAt = w.after(time.Duration(i/2) * time.Second)
		switch i {
		case 1:
			invite.AcceptedAt = pointer(w.now)
		case 2:
			invite.RevokedAt = pointer(w.now)
		case 3:
			invite.ExpiresAt = expiry
		case 4:
			invite.ExpiresAt = expiry.Add(time.Microsecond)
		}
		if invite.Status(expiry) == keypin.InvitePending {
			want = append(want, *invite)
		}
		w.tx(func(tx keypin.Tx) error { return tx.InsertInvite(t.Context(), invite) })
	}
	wantEqual(t, 6, len(want))
	for offset := range len(want) + 2 {
		got, total, err := w.store.PendingInvites(t.Context(), workspace, expiry, keypin.Page{Offset: offset, Limit: 4})
		if err != nil {
			t.Fatal(err)
		}
		wantEqual(t, want[min(offset, len(want)):min(offset+4, len(want))], got)
		wantEqual(t, len(want), total)
	}
}
