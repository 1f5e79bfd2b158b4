package console

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/cli/ask"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/profile"
	"github.com/keypin/keypin/internal/cli/show"
)

func (c *console) profiles() *cobra.Command {
	list := &cobra.Command{
		Use:     "list",
		Short:   "List the profiles",
		Long:    "List shows the profiles; a star marks the one in use. Credentials are not shown.",
		Example: "  keypin profile list\n  keypin profile list --json",
		Args:    takes(0, 0, ""),
		RunE:    c.run(func(s *session, _ []string) error { return s.listProfiles() }),
	}
	use := &cobra.Command{
		Use:   "use [NAME]",
		Short: "Use a profile from now on",
		Long: `Use makes a profile the one that commands work with. Without a name it asks which.
--profile or KEYPIN_PROFILE chooses one for a single command.`,
		Example:           "  keypin profile use work",
		Args:              takes(0, 1, "NAME"),
		ValidArgsFunction: once(c.completeProfiles),
		RunE:              c.run(func(s *session, args []string) error { return s.useProfile(args) }),
	}
	return Group(&cobra.Command{
		Use:   "profile",
		Short: "List the profiles, or use another",
		Long: `A profile is a service and who you are there. keypin login makes one, and
keypin login --profile NAME makes others.`,
		Example: "  keypin profile list\n  keypin profile use work",
	}, list, use)
}

// shownProfile is a profile without its credential.
type shownProfile struct {
	Name        string `json:"name"`
	BaseURL     string `json:"base_url"`
	WorkspaceID string `json:"workspace_id,omitempty"`
	SignedIn    bool   `json:"signed_in"`
	InUse       bool   `json:"in_use"`
}

func (s *session) listProfiles() error {
	if err := s.resolve(false); err != nil {
		return err
	}
	file, err := s.store.Load()
	if err != nil {
		return err
	}
	all := []shownProfile{}
	var rows [][]show.Cell
	for _, name := range slices.Sorted(maps.Keys(file.Profiles)) {
		p := file.Profiles[name]
		one := shownProfile{name, p.BaseURL, p.WorkspaceID, !p.Credential.IsZero(), name == s.settings.Profile}
		all = append(all, one)
		mark, state := "", show.Cell{Text: "signed out", Style: show.Faint}
		if one.InUse {
			mark = "*"
		}
		if one.SignedIn {
			state = show.Cell{Text: "signed in", Style: show.Good}
		}
		rows = append(rows, []show.Cell{{Text: mark}, {Text: name, Style: show.Strong}, {Text: p.BaseURL}, state, {Text: p.WorkspaceID}})
	}
	return s.data(all, func() error {
		if len(rows) == 0 {
			s.out.Note("There are no profiles. keypin login makes one.")
			return nil
		}
		return s.out.Table([]show.Column{{Title: ""}, {Title: "NAME", Least: 8}, {Title: "SERVICE", Least: 16}, {Title: "STATE"}, {Title: "WORKSPACE", Drop: 1}}, rows)
	})
}

func (s *session) useProfile(args []string) error {
	file, err := s.store.Load()
	if err != nil {
		return err
	}
	if len(args) == 0 && !s.ask.Possible() {
		return problem.Usage("needs NAME: there is no terminal to ask on").WithDo("keypin profile list shows the names")
	}
	if len(file.Profiles) == 0 {
		return problem.Failed("there are no profiles").WithDo("keypin login makes one")
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	} else {
		var options []ask.Option
		for _, one := range slices.Sorted(maps.Keys(file.Profiles)) {
			options = append(options, ask.Option{Label: one + "  " + file.Profiles[one].BaseURL, Value: one})
		}
		if name, err = s.ask.Choose(s.ctx, "Which profile?", options, file.InUse()); err != nil {
			return err
		}
	}
	if _, ok := file.Profiles[name]; !ok {
		return problem.Usage("there is no such profile").WithDo("keypin profile list shows those there are; keypin login --profile NAME makes one")
	}
	err = s.store.Update(func(f *profile.File) error {
		f.Current = name
		return nil
	})
	if err != nil {
		return err
	}
	if other := s.env.Get(profile.EnvProfile); other != "" && other != name {
		s.out.Warn("warning: %s is set to another profile and is stronger", profile.EnvProfile)
	}
	p := file.Profiles[name]
	return s.data(shownProfile{name, p.BaseURL, p.WorkspaceID, !p.Credential.IsZero(), true}, func() error {
		s.out.Note("Profile %s is in use: %s.", name, p.BaseURL)
		return nil
	})
}
