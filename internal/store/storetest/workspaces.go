package storetest

import (
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

func workspaceTests() []test {
	return []test{
		{"AWorkspaceComesBackAsItWasWritten", aWorkspaceComesBackAsItWasWritten},
		{"ASlugBelongsToOneWorkspaceThatIsNotDeleted", aSlugBelongsToOneWorkspace},
		{"AUserHasOneOwnWorkspaceThatIsNotDeleted", aUserHasOneOwnWorkspace},
		{"AnOrganisationHasOneWorkspaceThatIsNotDeleted", anOrganisationHasOneWorkspace},
		{"ManyWorkspacesAreBoundToNoOrganisation", manyWorkspacesAreBoundToNoOrganisation},
		{"UpdateWorkspaceWritesItsFieldsAndNoOther", updateWorkspaceWritesItsFieldsAndNoOther},
		{"ADeletedWorkspaceIsNotFound", aDeletedWorkspaceIsNotFound},
		{"WorkspacesOfListsTheMembershipsThatHold", workspacesOfListsTheMembershipsThatHold},
	}
}

func aWorkspaceComesBackAsItWasWritten(t *testing.T, w *world) {
	user := w.user()
	full := w.newWorkspace()
	full.PersonalOf, full.OrgIssuer, full.OrgID = &user.ID, "https://issuer.example", "org_1"
	w.tx(func(tx keypin.Tx) error { return tx.InsertWorkspace(t.Context(), full) })
	plain := w.workspace()
	wantFound(t, full)(w.store.Workspace(t.Context(), full.ID))
	wantFound(t, plain)(w.store.Workspace(t.Context(), plain.ID))
	wantFound(t, full)(w.store.PersonalWorkspace(t.Context(), user.ID))
	wantFound(t, full)(w.store.OrgWorkspace(t.Context(), full.OrgIssuer, full.OrgID))

	wantNotFound(t, none(w.store.Workspace(t.Context(), w.id())))
	wantNotFound(t, none(w.store.PersonalWorkspace(t.Context(), w.id())))
	wantNotFound(t, none(w.store.OrgWorkspace(t.Context(), full.OrgIssuer, "org_2")))
	wantNotFound(t, none(w.store.OrgWorkspace(t.Context(), "https://other.example", full.OrgID)))
	wantNotFound(t, none(w.store.OrgWorkspace(t.Context(), "", "")))
}

// wantSlug wants to know whether the slug is taken.
func (w *world) wantSlug(taken bool, slug string) {
	w.t.Helper()
	got, err := w.store.SlugTaken(w.t.Context(), slug)
	wantCode(w.t, "", err)
	wantEqual(w.t, taken, got)
}

func aSlugBelongsToOneWorkspace(t *testing.T, w *world) {
	workspace, other, second := w.workspace(), w.workspace(), w.newWorkspace()
	second.Slug = workspace.Slug
	w.wantSlug(true, workspace.Slug)
	w.wantSlug(false, "free")
	w.refused(keypin.CodeSlugTaken, func(tx keypin.Tx) error { return tx.InsertWorkspace(t.Context(), second) })
	renamed := *other
	renamed.Slug = workspace.Slug
	w.refused(keypin.CodeSlugTaken, func(tx keypin.Tx) error { return tx.UpdateWorkspace(t.Context(), &renamed) })
	wantFound(t, other)(w.store.Workspace(t.Context(), other.ID))

	w.delete(workspace, w.after(time.Second))
	w.wantSlug(false, workspace.Slug)
	w.tx(func(tx keypin.Tx) error { return tx.InsertWorkspace(t.Context(), second) })
	w.wantSlug(true, workspace.Slug)
}

func aUserHasOneOwnWorkspace(t *testing.T, w *world) {
	user := w.user()
	first, second := w.newWorkspace(), w.newWorkspace()
	first.PersonalOf, second.PersonalOf = &user.ID, &user.ID
	insert := func(workspace *keypin.Workspace) func(keypin.Tx) error {
		return func(tx keypin.Tx) error { return tx.InsertWorkspace(t.Context(), workspace) }
	}
	w.tx(insert(first))
	w.refused(keypin.CodeConflict, insert(second))
	w.delete(first, w.after(time.Second))
	wantNotFound(t, none(w.store.PersonalWorkspace(t.Context(), user.ID)))
	w.tx(insert(second))
	wantFound(t, second)(w.store.PersonalWorkspace(t.Context(), user.ID))
}

func anOrganisationHasOneWorkspace(t *testing.T, w *world) {
	first, second, elsewhere := w.newWorkspace(), w.newWorkspace(), w.newWorkspace()
	for _, workspace := range []*keypin.Workspace{first, second, elsewhere} {
		workspace.OrgIssuer, workspace.OrgID = "https://issuer.example", "org_1"
	}
	elsewhere.OrgIssuer = "https://other.example"
	insert := func(workspace *keypin.Workspace) func(keypin.Tx) error {
		return func(tx keypin.Tx) error { return tx.InsertWorkspace(t.Context(), workspace) }
	}
	w.tx(insert(first))
	w.tx(insert(elsewhere))
	w.refused(keypin.CodeConflict, insert(second))
	w.delete(first, w.after(time.Second))
	wantNotFound(t, none(w.store.OrgWorkspace(t.Context(), first.OrgIssuer, first.OrgID)))
	w.tx(insert(second))
	wantFound(t, second)(w.store.OrgWorkspace(t.Context(), second.OrgIssuer, second.OrgID))
	wantFound(t, elsewhere)(w.store.OrgWorkspace(t.Context(), elsewhere.OrgIssuer, elsewhere.OrgID))
}

func manyWorkspacesAreBoundToNoOrganisation(t *testing.T, w *world) {
	first, second := w.workspace(), w.workspace()
	wantFound(t, first)(w.store.Workspace(t.Context(), first.ID))
	wantFound(t, second)(w.store.Workspace(t.Context(), second.ID))
}

func updateWorkspaceWritesItsFieldsAndNoOther(t *testing.T, w *world) {
	workspace, other := w.workspace(), w.workspace()
	user := w.user()
	changed := w.newWorkspace()
	changed.ID, changed.Name, changed.ColorIdx, changed.Settings = workspace.ID, "Новое", 6, keypin.Settings{}
	changed.PersonalOf, changed.OrgIssuer, changed.OrgID = &user.ID, "https://issuer.example", "org_1"
	changed.CreatedAt, changed.UpdatedAt = w.after(time.Hour), w.after(time.Hour)
	w.tx(func(tx keypin.Tx) error { return tx.UpdateWorkspace(t.Context(), changed) })
	want := *changed
	want.CreatedBy, want.CreatedAt, want.PersonalOf, want.OrgIssuer, want.OrgID = workspace.CreatedBy, workspace.CreatedAt, nil, "", ""
	wantFound(t, &want)(w.store.Workspace(t.Context(), workspace.ID))
	wantFound(t, other)(w.store.Workspace(t.Context(), other.ID))
	w.refused(keypin.CodeNotFound, func(tx keypin.Tx) error { return tx.UpdateWorkspace(t.Context(), w.newWorkspace()) })
}

func aDeletedWorkspaceIsNotFound(t *testing.T, w *world) {
	workspace := w.workspace()
	w.delete(workspace, w.after(time.Second))
	wantNotFound(t, none(w.store.Workspace(t.Context(), workspace.ID)))
	w.refused(keypin.CodeNotFound, func(tx keypin.Tx) error { return tx.UpdateWorkspace(t.Context(), workspace) })
}

func workspacesOfListsTheMembershipsThatHold(t *testing.T, w *world) {
	const issuer = "https://issuer.example"
	user, stranger := w.user(), w.user()
	join := func(name string, member func(*keypin.Member), workspace func(*keypin.Workspace)) keypin.Workspace {
		joined := w.newWorkspace()
		joined.Name, joined.CreatedAt = name, w.after(time.Duration(w.serial/8)*time.Second)
		if workspace != nil {
			workspace(joined)
		}
		m := w.newMember(joined.ID, user.ID, keypin.RoleViewer)
		if member != nil {
			member(m)
		}
		w.tx(func(tx keypin.Tx) error {
			if err := tx.InsertWorkspace(t.Context(), joined); err != nil {
				return err
			}
			return tx.InsertMember(t.Context(), m)
		})
		return *joined
	}
	ofIssuer := func(m *keypin.Member) { m.Source, m.IssuerRole = keypin.MemberIssuer, keypin.RoleViewer }
	bound := func(org string) func(*keypin.Workspace) {
		return func(joined *keypin.Workspace) { joined.OrgIssuer, joined.OrgID = issuer, org }
	}
	first := join("first", nil, nil)
	org1 := join("org 1", ofIssuer, bound("org_1"))
	org2 := join("org 2", ofIssuer, bound("org_2"))
	local := join("a local member of an organisation's", nil, bound("org_3"))
	join("removed", func(m *keypin.Member) { m.RemovedAt = pointer(w.now) }, nil)
	gone := join("deleted", nil, nil)
	w.delete(&gone, w.after(time.Second))
	join("an issuer's without an organisation", ofIssuer, nil)
	w.member(first.ID, stranger.ID, keypin.RoleAdmin)

	for name, c := range map[string]struct {
		issuer, org string
		want        []keypin.Workspace
	}{
		"no organisation":       {"", "", []keypin.Workspace{first, local}},
		"the first":             {issuer, "org_1", []keypin.Workspace{first, org1, local}},
		"the second":            {issuer, "org_2", []keypin.Workspace{first, org2, local}},
		"one of another issuer": {"https://other.example", "org_1", []keypin.Workspace{first, local}},
	} {
		t.Run(name, func(t *testing.T) {
			for offset := range len(c.want) + 2 {
				got, total, err := w.store.WorkspacesOf(t.Context(), user.ID, c.issuer, c.org, keypin.Page{Offset: offset, Limit: 2})
				wantCode(t, "", err)
				wantEqual(t, c.want[min(offset, len(c.want)):min(offset+2, len(c.want))], got)
				wantEqual(t, len(c.want), total)
			}
		})
	}
}
