package console

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/manual"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
)

// addRole gives a command the flag --role, which it needs.
func addRole(cmd *cobra.Command) *choice {
	role := &choice{allowed: []string{"admin", "editor", "viewer"}}
	cmd.Flags().Var(role, "role", "`ROLE` admin (may do all), editor (their own keys) or viewer (looks only) (needed)")
	if err := cmd.Flags().SetAnnotation("role", manual.Needed, nil); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if role.value == "" {
			return problem.Usage("needs --role admin, editor or viewer")
		}
		return nil
	}
	completeChoices(cmd)
	return role
}

func (c *console) members() *cobra.Command {
	return Group(&cobra.Command{
		Use:   "members",
		Short: "List the members of a workspace, change their roles, remove them",
		Long: `Members belong to the workspace that commands act in; --workspace names another. Where
a command takes MEMBER, name one by e-mail address or id.`,
		Example: "  keypin members list\n  keypin members update ann@example.com --role viewer",
	}, c.membersList(), c.membersUpdate(), c.membersRemove())
}

func (c *console) membersList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the members, and who is invited",
		Long:    "List shows the members, oldest first, and the pending invites behind them.",
		Example: "  keypin members list\n  keypin members list --jq '.[] | select(.role == \"admin\") | .email'",
		Args:    takes(0, 0, ""),
	}
	wanted := addPart(cmd)
	cmd.RunE = c.run(func(s *session, _ []string) error {
		if err := wanted.check(cmd); err != nil {
			return err
		}
		workspace, err := s.ownWorkspace()
		if err != nil {
			return err
		}
		all, err := collect(s, wanted, func(ctx context.Context, api *client.Client) iter.Seq2[client.Member, error] {
			return api.Members.List(ctx, workspace, client.ListParams{Limit: wanted.page()})
		})
		if err != nil {
			return err
		}
		return s.data(all, func() error {
			rows := make([][]show.Cell, len(all))
			for i := range all {
				m := &all[i]
				rows[i] = []show.Cell{{Text: cmp.Or(m.Email, "-"), Style: show.Strong}, {Text: fullName(m)}, {Text: string(m.Role)}, memberState(m),
					s.out.AgoOr(m.LastActiveAt, "never"), {Text: m.ID, Style: show.Faint}}
			}
			return s.out.Table([]show.Column{{Title: "E-MAIL", Least: 12}, {Title: "NAME", Least: 8, Drop: 3}, {Title: "ROLE"}, {Title: "STATE"},
				{Title: "ACTIVE", Drop: 1}, {Title: "ID", Drop: 2}}, rows)
		})
	})
	return cmd
}

func fullName(m *client.Member) string { return strings.TrimSpace(m.FirstName + " " + m.LastName) }

func memberState(m *client.Member) show.Cell {
	if m.Status == client.MemberPending {
		return show.Cell{Text: "invited", Exact: string(m.Status), Style: show.Warning}
	}
	return show.Cell{Text: string(m.Status), Style: show.Good}
}

// who is a member in a sentence.
func who(m *client.Member) string {
	return show.Clean(cmp.Or(m.Email, fullName(m), m.ID))
}

func (c *console) membersUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "update MEMBER",
		Short:             "Change a member's role",
		Long:              "Update changes a member's role; admins only. The last admin stays one.",
		Example:           "  keypin members update ann@example.com --role editor",
		Args:              takes(1, 1, "MEMBER"),
		ValidArgsFunction: c.completeMembers(),
	}
	role := addRole(cmd)
	cmd.RunE = c.run(func(s *session, args []string) error {
		workspace, err := s.ownWorkspace()
		if err != nil {
			return err
		}
		member, err := s.findMember(workspace, args[0])
		if err != nil {
			return err
		}
		m, err := call(s, func(ctx context.Context, api *client.Client) (*client.Member, error) {
			return api.Members.SetRole(ctx, workspace, member.ID, client.Role(role.value))
		})
		if err != nil {
			return err
		}
		return s.data(m, func() error {
			s.out.Note("%s is %s now.", who(m), m.Role)
			return nil
		})
	})
	return cmd
}

func (c *console) membersRemove() *cobra.Command {
	return &cobra.Command{
		Use:               "remove MEMBER",
		Short:             "Take a member out of the workspace",
		Long:              "Remove takes a member out of the workspace; admins only. The keys that they made go on\nworking. The last admin stays.",
		Example:           "  keypin members remove ann@example.com",
		Args:              takes(1, 1, "MEMBER"),
		Annotations:       destructive(),
		ValidArgsFunction: c.completeMembers(),
		RunE: c.run(func(s *session, args []string) error {
			const question = "Remove %s from the workspace? Keys that they made go on working."
			if err := s.mayAsk(fmt.Sprintf(question, "the member")); err != nil {
				return err
			}
			workspace, err := s.ownWorkspace()
			if err != nil {
				return err
			}
			member, err := s.findMember(workspace, args[0])
			if err != nil {
				return err
			}
			if err := s.confirm(fmt.Sprintf(question, who(member)), "The role is "+string(member.Role)+"."); err != nil {
				return err
			}
			m, err := call(s, func(ctx context.Context, api *client.Client) (*client.Member, error) {
				return api.Members.Remove(ctx, workspace, member.ID)
			})
			if err != nil {
				return err
			}
			return s.data(m, func() error {
				s.out.Note("Removed %s.", who(m))
				return nil
			})
		}),
	}
}
