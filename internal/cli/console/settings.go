package console

import (
	"cmp"
	"context"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
)

// none takes a setting away.
const none = "none"

func setOrClear[T ~string](value T) client.Field[T] {
	if value == none {
		return client.Clear[T]()
	}
	return client.Set(value)
}

func (c *console) workspacesSettings() *cobra.Command {
	var language string
	theme := &choice{allowed: []string{"light", "dark", "system", none}}
	cmd := &cobra.Command{
		Use:               "settings [WORKSPACE]",
		Short:             "Show or change the settings of a workspace",
		Long:              "Settings shows what every member sees by default. With a flag it changes that; admins\nonly.",
		Example:           "  keypin workspaces settings\n  keypin workspaces settings acme-labs --language pt-BR --theme dark\n  keypin workspaces settings acme-labs --theme none",
		Args:              takes(0, 1, "WORKSPACE"),
		ValidArgsFunction: c.completeSlugs(),
	}
	cmd.RunE = c.run(func(s *session, args []string) error {
		id, err := s.findWorkspace(argument(args))
		if err != nil {
			return err
		}
		var params client.UpdateSettingsParams
		given := cmd.Flags().Changed
		if given("language") {
			params.DefaultLanguage = setOrClear(language)
		}
		if given("theme") {
			params.Theme = setOrClear(client.Theme(theme.value))
		}
		settings, err := call(s, func(ctx context.Context, api *client.Client) (*client.WorkspaceSettings, error) {
			if given("language") || given("theme") {
				return api.Workspaces.UpdateSettings(ctx, id, params)
			}
			return api.Workspaces.Settings(ctx, id)
		})
		if err != nil {
			return err
		}
		return s.data(settings, func() error {
			return s.out.Details([]show.Pair{
				{Label: "language", Cell: show.Cell{Text: cmp.Or(settings.DefaultLanguage, "not set")}},
				{Label: "theme", Cell: show.Cell{Text: cmp.Or(string(settings.Theme), "not set")}},
			})
		})
	})
	cmd.Flags().StringVar(&language, "language", "", "the `TAG` of the language, such as en or pt-BR; none = not set")
	cmd.Flags().Var(theme, "theme", "`THEME` light, dark or system; none = not set")
	completeChoices(cmd)
	return cmd
}

// slugState is what is known of a slug.
type slugState struct {
	Slug      string `json:"slug"`
	Available bool   `json:"available"`
}

func (c *console) workspacesSlug() *cobra.Command {
	return &cobra.Command{
		Use:     "slug SLUG",
		Short:   "Ask whether a slug is free",
		Long:    "Slug asks whether a workspace could have a slug. The exit code is 0 when it is free and 1\nwhen it is taken.",
		Example: "  keypin workspaces slug acme-labs\n  keypin workspaces slug acme-labs && keypin workspaces create \"Acme Labs\" --slug acme-labs",
		Args:    takes(1, 1, "SLUG"),
		RunE: c.run(func(s *session, args []string) error {
			free, err := call(s, func(ctx context.Context, api *client.Client) (bool, error) {
				return api.Workspaces.SlugAvailable(ctx, args[0])
			})
			if err != nil {
				return err
			}
			said := "free"
			if !free {
				said = "taken"
			}
			err = s.data(slugState{args[0], free}, func() error {
				return s.out.Details([]show.Pair{{Label: "slug", Cell: show.Cell{Text: args[0]}}, {Label: "is", Cell: show.Cell{Text: said}}})
			})
			if err == nil && !free {
				return problem.Told()
			}
			return err
		}),
	}
}
