package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	workspaces = "/api/v1/workspaces"
	// nowhere is an id that nothing has.
	nowhere = "0190a0b0-0000-7000-8000-000000000000"
	// unknownToken has the form of an invite's token, unknownKey that of a key.
	unknownToken = "pZ1k0m0bq2v7y3w8x9c4d5e6f7a8b9c0d1e2f3a4b5c"
	unknownKey   = "op_live_0000000000000000000000000009BlC0"
)

// caller is somebody who calls.
type caller struct {
	name  string // admin, editor, viewer or key
	token string
	email string // "" for a key
}

// organisation is a workspace of an issuer's organisation, and who acts in it.
type organisation struct {
	s                          *service
	label                      string // the slug, and part of every name in it
	id                         string // of the workspace
	admin, editor, viewer, key caller
	made                       int
	theirs                     map[string]string // path parameters that name lasting things of it
	limited                    string            // the plaintext of a key with a limit of 5
	secrets                    []string          // what was answered once
}

// newOrganisation makes a workspace with its members and a key with every scope.
func newOrganisation(t testing.TB, s *service, label string, scopes []string) *organisation {
	t.Helper()
	o := &organisation{s: s, label: label, theirs: map[string]string{}}
	for _, m := range []struct {
		caller *caller
		role   keypin.Role
	}{{&o.admin, keypin.RoleAdmin}, {&o.editor, keypin.RoleEditor}, {&o.viewer, keypin.RoleViewer}} {
		email := string(m.role) + "@" + label + ".example"
		*m.caller = caller{name: string(m.role), token: s.session(t, email, label, m.role), email: email}
		o.id = s.call(t, m.caller.token, "GET", "/api/v1/auth/whoami", nil).must(t, 200).str("data", "workspace_id")
	}
	_, secret := s.createKey(t, o.admin.token, object{"name": label + " caller", "scopes": scopes})
	o.key = caller{name: "key", token: secret}
	o.theirs["workspace_id"] = o.id
	o.secrets = append(o.secrets, secret)
	return o
}

func (o *organisation) callers() []caller { return []caller{o.admin, o.editor, o.viewer, o.key} }

// furnish puts one of everything into the workspace.
func (o *organisation) furnish(t testing.TB) {
	t.Helper()
	admin, path := o.admin.token, workspaces+"/"+o.id
	o.s.call(t, admin, "PATCH", path, object{"name": "The " + o.label + " company", "color_idx": 3}).must(t, 200)
	o.s.call(t, admin, "PATCH", path+"/settings", object{"default_language": "pt-BR", "theme": "dark"}).must(t, 200)
	make := func(token, name string, more object) string {
		body := object{"name": o.label + " " + name, "metadata": object{"owner": o.label + " " + name + " metadata"}}
		maps.Copy(body, more)
		id, secret := o.s.createKey(t, token, body)
		o.secrets = append(o.secrets, secret)
		return id
	}
	o.theirs["key_id"] = make(admin, "lasting", object{"scopes": []string{"voices:read"}, "rate_limit_per_min": 5})
	o.limited = o.secrets[len(o.secrets)-1]
	make(o.editor.token, "edited", object{"allowed_ips": []string{"192.0.2.0/24"}})
	o.s.call(t, admin, "DELETE", keys+"/"+make(admin, "revoked", nil), nil).must(t, 200)
	o.s.call(t, admin, "PATCH", keys+"/"+make(admin, "suspended", nil), object{"active": false}).must(t, 200)
	o.s.call(t, admin, "PATCH", keys+"/"+make(admin, "rotated", nil)+"/rotate", nil).must(t, 200)
	o.theirs["member_id"] = o.fresh(t, "member_id", caller{})
	invite := o.s.call(t, admin, "POST", path+"/invites", object{"email": "guest@" + o.label + ".example", "role": "viewer"}).must(t, 201)
	o.theirs["invite_id"], o.theirs["token"] = invite.str("data", "id"), invite.str("data", "token")
	o.secrets = append(o.secrets, o.theirs["token"])
}

