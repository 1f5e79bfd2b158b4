package console

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/ask"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/profile"
	"github.com/keypin/keypin/internal/cli/show"
)

func (c *console) workspaces() *cobra.Command {
	return Group(&cobra.Command{
		Use:   "workspaces",
		Short: "Make, list, change and delete workspaces, or use another",
		Long: `A workspace owns keys and has members. Where a command takes WORKSPACE, name it by its
slug or id; without one the workspace that commands act in is meant.`,
		Example: `  keypin workspaces list
  keypin workspaces create "Acme Labs"
  keypin workspaces use acme-labs`,
	}, c.workspacesList(), c.workspacesCreate(), c.workspacesGet(), c.workspacesUpdate(), c.workspacesDelete(), c.workspacesUse(), c.workspacesSlug(), c.workspacesSettings())
}

func (c *console) workspacesList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the workspaces that you are in",
		Long:    "List shows the workspaces that you are a member of, oldest first; a star marks the one\nthat commands act in.",
		Example: "  keypin workspaces list\n  keypin workspaces list --jq '.[].slug'",
		Args:    takes(0, 0, ""),
	}
	wanted := addPart(cmd)
	cmd.RunE = c.run(func(s *session, _ []string) error {
		if err := wanted.check(cmd); err != nil {
			return err
		}
		all, err := collect(s, wanted, func(ctx context.Context, api *client.Client) iter.Seq2[client.Workspace, error] {
			return api.Workspaces.List(ctx, client.ListParams{Limit: wanted.page()})
		})
		if err != nil {
			return err
		}
		return s.data(all, func() error {
			rows := make([][]show.Cell, len(all))
			for i, w := range all {
				mark := ""
				if w.ID == s.settings.Workspace.Value() {
					mark = "*"
				}
				rows[i] = []show.Cell{{Text: mark}, {Text: w.Name, Style: show.Strong}, {Text: w.Slug}, s.out.Ago(w.CreatedAt), {Text: w.ID, Style: show.Faint}}
			}
			return s.out.Table([]show.Column{{}, {Title: "NAME", Least: 10}, {Title: "SLUG", Least: 10}, {Title: "CREATED", Drop: 1}, {Title: "ID", Drop: 2}}, rows)
		})
	})
	return cmd
}

func (s *session) showWorkspace(w *client.Workspace) error {
	return s.data(w, func() error {
		return s.out.Details([]show.Pair{
			{Label: "name", Cell: show.Cell{Text: w.Name, Style: show.Strong}},
			{Label: "slug", Cell: show.Cell{Text: w.Slug}},
			{Label: "id", Cell: show.Cell{Text: w.ID}},
			{Label: "color", Cell: show.Cell{Text: strconv.Itoa(w.ColorIdx)}},
			{Label: "created", Cell: s.out.Ago(w.CreatedAt)},
			{Label: "made by", Cell: show.Cell{Text: w.CreatedBy}},
		})
	})
}

func (c *console) workspacesCreate() *cobra.Command {
	var params client.CreateWorkspaceParams
	cmd := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a workspace, whose admin you are",
		Long:    "Create makes a workspace. Commands act in it with --workspace, or after\nkeypin workspaces use.",
		Example: "  keypin workspaces create \"Acme Labs\"\n  keypin workspaces create \"Acme Labs\" --slug acme-labs --color 3",
		Args:    takes(1, 1, "NAME"),
	}
	cmd.RunE = c.run(func(s *session, args []string) error {
		params.Name = args[0]
		w, err := call(s, func(ctx context.Context, api *client.Client) (*client.Workspace, error) {
			return api.Workspaces.Create(ctx, params)
		})
		if err != nil {
			return err
		}
		return s.showWorkspace(w)
	})
	cmd.Flags().StringVar(&params.Slug, "slug", "", "call it `SLUG` in addresses, such as acme-labs (default made of the name)")
	cmd.Flags().IntVar(&params.ColorIdx, "color", 0, "the `NUMBER` of its colour, 0 to 6")
	return cmd
}

func (c *console) workspacesGet() *cobra.Command {
	return &cobra.Command{
		Use:               "get [WORKSPACE]",
		Short:             "Show one workspace",
		Long:              "Get shows a workspace by its slug or id; without one, that which commands act in.",
		Example:           "  keypin workspaces get\n  keypin workspaces get acme-labs --json",
		Args:              takes(0, 1, "WORKSPACE"),
		ValidArgsFunction: c.completeSlugs(),
		RunE: c.run(func(s *session, args []string) error {
			id, err := s.findWorkspace(argument(args))
			if err != nil {
				return err
			}
			w, err := call(s, func(ctx context.Context, api *client.Client) (*client.Workspace, error) {
				return api.Workspaces.Get(ctx, id)
			})
			if err != nil {
				return err
			}
			return s.showWorkspace(w)
		}),
	}
}

