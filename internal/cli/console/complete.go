package console

import (
	"context"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/manual"
	"github.com/keypin/keypin/internal/cli/show"
)

// completionTime is how long a completion may wait for the service.
const completionTime = 2 * time.Second

// completion is a function of cobra's that completes arguments.
type completion = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeChoices completes the flags of cmd that have a few values.
func completeChoices(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if c, ok := f.Value.(*choice); ok {
			mustComplete(cmd, f.Name, cobra.FixedCompletions(c.allowed, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder))
		}
	})
}

func mustComplete(cmd *cobra.Command, flag string, how completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, how); err != nil {
		panic(err) // the flag is defined by the caller, and completed once
	}
}

// completeGlobals completes the global flags.
func (c *console) completeGlobals(root *cobra.Command) {
	mustComplete(root, "profile", c.completeProfiles)
	mustComplete(root, "workspace", c.completeWorkspaces(func(w *client.Workspace) string { return w.ID }))
	for _, flag := range []string{"base-url", "jq", "template"} {
		mustComplete(root, flag, cobra.NoFileCompletions)
	}
}

// once completes the first argument only, and behind it the flags that are needed still.
func once(how completion) completion {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return missing(cmd), cobra.ShellCompDirectiveNoFileComp
		}
		return how(cmd, args, word)
	}
}

// missing are the flags that a command needs and does not have.
func missing(cmd *cobra.Command) []string {
	var out []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, needed := f.Annotations[manual.Needed]; needed && !f.Changed {
			out = append(out, cobra.CompletionWithDesc("--"+f.Name, f.Usage))
		}
	})
	return out
}

func (c *console) completeProfiles(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	s, err := c.begin(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	file, err := s.store.Load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(file.Profiles)) {
		out = append(out, cobra.CompletionWithDesc(name, file.Profiles[name].BaseURL))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completing completes from what the service says, if it says so soon: the session ends
// after completionTime, with every call that is made in it. Whatever goes wrong completes
// nothing: there is nobody to tell.
func (c *console) completing(list func(*session, *client.Client) ([]string, error)) completion {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		const nothing = cobra.ShellCompDirectiveNoFileComp
		s, err := c.begin(cmd)
		if err != nil {
			return nil, nothing
		}
		s.out.Stderr, s.out.Quiet = io.Discard, true
		ctx, cancel := context.WithTimeout(s.ctx, completionTime)
		defer cancel()
		s.ctx = ctx
		api, err := s.client()
		if err != nil {
			return nil, nothing
		}
		out, err := list(s, api)
		if err != nil {
			return nil, nothing
		}
		return out, nothing | cobra.ShellCompDirectiveKeepOrder
	}
}

// completeKeys completes the last characters of keys; their names are what is shown.
func (c *console) completeKeys(status client.KeyStatus) completion {
	return once(c.completing(func(s *session, api *client.Client) ([]string, error) {
		page, err := api.Keys.ListPage(s.ctx, client.ListKeysParams{Status: status, Limit: 100})
		if err != nil {
			return nil, err
		}
		var out []string
		for _, k := range page.Items {
			out = append(out, cobra.CompletionWithDesc(k.KeySuffix, show.Clean(k.Name)))
		}
		return out, nil
	}))
}

// completeSlugs completes an argument that names a workspace.
func (c *console) completeSlugs() completion {
	return once(c.completeWorkspaces(func(w *client.Workspace) string { return w.Slug }))
}

// completeWorkspaces completes workspaces by what names one; their names are shown beside.
func (c *console) completeWorkspaces(name func(*client.Workspace) string) completion {
	return c.completing(func(s *session, api *client.Client) ([]string, error) {
		all, err := firstOf(maxOffered, api.Workspaces.List(s.ctx, client.ListParams{}))
		var out []string
		for _, w := range all {
			out = append(out, cobra.CompletionWithDesc(name(&w), show.Clean(w.Name)))
		}
		return out, err
	})
}

// completeMembers completes e-mail addresses of members.
func (c *console) completeMembers() completion {
	return once(c.completing(func(s *session, api *client.Client) ([]string, error) {
		workspace, err := s.ownWorkspace()
		if err != nil {
			return nil, err
		}
		active := func(m *client.Member) bool { return m.Status == client.MemberActive && m.Email != "" }
		all, err := firstOf(maxOffered, where(api.Members.List(s.ctx, workspace, client.ListParams{}), active))
		var out []string
		for _, m := range all {
			out = append(out, cobra.CompletionWithDesc(m.Email, string(m.Role)))
		}
		return out, err
	}))
}

// completeInvites completes e-mail addresses of who is invited.
func (c *console) completeInvites() completion {
	return once(c.completing(func(s *session, api *client.Client) ([]string, error) {
		workspace, err := s.ownWorkspace()
		if err != nil {
			return nil, err
		}
		all, err := firstOf(maxOffered, api.Invites.List(s.ctx, workspace, client.ListParams{}))
		var out []string
		for _, v := range all {
			out = append(out, cobra.CompletionWithDesc(v.Email, string(v.Role)))
		}
		return out, err
	}))
}
