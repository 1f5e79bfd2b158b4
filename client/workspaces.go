package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"time"
)

const (
	workspacesPath = "/api/v1/workspaces"
	workspacePath  = workspacesPath + "/{workspace_id}"
)

// WorkspaceService holds the calls about workspaces: [Client.Workspaces].
type WorkspaceService struct{ c *Client }

// Workspace owns keys and has members.
type Workspace struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Slug      string    `json:"slug"`      // unique in the service
	ColorIdx  int       `json:"color_idx"` // 0 to 6
	CreatedBy string    `json:"created_by"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// DeletedWorkspace is a workspace that is no more.
type DeletedWorkspace struct {
	Workspace
	Deleted bool `json:"deleted"` // always true
}

// List goes through the workspaces that the caller is a member of, oldest first.
func (s WorkspaceService) List(ctx context.Context, p ListParams, opts ...CallOption) iter.Seq2[Workspace, error] {
	return each[Workspace](ctx, s.c, s.list(), p, opts)
}

// ListPage fetches one page of the workspaces.
func (s WorkspaceService) ListPage(ctx context.Context, p ListParams, opts ...CallOption) (*Page[Workspace], error) {
	return pageOf[Workspace](ctx, s.c, s.list(), p, opts)
}

func (WorkspaceService) list() call {
	return call{op: "list-workspaces", method: http.MethodGet, path: workspacesPath, takes: takesWorkspace}
}

// CreateWorkspaceParams describe a new workspace. Only the name is needed.
type CreateWorkspaceParams struct {
	Name     string `json:"name"`                // 1 to 200 characters
	Slug     string `json:"slug,omitempty"`      // 1 to 50, such as acme-labs; "" = made of the name
	ColorIdx int    `json:"color_idx,omitempty"` // 0 to 6
}

// Create makes a workspace whose admin the caller is.
func (s WorkspaceService) Create(ctx context.Context, p CreateWorkspaceParams, opts ...CallOption) (*Workspace, error) {
	w, _, err := send[Workspace](ctx, s.c, call{op: "create-workspace", method: http.MethodPost, path: workspacesPath,
		body: p, takes: takesWorkspace | takesIdempotencyKey}, opts)
	return w, err
}

// SlugAvailable tells whether no workspace has the slug at this moment.
func (s WorkspaceService) SlugAvailable(ctx context.Context, slug string, opts ...CallOption) (bool, error) {
	answer, _, err := send[slugAvailability](ctx, s.c, call{op: "slug-available", method: http.MethodGet, path: workspacesPath + "/slug-available",
		query: url.Values{"slug": {slug}}, takes: takesWorkspace}, opts)
	if err != nil {
		return false, err
	}
	return answer.Available, nil
}

type slugAvailability struct {
	Slug      string `json:"slug"`
	Available bool   `json:"available"`
}

// Get fetches a workspace.
func (s WorkspaceService) Get(ctx context.Context, id string, opts ...CallOption) (*Workspace, error) {
	w, _, err := send[Workspace](ctx, s.c, call{op: "get-workspace", method: http.MethodGet, path: workspacePath, args: []string{id}}, opts)
	return w, err
}

// UpdateWorkspaceParams change a workspace. Fields that are left out stay as they are;
// none can be cleared.
type UpdateWorkspaceParams struct {
	Name     Field[string] `json:"name,omitzero"`
	Slug     Field[string] `json:"slug,omitzero"`
	ColorIdx Field[int]    `json:"color_idx,omitzero"`
}

// Update changes a workspace; admins only.
func (s WorkspaceService) Update(ctx context.Context, id string, p UpdateWorkspaceParams, opts ...CallOption) (*Workspace, error) {
	k := call{op: "update-workspace", method: http.MethodPatch, path: workspacePath, args: []string{id}, body: p}
	k.notCleared("name", p.Name.cleared())
	k.notCleared("slug", p.Slug.cleared())
	k.notCleared("color_idx", p.ColorIdx.cleared())
	w, _, err := send[Workspace](ctx, s.c, k, opts)
	return w, err
}

// Delete deletes a workspace and revokes every key in it; admins only. A workspace that
// is no more is [ErrForbidden], as one that the caller is not in: see [Error.Attempts].
func (s WorkspaceService) Delete(ctx context.Context, id string, opts ...CallOption) (*DeletedWorkspace, error) {
	w, _, err := send[DeletedWorkspace](ctx, s.c, call{op: "delete-workspace", method: http.MethodDelete, path: workspacePath, args: []string{id}}, opts)
	return w, err
}

// Theme is the colours of a workspace's pages.
type Theme string

// The themes.
const (
	ThemeLight  Theme = "light"
	ThemeDark   Theme = "dark"
	ThemeSystem Theme = "system"
)

// WorkspaceSettings are the defaults that every member sees.
type WorkspaceSettings struct {
	DefaultLanguage string `json:"default_language,omitzero"` // such as en or pt-BR; "" = not set
	Theme           Theme  `json:"theme,omitzero"`            // "" = not set
}

// Settings fetches a workspace's settings.
func (s WorkspaceService) Settings(ctx context.Context, id string, opts ...CallOption) (*WorkspaceSettings, error) {
	settings, _, err := send[WorkspaceSettings](ctx, s.c, call{op: "get-workspace-settings", method: http.MethodGet,
		path: workspacePath + "/settings", args: []string{id}}, opts)
	return settings, err
}

// UpdateSettingsParams change a workspace's settings. Fields that are left out stay as
// they are.
type UpdateSettingsParams struct {
	DefaultLanguage Field[string] `json:"default_language,omitzero"`
	Theme           Field[Theme]  `json:"theme,omitzero"`
}

// UpdateSettings changes a workspace's settings; admins only.
func (s WorkspaceService) UpdateSettings(ctx context.Context, id string, p UpdateSettingsParams, opts ...CallOption) (*WorkspaceSettings, error) {
	settings, _, err := send[WorkspaceSettings](ctx, s.c, call{op: "update-workspace-settings", method: http.MethodPatch,
		path: workspacePath + "/settings", args: []string{id}, body: p}, opts)
	return settings, err
}
