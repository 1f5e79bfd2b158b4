package docsite

// pythonCall is a call of the Python package.
type pythonCall struct {
	method     string
	result     string // the variable that takes the answer, or each item of a list
	show       string // what is printed of the answer
	each       string // what is printed of each item; "" = the answer is no list
	positional bool   // the first field goes without its name
}

// pythonCalls are the operations in the Python package; test/docs checks that they exist.
var pythonCalls = map[string]pythonCall{
	"list-api-keys":             {method: "api_keys.list", result: "key", each: "key.name, key.preview"},
	"create-api-key":            {method: "api_keys.create", result: "key", show: "key.id, key.api_key.reveal()"},
	"get-api-key":               {method: "api_keys.get", result: "key", show: "key.name, key.scopes"},
	"update-api-key":            {method: "api_keys.update", result: "key", show: "key.updated_at"},
	"delete-api-key":            {method: "api_keys.delete", result: "key", show: "key.revoked_at"},
	"rotate-api-key":            {method: "api_keys.rotate", result: "rotated", show: "rotated.new_key.api_key.reveal()"},
	"verify-api-key":            {method: "api_keys.verify", result: "check", show: "check.valid, check.code", positional: true},
	"get-api-key-usage":         {method: "api_keys.usage", result: "usage", show: "usage.totals"},
	"get-usage":                 {method: "usage.get", result: "usage", show: "usage.totals"},
	"whoami":                    {method: "auth.whoami", result: "me", show: "me.workspace_id"},
	"list-workspaces":           {method: "workspaces.list", result: "workspace", each: "workspace.name"},
	"create-workspace":          {method: "workspaces.create", result: "workspace", show: "workspace.id"},
	"slug-available":            {method: "workspaces.slug_available", result: "slug", show: "slug.available", positional: true},
	"get-workspace":             {method: "workspaces.get", result: "workspace", show: "workspace.name"},
	"update-workspace":          {method: "workspaces.update", result: "workspace", show: "workspace.updated_at"},
	"delete-workspace":          {method: "workspaces.delete", result: "gone", show: "gone.deleted"},
	"get-workspace-settings":    {method: "workspaces.settings", result: "settings", show: "settings.theme"},
	"update-workspace-settings": {method: "workspaces.update_settings", result: "settings", show: "settings.theme"},
	"list-members":              {method: "members.list", result: "member", each: "member.email, member.role"},
	"update-member":             {method: "members.update", result: "member", show: "member.role"},
	"remove-member":             {method: "members.remove", result: "member", show: "member.email"},
	"list-invites":              {method: "members.invites.list", result: "invite", each: "invite.email, invite.role"},
	"create-invite":             {method: "members.invites.create", result: "invite", show: "invite.token.reveal()"},
	"update-invite":             {method: "members.invites.update", result: "invite", show: "invite.role"},
	"revoke-invite":             {method: "members.invites.revoke", result: "invite", show: "invite.status"},
	"health":                    {method: "health.live", result: "probe", show: "probe.version"},
	"ready":                     {method: "health.ready", result: "probe", show: "probe.version"},
	"accept-invite":             {method: "members.invites.accept", result: "member", show: "member.workspace_id"},
}

// cliCalls are the operations as commands; test/docs checks that they and their flags exist.
var cliCalls = map[string]string{
	"list-api-keys":             "keypin keys list",
	"create-api-key":            "keypin keys create 'Nightly export' --scope workflows:read --rate-limit 600",
	"get-api-key":               "keypin keys get {key_id}",
	"update-api-key":            "keypin keys update {key_id} \\\n  --name 'Nightly export, EU' --rate-limit 300",
	"delete-api-key":            "keypin keys revoke {key_id}",
	"rotate-api-key":            "keypin keys rotate {key_id} --grace 1h",
	"verify-api-key":            "keypin keys verify --scope workflows:read --client-ip 203.0.113.7 <export.key",
	"get-api-key-usage":         "keypin keys usage {key_id}",
	"get-usage":                 "keypin keys usage",
	"whoami":                    "keypin whoami",
	"list-workspaces":           "keypin workspaces list",
	"slug-available":            "keypin workspaces slug {slug}",
	"create-workspace":          "keypin workspaces create Acme --slug acme",
	"get-workspace":             "keypin workspaces get {workspace_id}",
	"update-workspace":          "keypin workspaces update {workspace_id} --name Acme --slug acme",
	"delete-workspace":          "keypin workspaces delete {workspace_id}",
	"get-workspace-settings":    "keypin workspaces settings {workspace_id}",
	"update-workspace-settings": "keypin workspaces settings {workspace_id} --language en --theme system",
	"list-members":              "keypin members list --workspace {workspace_id}",
	"update-member":             "keypin members update {member_id} --role editor --workspace {workspace_id}",
	"remove-member":             "keypin members remove {member_id} --workspace {workspace_id}",
	"list-invites":              "keypin invites list --workspace {workspace_id}",
	"create-invite":             "keypin invites create ada@example.com --role editor --workspace {workspace_id}",
	"update-invite":             "keypin invites update {invite_id} --role editor --workspace {workspace_id}",
	"revoke-invite":             "keypin invites revoke {invite_id} --workspace {workspace_id}",
	"accept-invite":             "keypin invites accept <invite.txt",
	"health":                    "keypin health",
	"ready":                     "keypin health",
}

