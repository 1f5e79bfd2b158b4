package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

// WorkspaceFields is a workspace as it is shown. Like KeyFields it is exported to be
// described where it is embedded.
type WorkspaceFields struct {
	ID        keypin.ID `json:"id" format:"uuid" doc:"The workspace's id." example:"7c9e6679-7425-40de-944b-e07fc1f90ae7"`
	Name      string    `json:"name" doc:"1 to 200 characters." example:"Acme"`
	Slug      string    `json:"slug" doc:"The short name, unique in the service." example:"acme"`
	ColorIdx  int       `json:"color_idx" minimum:"0" maximum:"6" doc:"The workspace's colour." example:"0"`
	CreatedBy keypin.ID `json:"created_by" format:"uuid" doc:"The user who made it." example:"1c9e6679-7425-40de-944b-e07fc1f90b12"`
	CreatedAt time.Time `json:"created_at" doc:"When it was made." example:"2026-01-15T09:30:00Z"`
	UpdatedAt time.Time `json:"updated_at" doc:"When it was last changed." example:"2026-04-25T12:00:00Z"`
}

func showWorkspace(w *keypin.Workspace) WorkspaceFields {
	return WorkspaceFields{ID: w.ID, Name: w.Name, Slug: w.Slug, ColorIdx: w.ColorIdx,
		CreatedBy: w.CreatedBy, CreatedAt: w.CreatedAt, UpdatedAt: w.UpdatedAt}
}

type deletedWorkspace struct {
	WorkspaceFields
	Deleted bool `json:"deleted" doc:"Always true." example:"true"`
}

type settingsFields struct {
	DefaultLanguage *string `json:"default_language" nullable:"true" doc:"A language tag such as en or pt-BR; null = not set." example:"en"`
	Theme           *string `json:"theme" nullable:"true" enum:"light,dark,system" doc:"The pages' colours; null = not set." example:"system"`
}

func showSettings(s keypin.Settings) settingsFields {
	var f settingsFields
	if s.DefaultLanguage != "" {
		f.DefaultLanguage = &s.DefaultLanguage
	}
	if s.Theme != "" {
		f.Theme = &s.Theme
	}
	return f
}

type slugAvailability struct {
	Slug      string `json:"slug" doc:"The slug that was asked about." example:"acme"`
	Available bool   `json:"available" doc:"Whether no workspace has it." example:"true"`
}

// WorkspacePath names a workspace.
type WorkspacePath struct {
	WorkspaceID keypin.ID `path:"workspace_id" format:"uuid" doc:"The workspace's id." example:"7c9e6679-7425-40de-944b-e07fc1f90ae7"`
}

func (a *API) registerWorkspaces() {
	route(a, operation("list-workspaces", http.MethodGet, "/api/v1/workspaces", "List workspaces",
		"Lists the workspaces that the caller is a member of, oldest first. A key sees its own one, with `workspace:read`."), a.listWorkspaces)
	routeBody[createWorkspaceBody, admin.NewWorkspace](a, created(operation("create-workspace", http.MethodPost, "/api/v1/workspaces", "Create a workspace",
		"Makes a workspace whose admin the caller is.")), bodyRequired, a.createWorkspace)
	route(a, operation("slug-available", http.MethodGet, "/api/v1/workspaces/slug-available", "Ask for a free slug",
		"Says whether a slug is free at this moment."), a.slugAvailable)
	route(a, operation("get-workspace", http.MethodGet, "/api/v1/workspaces/{workspace_id}", "Get a workspace",
		"Answers a workspace that the caller is a member of."), a.getWorkspace)
	routeBody[updateWorkspaceBody, admin.WorkspacePatch](a, operation("update-workspace", http.MethodPatch, "/api/v1/workspaces/{workspace_id}", "Update a workspace",
		"Changes name, slug or colour. Only the fields present change; null leaves them. Admins only."), bodyRequired, a.updateWorkspace)
	route(a, operation("delete-workspace", http.MethodDelete, "/api/v1/workspaces/{workspace_id}", "Delete a workspace",
		"Deletes a workspace and revokes every key in it. Admins only."), a.deleteWorkspace)
	route(a, operation("get-workspace-settings", http.MethodGet, "/api/v1/workspaces/{workspace_id}/settings", "Get a workspace's settings",
		"Answers the defaults that every member sees."), a.getSettings)
	routeBody[updateSettingsBody, admin.SettingsPatch](a, operation("update-workspace-settings", http.MethodPatch, "/api/v1/workspaces/{workspace_id}/settings", "Update a workspace's settings",
		"Changes the settings that are present; null clears one. Admins only."), bodyRequired, a.updateSettings)
}

