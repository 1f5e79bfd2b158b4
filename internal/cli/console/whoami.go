package console

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/show"
)

func (c *console) whoami() *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Show who is signed in, where, and by what",
		Long: `Whoami asks the service who you are, and shows where the address and the credential
come from: a flag, an environment variable, a profile or OnePin's own files.`,
		Example: "  keypin whoami\n  keypin whoami --jq .workspace_id",
		Args:    takes(0, 0, ""),
		RunE: c.run(func(s *session, _ []string) error {
			me, err := call(s, func(ctx context.Context, api *client.Client) (*client.WhoAmI, error) { return api.WhoAmI(ctx) })
			if err != nil {
				return err
			}
			return s.showCaller(me)
		}),
	}
}

func (s *session) showCaller(me *client.WhoAmI) error {
	set := s.settings
	result := struct {
		*client.WhoAmI
		BaseURL          string `json:"base_url"`
		BaseURLSource    string `json:"base_url_source"`
		CredentialSource string `json:"credential_source"`
		WorkspaceSource  string `json:"workspace_source,omitempty"`
		Profile          string `json:"profile"`
		ExpiresAt        string `json:"credential_expires_at,omitempty"`
	}{WhoAmI: me, BaseURL: set.BaseURL.Value(), BaseURLSource: set.BaseURL.Source, CredentialSource: set.Credential.Source,
		WorkspaceSource: set.Workspace.Source, Profile: set.Profile}
	kind, ends := "session", show.Cell{}
	if me.AuthKind == client.AuthAPIKey {
		kind = "API key"
	}
	if at, ok := expiry(set.Credential.Secret()); ok {
		result.ExpiresAt = show.Exact(at)
		ends = s.out.Ago(at)
	}
	return s.data(result, func() error {
		return s.out.Details([]show.Pair{
			{Label: "service", Cell: from(set.BaseURL.Value(), set.BaseURL.Source)},
			{Label: "signed in by", Cell: from(kind, set.Credential.Source)},
			{Label: "ends", Cell: ends},
			{Label: "user", Cell: show.Cell{Text: me.UserID}},
			{Label: "key", Cell: show.Cell{Text: me.APIKeyID}},
			{Label: "workspace", Cell: from(me.WorkspaceID, set.Workspace.Source)},
			{Label: "role", Cell: show.Cell{Text: string(me.Role)}},
			{Label: "scopes", Cell: show.Cell{Text: strings.Join(me.Scopes, ", ")}},
		})
	})
}

// from is a value and its source.
func from(value, source string) show.Cell {
	if source == "" {
		return show.Cell{Text: value}
	}
	return show.Cell{Text: value + " (" + source + ")", Exact: value}
}
