package keypin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Scope names one thing that a key may do, as `resource:action`.
type Scope string

// The scopes that Keypin itself asks for. Only admins may grant them.
const (
	ScopeKeysRead   Scope = "api-keys:read"
	ScopeKeysWrite  Scope = "api-keys:write"
	ScopeKeysVerify Scope = "api-keys:verify"
)

// ScopeWorkspaceRead lets a key read its workspace, its settings and its members.
// A deployment whose registry leaves it out gives no key that right.
const ScopeWorkspaceRead Scope = "workspace:read"

// Managing reports whether s is one of Keypin's own scopes.
func (s Scope) Managing() bool {
	return s == ScopeKeysRead || s == ScopeKeysWrite || s == ScopeKeysVerify
}

// ReadOnly reports whether a read-only key may hold s.
func (s Scope) ReadOnly() bool { return strings.HasSuffix(string(s), ":read") }

// ScopeInfo is a scope and what it allows, in words for the person who grants it.
type ScopeInfo struct {
	Name        Scope
	Description string
}

// DefaultScopes are the product scopes of a deployment that names none.
func DefaultScopes() []ScopeInfo {
	return []ScopeInfo{
		{"workflows:read", "Read workflows and their runs."},
		{"workflows:run", "Start and cancel workflow runs."},
		{"workflows:write", "Create, change and delete workflows."},
		{"voices:read", "Read voices."},
		{"voices:write", "Create, change and delete voices."},
		{"dictionary:read", "Read dictionary entries."},
		{"dictionary:write", "Create, change and delete dictionary entries."},
		{"uploads:write", "Upload files."},
		{"workspace:read", "Read the workspace, its settings and its members."},
		{"templates:read", "Read templates."},
		{"catalog:read", "Read the catalog of models and providers."},
	}
}

// Registry is the ordered list of the scopes that exist: the deployment's own,
// then Keypin's three. It does not change after it is made.
type Registry struct {
	infos []ScopeInfo
	index map[Scope]int
}

var scopeForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}:[a-z][a-z0-9-]{0,62}$`)

// NewRegistry makes a registry of the product's scopes. It refuses names that are
// not `resource:action`, that appear twice, or that are Keypin's own.
func NewRegistry(product []ScopeInfo) (*Registry, error) {
	own := []ScopeInfo{
		{ScopeKeysRead, "List and read API keys."},
		{ScopeKeysWrite, "Create, rotate, change and revoke API keys."},
		{ScopeKeysVerify, "Verify API keys of the workspace."},
	}
	r := &Registry{index: map[Scope]int{}}
	for i, info := range slices.Concat(product, own) {
		switch {
		case !scopeForm.MatchString(string(info.Name)):
			return nil, fmt.Errorf("scopes[%d].name: must be resource:action in lower case, such as invoices:read", i)
		case i < len(product) && info.Name.Managing():
			return nil, fmt.Errorf("scopes[%d].name: %s is Keypin's own and always there; leave it out", i, info.Name)
		case r.Has(info.Name):
			return nil, fmt.Errorf("scopes[%d].name: %s is listed twice", i, info.Name)
		case strings.TrimSpace(info.Description) == "":
			return nil, fmt.Errorf("scopes[%d].description: must say what %s allows", i, info.Name)
		}
		r.index[info.Name] = len(r.infos)
		r.infos = append(r.infos, info)
	}
	return r, nil
}

// Has reports whether s exists.
func (r *Registry) Has(s Scope) bool { _, ok := r.index[s]; return ok }

// All lists the scopes in registry order. The caller must not change it.
func (r *Registry) All() []ScopeInfo { return r.infos }

// Names lists the scopes' names in registry order.
func (r *Registry) Names() []Scope {
	names := make([]Scope, len(r.infos))
	for i, info := range r.infos {
		names[i] = info.Name
	}
	return names
}

// Normalize de-duplicates scopes and puts them in registry order. The second
// result lists the positions of those that do not exist.
func (r *Registry) Normalize(scopes []Scope) (known []Scope, unknown []int) {
	seen := make(map[Scope]bool, len(scopes))
	known = make([]Scope, 0, len(scopes))
	for i, s := range scopes {
		switch {
		case !r.Has(s):
			unknown = append(unknown, i)
		case !seen[s]:
			seen[s] = true
			known = append(known, s)
		}
	}
	slices.SortFunc(known, func(a, b Scope) int { return r.index[a] - r.index[b] })
	return known, unknown
}

// MissingScopes lists the needed scopes that held does not contain.
func MissingScopes(held, needed []Scope) []Scope {
	var missing []Scope
	for _, s := range needed {
		if !slices.Contains(held, s) {
			missing = append(missing, s)
		}
	}
	return missing
}