func (a *API) listWorkspaces(ctx context.Context, x *exchange, in *struct {
	WorkspaceHeader
	PageQuery
}) (*listAnswer[WorkspaceFields], error) {
	workspaces, total, err := a.Admin.Workspaces(ctx, x.call(in.workspace()), in.page())
	if err != nil {
		return nil, err
	}
	out := &listAnswer[WorkspaceFields]{}
	out.Body.Data = make([]WorkspaceFields, len(workspaces))
	for i := range workspaces {
		out.Body.Data[i] = showWorkspace(&workspaces[i])
	}
	out.Body.Meta, out.Body.Pagination = x.meta(), a.listed(x, in.page(), total)
	return out, nil
}

type createWorkspaceBody struct {
	Name     required[string] `json:"name" minLength:"1" pattern:"text200" doc:"1 to 200 characters after trimming, without control characters." example:"Acme"`
	Slug     optional[string] `json:"slug,omitempty" minLength:"1" maxLength:"50" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" doc:"The short name; default: made of the name." example:"acme"`
	ColorIdx optional[int64]  `json:"color_idx,omitempty" minimum:"0" maximum:"6" doc:"The workspace's colour; default 0." example:"0"`
}

func (b *createWorkspaceBody) parse(p *parser) admin.NewWorkspace {
	var n admin.NewWorkspace
	if b.Name.Set {
		n.Name = p.text("body.name", b.Name.Value, keypin.ParseWorkspaceName)
	}
	if b.Slug.given() {
		n.Slug = p.text("body.slug", b.Slug.Value, keypin.ParseSlug)
	}
	n.ColorIdx = p.color(b.ColorIdx)
	return n
}

func (p *parser) color(o optional[int64]) int {
	if !o.given() {
		return 0
	}
	if err := keypin.CheckColorIdx(o.Value); err != nil {
		p.faults.Add("body.color_idx", err.Error())
		return 0
	}
	return int(o.Value)
}

func (a *API) createWorkspace(ctx context.Context, x *exchange, in *struct {
	WorkspaceHeader
	IdempotencyHeader
}, n admin.NewWorkspace) (*answer[WorkspaceFields], error) {
	w, err := a.Admin.CreateWorkspace(ctx, x.call(in.workspace()), n)
	if err != nil {
		return nil, err
	}
	x.header.Set("Location", "/api/v1/workspaces/"+w.Workspace.ID.String())
	x.markReplayed(w.Replayed)
	return answered(x, showWorkspace(&w.Workspace)), nil
}

type slugInput struct {
	WorkspaceHeader
	Slug string `query:"slug" required:"true" minLength:"1" maxLength:"50" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" doc:"The slug to ask about." example:"acme"`
}

func (a *API) slugAvailable(ctx context.Context, x *exchange, in *slugInput) (*answer[slugAvailability], error) {
	available, err := a.Admin.SlugAvailable(ctx, x.call(in.workspace()), in.Slug)
	if err != nil {
		return nil, err
	}
	return answered(x, slugAvailability{Slug: in.Slug, Available: available}), nil
}