// fresh makes a new thing in the workspace that a path parameter can name. An
// invite's token is for by.
func (o *organisation) fresh(t testing.TB, parameter string, by caller) string {
	t.Helper()
	o.made++
	name := fmt.Sprintf("fresh%d", o.made)
	email := name + "@" + o.label + ".example"
	invite := func(email string) answer {
		return o.s.call(t, o.admin.token, "POST", workspaces+"/"+o.id+"/invites", object{"email": email, "role": "editor"}).must(t, 201)
	}
	switch parameter {
	case "workspace_id":
		return o.id
	case "key_id":
		id, _ := o.s.createKey(t, o.admin.token, object{"name": o.label + " " + name})
		return id
	case "invite_id":
		return invite(email).str("data", "id")
	case "token":
		if by.email != "" {
			email = by.email
		}
		return invite(email).str("data", "token")
	case "member_id":
		accept := workspaces + "/invites/" + invite(email).str("data", "token") + "/accept"
		return o.s.call(t, o.s.session(t, email, "", ""), "POST", accept, nil).must(t, 200).str("data", "id")
	}
	t.Fatalf("there is no way to make a %s: teach organisation.fresh one", parameter)
	return ""
}

// freshFor makes a new thing for every path parameter of the operation.
func (o *organisation) freshFor(t testing.TB, op operation, by caller) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, p := range op.with("path") {
		ids[p.Name] = o.fresh(t, p.Name, by)
	}
	return ids
}

// nobodys are path parameters that name nothing.
func nobodys() map[string]string {
	return map[string]string{"workspace_id": nowhere, "key_id": nowhere, "member_id": nowhere, "invite_id": nowhere, "token": unknownToken}
}

// snapshot is everything that the workspace's admin can see of it, by path.
type snapshot map[string]any

// still forgets when the calling key was last used: that is written a little later.
func (o *organisation) still(list any) any {
	items, _ := list.([]any)
	for _, item := range items {
		if m, ok := item.(object); ok && m["name"] == o.label+" caller" {
			delete(m, "last_used_at")
		}
	}
	return list
}

func (o *organisation) snapshot(t testing.TB) snapshot {
	t.Helper()
	admin, path := o.admin.token, workspaces+"/"+o.id
	seen := snapshot{}
	for _, p := range []string{path, path + "/settings"} {
		seen[p] = o.s.call(t, admin, "GET", p, nil).must(t, 200).get("data")
	}
	for _, list := range []string{keys + "?status=all&", path + "/members?", path + "/invites?"} {
		for offset := 0; ; offset += 100 {
			page := fmt.Sprintf("%slimit=100&offset=%d", list, offset)
			a := o.s.call(t, admin, "GET", page, nil).must(t, 200)
			seen[page] = []any{o.still(a.get("data")), a.get("pagination")}
			if a.get("pagination", "next") == nil {
				break
			}
		}
	}
	a := o.s.call(t, admin, "GET", keys+"/"+o.theirs["key_id"], nil).must(t, 200)
	seen["the lasting key"] = []any{a.get("data"), a.Header.Get("ETag")}
	return seen
}

// markers are the strings that only this workspace's members may see: its ids,
// names, addresses, slugs, the ends of its keys, and its secrets.
func (o *organisation) markers(t testing.TB) []string {
	t.Helper()
	found := map[string]bool{}
	for _, s := range o.secrets {
		found[s] = true
	}
	telling := []string{"id", "workspace_id", "user_id", "created_by", "invited_by", "rotated_from", "rotated_to",
		"name", "slug", "email", "key_suffix", "preview", "owner"}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(item)
			}
		case map[string]any:
			for name, value := range v {
				if s, ok := value.(string); ok && s != "" && slices.Contains(telling, name) {
					found[s] = true
				}
				walk(value)
			}
		}
	}
	for _, part := range o.snapshot(t) {
		walk(part)
	}
	return slices.Sorted(maps.Keys(found))
}

// holds lists the markers that the answer shows.
func (a answer) holds(markers []string) []string {
	header, err := json.Marshal(a.Header)
	if err != nil {
		return []string{err.Error()}
	}
	return slices.DeleteFunc(slices.Clone(markers), func(m string) bool {
		return !strings.Contains(a.Body, m) && !strings.Contains(string(header), m)
	})
}
