package e2e

// may says what an operation answers to each caller in their own workspace: the
// status and, of an error, its code.
type may struct{ admin, editor, viewer, key string }

func (m may) of(caller string) string {
	return map[string]string{"admin": m.admin, "editor": m.editor, "viewer": m.viewer, "key": m.key}[caller]
}

const refused = "403 forbidden"

func everybody(want string) may  { return may{want, want, want, want} }
func adminsOnly(want string) may { return may{want, refused, refused, refused} }

// recipe is how the tests call an operation so that it is allowed to succeed.
type recipe struct {
	query string // with its question mark
	body  object
	// may is about things that the workspace's admin made. The key has every scope.
	may may
	// author is what an editor may do with what they made; "" when that is the same.
	author string
}

// recipes has one entry for every operation of the service. An operation that it
// lacks fails the tests: add it here, with who may do it.
func recipes() map[string]recipe {
	return map[string]recipe{
		"health": {may: everybody("200")},
		"ready":  {may: everybody("200")},
		"whoami": {may: everybody("200")},

		"list-api-keys":  {query: "?status=all&limit=100", may: everybody("200")},
		"get-api-key":    {may: everybody("200")},
		"create-api-key": {body: object{"name": "made", "scopes": []string{"voices:read"}}, may: may{"201", "201", refused, "201"}},
		"update-api-key": {body: object{"name": "renamed"}, may: may{"200", refused, refused, "200"}, author: "200"},
		"delete-api-key": {may: may{"200", refused, refused, "200"}, author: "200"},
		"rotate-api-key": {body: object{"grace_period_seconds": 60}, may: may{"200", refused, refused, "200"}, author: "200"},
		"verify-api-key": {body: object{"key": unknownKey}, may: may{"200", refused, refused, "200"}},

		"get-api-key-usage": {query: "?granularity=minute", may: everybody("200")},
		"get-usage":         {query: "?granularity=day", may: everybody("200")},

		"list-workspaces":           {query: "?limit=100", may: everybody("200")},
		"create-workspace":          {body: object{"name": "Another one"}, may: may{"201", "201", "201", refused}},
		"slug-available":            {query: "?slug=nobody-has-this", may: everybody("200")},
		"get-workspace":             {may: everybody("200")},
		"update-workspace":          {body: object{"color_idx": 5}, may: adminsOnly("200")},
		"delete-workspace":          {may: adminsOnly("200")},
		"get-workspace-settings":    {may: everybody("200")},
		"update-workspace-settings": {body: object{"theme": "light"}, may: adminsOnly("200")},

		"list-members":  {query: "?limit=100", may: everybody("200")},
		"update-member": {body: object{"role": "viewer"}, may: adminsOnly("200")},
		"remove-member": {may: adminsOnly("200")},
		"list-invites":  {query: "?limit=100", may: everybody("200")},
		"create-invite": {body: object{"email": "somebody@example.com", "role": "viewer"}, may: adminsOnly("201")},
		"update-invite": {body: object{"role": "viewer"}, may: adminsOnly("200")},
		"revoke-invite": {may: adminsOnly("200")},
		// Who is a member needs no invite.
		"accept-invite": {may: may{"409 conflict", "409 conflict", "409 conflict", refused}},
	}
}

// probe is a request that names another workspace's things elsewhere than in its
// path or in X-Workspace-Id.
type probe struct {
	query string
	body  object
	// twin is the same request about things that nobody has, whose answer must be the
	// same; an empty one is not sent.
	twinQuery string
	twinBody  object
	// may is what callers get; none = the same as for their own things.
	may may
	// shown is what the answer repeats because the caller gave it.
	shown string
}

// probes are those that each operation can be sent about foreign.
func probes(foreign *organisation, creator string) map[string][]probe {
	return map[string][]probe{
		"list-api-keys": {
			{query: "?status=all&created_by=" + creator, twinQuery: "?status=all&created_by=" + nowhere},
			{query: "?status=all&q=" + foreign.label, twinQuery: "?status=all&q=nobody-named-it-so"},
			{query: "?status=all&q=" + foreign.limited[len(foreign.limited)-6:], twinQuery: "?status=all&q=nobody-named-it-so"},
		},
		"verify-api-key": {
			{body: object{"key": foreign.limited, "cost": 3}, twinBody: object{"key": unknownKey, "cost": 3}},
			{body: object{"key": foreign.limited, "scopes": []string{"voices:write"}}, twinBody: object{"key": unknownKey, "scopes": []string{"voices:write"}}},
		},
		// Slugs are unique in the service, so whether one is taken cannot be hidden.
		"slug-available":   {{query: "?slug=" + foreign.label, shown: foreign.label}},
		"create-workspace": {{body: object{"name": "x", "slug": foreign.label}, may: may{"409 workspace_slug_taken", "409 workspace_slug_taken", "409 workspace_slug_taken", refused}}},
		"update-workspace": {{body: object{"slug": foreign.label}, may: adminsOnly("409 workspace_slug_taken")}},
	}
}