func (a *API) getWorkspace(ctx context.Context, x *exchange, in *WorkspacePath) (*answer[WorkspaceFields], error) {
	w, err := a.Admin.Workspace(ctx, x.call(&in.WorkspaceID))
	if err != nil {
		return nil, err
	}
	return answered(x, showWorkspace(&w)), nil
}

type updateWorkspaceBody struct {
	Name     optional[string] `json:"name,omitempty" minLength:"1" pattern:"text200" doc:"1 to 200 characters after trimming; null leaves it." example:"Acme"`
	Slug     optional[string] `json:"slug,omitempty" minLength:"1" maxLength:"50" pattern:"^[a-z0-9]+(-[a-z0-9]+)*$" doc:"The short name; null leaves it." example:"acme"`
	ColorIdx optional[int64]  `json:"color_idx,omitempty" minimum:"0" maximum:"6" doc:"The workspace's colour; null leaves it." example:"0"`
}

func (b *updateWorkspaceBody) parse(p *parser) admin.WorkspacePatch {
	var patch admin.WorkspacePatch
	if b.Name.given() {
		name := p.text("body.name", b.Name.Value, keypin.ParseWorkspaceName)
		patch.Name = &name
	}
	if b.Slug.given() {
		slug := p.text("body.slug", b.Slug.Value, keypin.ParseSlug)
		patch.Slug = &slug
	}
	if b.ColorIdx.given() {
		color := p.color(b.ColorIdx)
		patch.ColorIdx = &color
	}
	return patch
}

func (a *API) updateWorkspace(ctx context.Context, x *exchange, in *WorkspacePath, patch admin.WorkspacePatch) (*answer[WorkspaceFields], error) {
	w, err := a.Admin.UpdateWorkspace(ctx, x.call(&in.WorkspaceID), patch)
	if err != nil {
		return nil, err
	}
	return answered(x, showWorkspace(&w)), nil
}

func (a *API) deleteWorkspace(ctx context.Context, x *exchange, in *WorkspacePath) (*answer[deletedWorkspace], error) {
	w, err := a.Admin.DeleteWorkspace(ctx, x.call(&in.WorkspaceID))
	if err != nil {
		return nil, err
	}
	return answered(x, deletedWorkspace{WorkspaceFields: showWorkspace(&w), Deleted: true}), nil
}

func (a *API) getSettings(ctx context.Context, x *exchange, in *WorkspacePath) (*answer[settingsFields], error) {
	s, err := a.Admin.Settings(ctx, x.call(&in.WorkspaceID))
	if err != nil {
		return nil, err
	}
	return answered(x, showSettings(s)), nil
}

type updateSettingsBody struct {
	DefaultLanguage optional[string] `json:"default_language,omitempty" pattern:"^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$" doc:"A language tag such as en or pt-BR; null clears it." example:"en"`
	Theme           optional[string] `json:"theme,omitempty" enum:"light,dark,system" doc:"The pages' colours; null clears it." example:"system"`
}

func (b *updateSettingsBody) parse(p *parser) admin.SettingsPatch {
	var patch admin.SettingsPatch
	if b.DefaultLanguage.Set {
		language := ""
		if !b.DefaultLanguage.Null {
			language = p.text("body.default_language", b.DefaultLanguage.Value, keypin.ParseLanguage)
		}
		patch.DefaultLanguage = &language
	}
	if b.Theme.Set {
		theme := ""
		if !b.Theme.Null {
			theme = p.text("body.theme", b.Theme.Value, keypin.ParseTheme)
		}
		patch.Theme = &theme
	}
	return patch
}

func (a *API) updateSettings(ctx context.Context, x *exchange, in *WorkspacePath, patch admin.SettingsPatch) (*answer[settingsFields], error) {
	s, err := a.Admin.UpdateSettings(ctx, x.call(&in.WorkspaceID), patch)
	if err != nil {
		return nil, err
	}
	return answered(x, showSettings(s)), nil
}
