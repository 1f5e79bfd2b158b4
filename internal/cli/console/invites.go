package console

import (
	"context"
	"fmt"
	"iter"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/manual"
	"github.com/keypin/keypin/internal/cli/show"
)

func (c *console) invites() *cobra.Command {
	return Group(&cobra.Command{
		Use:   "invites",
		Short: "Invite people to a workspace, or accept an invite",
		Long: `An invite's token lets whoever holds it join a workspace, for 14 days. No mail is
sent: hand the token over yourself. Where a command takes INVITE, name it by e-mail
address or id.`,
		Example: "  keypin invites create ann@example.com --role editor\n  keypin invites accept",
	}, c.invitesList(), c.invitesCreate(), c.invitesUpdate(), c.invitesRevoke(), c.invitesAccept())
}

func (c *console) invitesList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the pending invites",
		Long:    "List shows the invites that can still be accepted, oldest first.",
		Example: "  keypin invites list\n  keypin invites list --json",
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
		all, err := collect(s, wanted, func(ctx context.Context, api *client.Client) iter.Seq2[client.Invite, error] {
			return api.Invites.List(ctx, workspace, client.ListParams{Limit: wanted.page()})
		})
		if err != nil {
			return err
		}
		return s.data(all, func() error {
			if len(all) == 0 {
				s.out.Note("There are no pending invites.")
				return nil
			}
			rows := make([][]show.Cell, len(all))
			for i, v := range all {
				rows[i] = []show.Cell{{Text: v.Email, Style: show.Strong}, {Text: string(v.Role)}, s.out.Ago(v.ExpiresAt), s.out.Ago(v.CreatedAt), {Text: v.ID, Style: show.Faint}}
			}
			return s.out.Table([]show.Column{{Title: "E-MAIL", Least: 12}, {Title: "ROLE"}, {Title: "EXPIRES"}, {Title: "CREATED", Drop: 1}, {Title: "ID", Drop: 2}}, rows)
		})
	})
	return cmd
}

// createdInvite is a new invite with its token in the open, for JSON.
type createdInvite struct {
	client.Invite
	Plaintext string `json:"token"`
}

func (s *session) inviteDetails(v *client.Invite) error {
	return s.out.Details([]show.Pair{
		{Label: "for", Cell: show.Cell{Text: v.Email, Style: show.Strong}},
		{Label: "role", Cell: show.Cell{Text: string(v.Role)}},
		{Label: "state", Cell: show.Cell{Text: string(v.Status)}},
		{Label: "expires", Cell: s.out.Ago(v.ExpiresAt)},
		{Label: "id", Cell: show.Cell{Text: v.ID}},
	})
}

func (c *console) invitesCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create EMAIL",
		Short: "Invite somebody",
		Long: `Create makes an invite and shows its token, once. Hand it over; whoever has it joins
with keypin invites accept. Admins only.`,
		Example:           "  keypin invites create ann@example.com --role editor\n  keypin invites create ann@example.com --role viewer --output-file ann.invite",
		Args:              takes(1, 1, "EMAIL"),
		ValidArgsFunction: once(cobra.NoFileCompletions),
	}
	role := addRole(cmd)
	to := addSecretOut(cmd, false)
	cmd.RunE = c.run(func(s *session, args []string) error {
		if err := to.check(s); err != nil {
			return err
		}
		workspace, err := s.ownWorkspace()
		if err != nil {
			return err
		}
		if err := to.open(); err != nil {
			return err
		}
		v, err := call(s, func(ctx context.Context, api *client.Client) (*client.CreatedInvite, error) {
			return api.Invites.Create(ctx, workspace, client.CreateInviteParams{Email: args[0], Role: client.Role(role.value)})
		})
		if err != nil {
			to.discard()
			return err
		}
		err = s.hand(to, v.Token, "The invite for "+show.Clean(v.Email)+".", createdInvite{v.Invite, v.Token.Reveal()}, v.Invite,
			func() error { return s.inviteDetails(&v.Invite) })
		if err != nil {
			return lost(err, "the invite "+v.ID, "take it back with keypin invites revoke "+v.ID+", and make another")
		}
		return nil
	})
	return cmd
}

func (c *console) invitesUpdate() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "update INVITE",
		Short:             "Change the role that an invite gives",
		Long:              "Update changes the role that a pending invite gives; admins only.",
		Example:           "  keypin invites update ann@example.com --role viewer",
		Args:              takes(1, 1, "INVITE"),
		ValidArgsFunction: c.completeInvites(),
	}
	role := addRole(cmd)
	cmd.RunE = c.run(func(s *session, args []string) error {
		workspace, id, err := s.findInvite(args[0])
		if err != nil {
			return err
		}
		v, err := call(s, func(ctx context.Context, api *client.Client) (*client.Invite, error) {
			return api.Invites.SetRole(ctx, workspace, id, client.Role(role.value))
		})
		if err != nil {
			return err
		}
		return s.data(v, func() error { return s.inviteDetails(v) })
	})
	return cmd
}

func (c *console) invitesRevoke() *cobra.Command {
	return &cobra.Command{
		Use:               "revoke INVITE",
		Short:             "Take an invite back",
		Long:              "Revoke takes a pending invite back; admins only. Its token is worth nothing then.",
		Example:           "  keypin invites revoke ann@example.com --yes",
		Args:              takes(1, 1, "INVITE"),
		Annotations:       destructive(),
		ValidArgsFunction: c.completeInvites(),
		RunE: c.run(func(s *session, args []string) error {
			const question = "Take back %s?"
			if err := s.mayAsk(fmt.Sprintf(question, "the invite")); err != nil {
				return err
			}
			workspace, id, err := s.findInvite(args[0])
			if err != nil {
				return err
			}
			if err := s.confirm(fmt.Sprintf(question, "the invite of "+show.Clean(args[0])), "Its token is worth nothing then."); err != nil {
				return err
			}
			v, err := call(s, func(ctx context.Context, api *client.Client) (*client.Invite, error) {
				return api.Invites.Revoke(ctx, workspace, id)
			})
			if err != nil {
				return err
			}
			return s.data(v, func() error {
				s.out.Note("Took back the invite of %s.", show.Clean(v.Email))
				return nil
			})
		}),
	}
}

func (c *console) invitesAccept() *cobra.Command {
	return &cobra.Command{
		Use:   "accept [-]",
		Short: "Join a workspace with an invite's token",
		Long: `Accept asks for the token of an invite, without showing it, and makes you a member. It
needs a session: a key cannot join. Where there is no terminal, the token is read from
standard input; it is never an argument itself, where other users of the machine could
see it.`,
		Example:     "  keypin invites accept\n  keypin invites accept - <ann.invite",
		Args:        takesDash,
		Annotations: map[string]string{manual.Stdin: "the token of the invite"},
		RunE: c.run(func(s *session, _ []string) error {
			if _, err := s.client(); err != nil { // before a question that would be in vain
				return err
			}
			token, err := s.readSecret("Token of the invite", "give the token on standard input: keypin invites accept - <FILE")
			if err != nil {
				return err
			}
			m, err := call(s, func(ctx context.Context, api *client.Client) (*client.AcceptedInvite, error) {
				return api.Invites.Accept(ctx, token)
			})
			if err != nil {
				return err
			}
			return s.data(m, func() error {
				s.out.Note("You are %s of the workspace %s now. To act in it: keypin workspaces use %[2]s", m.Role, m.WorkspaceID)
				return nil
			})
		}),
	}
}

// destructive marks a command that asks before it does what cannot be undone.
func destructive() map[string]string { return map[string]string{manual.Destructive: "true"} }