// goCalls are the operations in the Go package; a test compiles them.
var goCalls = map[string]string{
	"list-api-keys": `for key, err := range keypin.Keys.List(ctx, client.ListKeysParams{}) {
	if err != nil {
		return err
	}
	fmt.Println(key.Name, key.Preview)
}`,
	"create-api-key": `key, err := keypin.Keys.Create(ctx, client.CreateKeyParams{
	Name:            "Nightly export",
	Scopes:          []string{"workflows:read"},
	RateLimitPerMin: new(600),
})
if err != nil {
	return err
}
fmt.Println(key.ID, key.Secret.Reveal())`,
	"get-api-key": `key, err := keypin.Keys.Get(ctx, {key_id})
if err != nil {
	return err
}
fmt.Println(key.Name, key.Scopes)`,
	"update-api-key": `key, err := keypin.Keys.Update(ctx, {key_id}, client.UpdateKeyParams{
	Name:            client.Set("Nightly export, EU"),
	RateLimitPerMin: client.Set(300),
})
if err != nil {
	return err
}
fmt.Println(key.UpdatedAt)`,
	"delete-api-key": `key, err := keypin.Keys.Revoke(ctx, {key_id})
if err != nil {
	return err
}
fmt.Println(key.RevokedAt)`,
	"rotate-api-key": `rotated, err := keypin.Keys.Rotate(ctx, {key_id}, client.RotateKeyParams{Grace: time.Hour})
if err != nil {
	return err
}
fmt.Println(rotated.NewKey.Secret.Reveal())`,
	"verify-api-key": `check, err := keypin.Keys.Verify(ctx, client.VerifyParams{
	Key:      client.NewSecret("op_live_0000000000000000000000000009BlC0"),
	Scopes:   []string{"workflows:read"},
	ClientIP: netip.MustParseAddr("203.0.113.7"),
})
if err != nil {
	return err
}
fmt.Println(check.Valid, check.Code)`,
	"get-api-key-usage": `usage, err := keypin.Keys.Usage(ctx, {key_id}, client.UsageParams{})
if err != nil {
	return err
}
fmt.Println(usage.Totals)`,
	"get-usage": `usage, err := keypin.Usage(ctx, client.UsageParams{})
if err != nil {
	return err
}
fmt.Println(usage.Totals)`,
	"whoami": `me, err := keypin.WhoAmI(ctx)
if err != nil {
	return err
}
fmt.Println(me.WorkspaceID)`,
	"list-workspaces": `for workspace, err := range keypin.Workspaces.List(ctx, client.ListParams{}) {
	if err != nil {
		return err
	}
	fmt.Println(workspace.Name)
}`,
	"create-workspace": `workspace, err := keypin.Workspaces.Create(ctx, client.CreateWorkspaceParams{Name: "Acme", Slug: "acme"})
if err != nil {
	return err
}
fmt.Println(workspace.ID)`,
	"slug-available": `free, err := keypin.Workspaces.SlugAvailable(ctx, {slug})
if err != nil {
	return err
}
fmt.Println(free)`,
	"get-workspace": `workspace, err := keypin.Workspaces.Get(ctx, {workspace_id})
if err != nil {
	return err
}
fmt.Println(workspace.Name)`,
	"update-workspace": `workspace, err := keypin.Workspaces.Update(ctx, {workspace_id}, client.UpdateWorkspaceParams{
	Name: client.Set("Acme"),
	Slug: client.Set("acme"),
})
if err != nil {
	return err
}
fmt.Println(workspace.UpdatedAt)`,
	"delete-workspace": `gone, err := keypin.Workspaces.Delete(ctx, {workspace_id})
if err != nil {
	return err
}
fmt.Println(gone.Deleted)`,
	"get-workspace-settings": `settings, err := keypin.Workspaces.Settings(ctx, {workspace_id})
if err != nil {
	return err
}
fmt.Println(settings.Theme)`,
	"update-workspace-settings": `settings, err := keypin.Workspaces.UpdateSettings(ctx, {workspace_id}, client.UpdateSettingsParams{
	DefaultLanguage: client.Set("en"),
})
if err != nil {
	return err
}
fmt.Println(settings.DefaultLanguage)`,
	"list-members": `for member, err := range keypin.Members.List(ctx, {workspace_id}, client.ListParams{}) {
	if err != nil {
		return err
	}
	fmt.Println(member.Email, member.Role)
}`,
	"update-member": `member, err := keypin.Members.SetRole(ctx, {workspace_id}, {member_id}, client.RoleEditor)
if err != nil {
	return err
}
fmt.Println(member.Role)`,
	"remove-member": `member, err := keypin.Members.Remove(ctx, {workspace_id}, {member_id})
if err != nil {
	return err
}
fmt.Println(member.Email)`,
	"list-invites": `for invite, err := range keypin.Invites.List(ctx, {workspace_id}, client.ListParams{}) {
	if err != nil {
		return err
	}
	fmt.Println(invite.Email, invite.Role)
}`,
	"create-invite": `invite, err := keypin.Invites.Create(ctx, {workspace_id}, client.CreateInviteParams{
	Email: "ada@example.com",
	Role:  client.RoleEditor,
})
if err != nil {
	return err
}
fmt.Println(invite.Token.Reveal())`,
	"update-invite": `invite, err := keypin.Invites.SetRole(ctx, {workspace_id}, {invite_id}, client.RoleEditor)
if err != nil {
	return err
}
fmt.Println(invite.Role)`,
	"revoke-invite": `invite, err := keypin.Invites.Revoke(ctx, {workspace_id}, {invite_id})
if err != nil {
	return err
}
fmt.Println(invite.Status)`,
	"accept-invite": `member, err := keypin.Invites.Accept(ctx, client.NewSecret({token}))
if err != nil {
	return err
}
fmt.Println(member.WorkspaceID)`,
	"health": `probe, err := keypin.Health(ctx)
if err != nil {
	return err
}
fmt.Println(probe.Version)`,
	"ready": `probe, err := keypin.Ready(ctx)
if err != nil {
	return err
}
fmt.Println(probe.Version)`,
}
