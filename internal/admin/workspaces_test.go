package admin_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

func TestANewWorkspacesSlugIsTheOneAskedForOrMadeOfItsName(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	slug := func(in admin.NewWorkspace) string {
		got, err := w.CreateWorkspace(t.Context(), call, in)
		must(t, err)
		return got.Workspace.Slug
	}
	equal(t, slug(admin.NewWorkspace{Name: "Team A", Slug: "team"}), "team")
	equal(t, slug(admin.NewWorkspace{Name: "Team"}), "team-2")
	equal(t, slug(admin.NewWorkspace{Name: "Team"}), "team-3")
	long := strings.Repeat("long ", 20)
	for range 8 {
		if _, err := keypin.ParseSlug(slug(admin.NewWorkspace{Name: long})); err != nil {
			t.Error(err)
		}
	}
	_, err := w.CreateWorkspace(t.Context(), call, admin.NewWorkspace{Name: "n", Slug: "team"})
	expect(t, err, keypin.CodeSlugTaken)
	for slug, want := range map[string]bool{"team": false, "free": true} {
		got, err := w.SlugAvailable(t.Context(), call, slug)
		must(t, err)
		equal(t, got, want)
	}
}

func TestTheCreatorOfAWorkspaceIsItsAdmin(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	w.advance(time.Second) // the list has an order
	created, err := w.CreateWorkspace(t.Context(), call, admin.NewWorkspace{Name: "n", ColorIdx: 3})
	must(t, err)
	who, err := w.WhoAmI(t.Context(), in(call, created.Workspace.ID))
	must(t, err)
	equal(t, who.Role, keypin.RoleAdmin)
	list, total, err := w.Workspaces(t.Context(), call, keypin.Page{Limit: 10})
	must(t, err)
	equal(t, total, 2)
	equal(t, list[1], created.Workspace)
}

func TestAKeySeesItsOwnWorkspaceOnly(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	_, err := w.CreateWorkspace(t.Context(), call, admin.NewWorkspace{Name: "other"})
	must(t, err)
	key := w.keyCall(w.create(call, keypin.ScopeWorkspaceRead))
	list, total, err := w.Workspaces(t.Context(), key, keypin.Page{Limit: 10})
	must(t, err)
	equal(t, total, 1)
	equal(t, list[0].ID, *call.Workspace)
	list, total, err = w.Workspaces(t.Context(), key, keypin.Page{Offset: 1, Limit: 10})
	must(t, err)
	equal(t, []int{len(list), total}, []int{0, 1})
}

func TestAWorkspacesPatchAndSettingsChangeWhatTheyName(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	before, err := w.Workspace(t.Context(), call)
	must(t, err)
	rows := len(w.audit(before.ID))
	w.advance(time.Minute)
	same, err := w.UpdateWorkspace(t.Context(), call, admin.WorkspacePatch{Name: &before.Name})
	must(t, err)
	equal(t, same, before)
	none, err := w.UpdateSettings(t.Context(), call, admin.SettingsPatch{})
	must(t, err)
	equal(t, none, keypin.Settings{})
	equal(t, len(w.audit(before.ID)), rows)

	name, color, slug, language, theme := "renamed", 6, "renamed", "en", "dark"
	_, err = w.UpdateWorkspace(t.Context(), call, admin.WorkspacePatch{Name: &name, ColorIdx: &color, Slug: &slug})
	must(t, err)
	_, err = w.UpdateSettings(t.Context(), call, admin.SettingsPatch{DefaultLanguage: &language})
	must(t, err)
	settings, err := w.UpdateSettings(t.Context(), call, admin.SettingsPatch{Theme: &theme})
	must(t, err)
	equal(t, settings, keypin.Settings{DefaultLanguage: language, Theme: theme})
	want := before
	want.Name, want.ColorIdx, want.Slug, want.Settings, want.UpdatedAt = name, color, slug, settings, w.now()
	got, err := w.Workspace(t.Context(), call)
	must(t, err)
	equal(t, got, want)
	equal(t, w.actions(before.ID), []string{"workspace.settings.update", "workspace.settings.update", "workspace.update"})
	other, err := w.CreateWorkspace(t.Context(), call, admin.NewWorkspace{Name: "n"})
	must(t, err)
	_, err = w.UpdateWorkspace(t.Context(), call, admin.WorkspacePatch{Slug: &other.Workspace.Slug})
	expect(t, err, keypin.CodeSlugTaken)
}

func TestDeletingAWorkspaceRevokesItsKeys(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	key := w.create(call, keypin.ScopeKeysWrite)
	caller := w.keyCall(key)
	w.advance(time.Second)
	deleted, err := w.DeleteWorkspace(t.Context(), call)
	must(t, err)
	equal(t, w.dropped.workspaces, []keypin.ID{deleted.ID})
	stored, err := w.store.KeyByHash(t.Context(), key.Hash)
	must(t, err)
	equal(t, stored.State(w.now()), keypin.KeyRevoked)
	_, err = w.CreateKey(t.Context(), caller, admin.NewKey{Name: "n"})
	expect(t, err, keypin.CodeUnauthorized)
	equal(t, w.actions(deleted.ID), []string{"workspace.delete"})
}

func TestTheAuditTellsWhoDidWhatFromWhereAndNoSecret(t *testing.T) {
	t.Parallel()
	w, call := owner(t)
	issued, err := w.CreateKey(t.Context(), under(call, "an-idempotency-key"), admin.NewKey{Name: "n"})
	must(t, err)
	name := "renamed"
	_, err = w.UpdateKey(t.Context(), call, issued.Key.ID, admin.KeyPatch{Name: &name})
	must(t, err)
	rotated := w.rotate(call, issued.Key.ID, admin.Rotation{})
	_, err = w.RevokeKey(t.Context(), call, rotated.New.Key.ID)
	must(t, err)
	invited, err := w.CreateInvite(t.Context(), call, "a@example.com", keypin.RoleViewer)
	must(t, err)
	entries := w.audit(*call.Workspace)
	equal(t, w.actions(*call.Workspace), []string{
		"api_key.create", "api_key.revoke", "api_key.rotate", "api_key.update", "invite.create", "workspace.create",
	})
	update := w.row(*call.Workspace, "api_key.update")
	equal(t, update.ActorUserID, call.Principal.UserID)
	equal(t, update.ActorKind, keypin.AuthSession)
	equal(t, update.TargetKind, "api_key")
	equal(t, update.TargetID, issued.Key.ID)
	equal(t, update.Origin, call.Origin)
	if !bytes.Contains(update.Before, []byte(`"name":"n"`)) || !bytes.Contains(update.After, []byte(`"name":"renamed"`)) {
		t.Errorf("before %s, after %s", update.Before, update.After)
	}
	secrets := []string{
		issued.Secret.Reveal(), rotated.New.Secret.Reveal(), invited.Token.Reveal(), "an-idempotency-key",
		"Hash", "hash", string(issued.Key.Hash[:]),
	}
	for _, e := range entries {
		for _, secret := range secrets {
			if bytes.Contains(e.Before, []byte(secret)) || bytes.Contains(e.After, []byte(secret)) {
				t.Errorf("%s tells a secret: %s %s", e.Action, e.Before, e.After)
			}
		}
	}
}