// argument is the first argument; "" = none.
func argument(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (c *console) workspacesUpdate() *cobra.Command {
	var name, slug string
	var color int
	cmd := &cobra.Command{
		Use:               "update [WORKSPACE]",
		Short:             "Rename a workspace, or change its slug or colour",
		Long:              "Update changes what is named and leaves the rest; admins only.",
		Example:           "  keypin workspaces update acme-labs --name \"Acme Laboratories\"",
		Args:              takes(0, 1, "WORKSPACE"),
		ValidArgsFunction: c.completeSlugs(),
	}
	cmd.RunE = c.run(func(s *session, args []string) error {
		var params client.UpdateWorkspaceParams
		given := cmd.Flags().Changed
		if !given("name") && !given("slug") && !given("color") {
			return problem.Usage("needs something to change: --name, --slug or --color")
		}
		if given("name") {
			params.Name = client.Set(name)
		}
		if given("slug") {
			params.Slug = client.Set(slug)
		}
		if given("color") {
			params.ColorIdx = client.Set(color)
		}
		id, err := s.findWorkspace(argument(args))
		if err != nil {
			return err
		}
		w, err := call(s, func(ctx context.Context, api *client.Client) (*client.Workspace, error) {
			return api.Workspaces.Update(ctx, id, params)
		})
		if err != nil {
			return err
		}
		return s.showWorkspace(w)
	})
	f := cmd.Flags()
	f.StringVar(&name, "name", "", "call it `NAME`")
	f.StringVar(&slug, "slug", "", "call it `SLUG` in addresses")
	f.IntVar(&color, "color", 0, "the `NUMBER` of its colour, 0 to 6")
	return cmd
}

func (c *console) workspacesDelete() *cobra.Command {
	return &cobra.Command{
		Use:               "delete WORKSPACE",
		Short:             "Delete a workspace and revoke every key in it",
		Long:              "Delete deletes a workspace and revokes every key in it; admins only. It cannot be\nundone, so you are asked.",
		Example:           "  keypin workspaces delete acme-labs",
		Args:              takes(1, 1, "WORKSPACE"),
		Annotations:       destructive(),
		ValidArgsFunction: c.completeSlugs(),
		RunE: c.run(func(s *session, args []string) error {
			const question = "Delete %s and revoke every key in it? It cannot be undone."
			if err := s.mayAsk(fmt.Sprintf(question, "the workspace")); err != nil {
				return err
			}
			id, err := s.findWorkspace(args[0])
			if err != nil {
				return err
			}
			w, err := call(s, func(ctx context.Context, api *client.Client) (*client.Workspace, error) {
				return api.Workspaces.Get(ctx, id)
			})
			if err != nil {
				return err
			}
			if err := s.confirm(fmt.Sprintf(question, "the workspace "+quoted(w.Name)), "Its slug is "+w.Slug+"."); err != nil {
				return err
			}
			gone, err := call(s, func(ctx context.Context, api *client.Client) (*client.DeletedWorkspace, error) {
				return api.Workspaces.Delete(ctx, id)
			})
			if err != nil {
				return err
			}
			return s.data(gone, func() error {
				s.out.Note("Deleted %s; its keys are revoked.", quoted(gone.Name))
				return nil
			})
		}),
	}
}

func (c *console) workspacesUse() *cobra.Command {
	return &cobra.Command{
		Use:               "use [WORKSPACE]",
		Short:             "Act in another workspace from now on",
		Long:              "Use makes a workspace the one that the profile's commands act in. Without one it asks\nwhich. --workspace or KEYPIN_WORKSPACE_ID choose one for a single command.",
		Example:           "  keypin workspaces use acme-labs",
		Args:              takes(0, 1, "WORKSPACE"),
		ValidArgsFunction: c.completeSlugs(),
		RunE:              c.run(func(s *session, args []string) error { return s.useWorkspace(args) }),
	}
}

func (s *session) useWorkspace(args []string) error {
	if len(args) == 0 && !s.ask.Possible() {
		return problem.Usage("needs WORKSPACE: there is no terminal to ask on").WithDo("keypin workspaces list shows the slugs")
	}
	if _, err := s.client(); err != nil {
		return err
	}
	if !s.settings.Exists {
		return problem.Failed("there is no profile to keep it in: the credential is that of %s", s.settings.Credential.Source).
			WithDo("sign in with keypin login, or set %s", profile.EnvWorkspace)
	}
	ref := argument(args)
	if ref == "" {
		all, err := call(s, func(ctx context.Context, api *client.Client) ([]client.Workspace, error) {
			return firstOf(maxOffered, api.Workspaces.List(ctx, client.ListParams{}))
		})
		if err != nil {
			return err
		}
		var options []ask.Option
		for _, w := range all {
			options = append(options, ask.Option{Label: show.Clean(w.Name) + "  " + w.Slug, Value: w.ID})
		}
		if ref, err = s.ask.Choose(s.ctx, "Which workspace?", options, s.settings.Workspace.Value()); err != nil {
			return err
		}
	}
	id, err := s.findWorkspace(ref)
	if err != nil {
		return err
	}
	w, err := call(s, func(ctx context.Context, api *client.Client) (*client.Workspace, error) {
		return api.Workspaces.Get(ctx, id)
	})
	if err != nil {
		return err
	}
	err = s.store.Update(func(f *profile.File) error {
		p := f.Profiles[s.settings.Profile]
		p.WorkspaceID = w.ID
		f.Profiles[s.settings.Profile] = p
		return nil
	})
	if err != nil {
		return err
	}
	s.out.Note("Profile %s acts in %s from now on.", s.settings.Profile, quoted(w.Name))
	if s.format.Given() {
		return s.showWorkspace(w)
	}
	return nil
}
