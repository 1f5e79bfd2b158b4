package httpapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/keypin/keypin/internal/keypin"
)

type whoAmIFields struct {
	AuthKind    string     `json:"auth_kind" enum:"clerk,api_key" doc:"clerk for any session, api_key for a key." example:"api_key"`
	UserID      keypin.ID  `json:"user_id" format:"uuid" doc:"The user of the session, or who made the key; the nil UUID when that user was deleted." example:"1c9e6679-7425-40de-944b-e07fc1f90b12"`
	WorkspaceID keypin.ID  `json:"workspace_id" format:"uuid" doc:"The workspace that a call without X-Workspace-Id acts in." example:"7c9e6679-7425-40de-944b-e07fc1f90ae7"`
	APIKeyID    *keypin.ID `json:"api_key_id" format:"uuid" nullable:"true" doc:"The calling key; null for a session." example:"3fa85f64-5717-4562-b3fc-2c963f66afa6"`
	Scopes      []string   `json:"scopes" nullable:"false" doc:"The key's scopes, sorted by name. A session has none: its role decides."`
	Role        *string    `json:"role" nullable:"true" enum:"admin,editor,viewer" doc:"The session's role in the workspace; null for a key." example:"admin"`
}

type probe struct {
	Status  string `json:"status" enum:"ok" doc:"Always ok; a service that is not answers 503." example:"ok"`
	Version string `json:"version" doc:"The version that runs." example:"0.1.0"`
}

type probeAnswer struct{ Body probe }

func (a *API) registerService() {
	route(a, operation("whoami", http.MethodGet, "/api/v1/auth/whoami", "Who am I",
		"Says who the caller is. A key needs no scope for it; the call counts against its limit."), a.whoAmI)
	health := operation("health", http.MethodGet, "/health", "Liveness", "Answers as long as the process runs.")
	ready := operation("ready", http.MethodGet, "/ready", "Readiness", "Answers while the service can work; 503 while its database is away, and from the moment it begins to shut down.")
	health.Security, ready.Security = nil, nil
	route(a, health, func(context.Context, *exchange, *struct{}) (*probeAnswer, error) {
		return &probeAnswer{Body: probe{Status: "ok", Version: a.Version}}, nil
	})
	route(a, ready, func(ctx context.Context, _ *exchange, _ *struct{}) (*probeAnswer, error) {
		if err := a.Ready(ctx); err != nil {
			return nil, keypin.Wrap(keypin.CodeUnavailable, "", err)
		}
		return &probeAnswer{Body: probe{Status: "ok", Version: a.Version}}, nil
	})
	a.onlyMethod(http.MethodPost, "/api/v1/api-keys/verify")
	a.onlyMethod(http.MethodGet, "/api/v1/workspaces/slug-available")
	a.page("/openapi.json", "application/json", func() []byte { return a.document.json })
	a.page("/openapi.yaml", "application/yaml", func() []byte { return a.document.yaml })
	if a.JWKS != nil {
		a.page("/.well-known/jwks.json", "application/json", func() []byte { return a.JWKS })
	}
}

// onlyMethod keeps the other methods of a fixed path from falling into the pattern
// beside it that holds an id: 405 says more than that the path is no UUID.
func (a *API) onlyMethod(allowed, path string) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect} {
		if method == allowed {
			continue
		}
		a.mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) {
			x := exchangeOf(r.Context())
			x.route = path
			allow := allowed
			if allowed == http.MethodGet {
				allow = "GET, HEAD"
			}
			x.methodNotAllowed(w, allow)
		})
	}
}

// page serves bytes that do not change while the service runs.
func (a *API) page(path, mediaType string, content func() []byte) {
	a.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		x.route = path
		if err := accepts(r, mediaType); err != nil {
			x.problemFor(err).write(w)
			return
		}
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = w.Write(content()) // the client is gone; nobody is left to tell
	})
}

func (a *API) whoAmI(ctx context.Context, x *exchange, in *WorkspaceHeader) (*answer[whoAmIFields], error) {
	me, err := a.Admin.WhoAmI(ctx, x.call(in.workspace()))
	if err != nil {
		return nil, err
	}
	f := whoAmIFields{AuthKind: string(me.Kind), UserID: me.UserID, WorkspaceID: me.WorkspaceID, APIKeyID: me.KeyID,
		Scopes: make([]string, len(me.Scopes)), Role: orNull(string(me.Role))}
	for i, s := range me.Scopes {
		f.Scopes[i] = string(s)
	}
	slices.Sort(f.Scopes)
	return answered(x, f), nil
}

// operation describes a call that needs credentials, the usual case.
func operation(id, method, path, summary, description string) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary, Description: description,
		Tags: []string{tagOf(path)}, DefaultStatus: http.StatusOK,
		Security: []map[string][]string{{bearerScheme: {}}},
	}
}

// created makes the operation answer 201.
func created(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusCreated
	return op
}
