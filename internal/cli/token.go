package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
	"github.com/keypin/keypin/internal/keypin"
)

func newToken(p Process) *cobra.Command {
	var ask authn.LocalToken
	var role string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a session token of the local issuer",
		Long: `Token prints a session token that a service with the same data folder accepts, as
long as no issuers are configured there. Nothing else goes to standard output.

Without --org the token acts in the user's own workspace; with it, in the workspace
of that organisation, which the first such token makes.`,
		Example: `  export KEYPIN_TOKEN=$(keypin token --data-dir ./data --user you@example.com)
  keypin token --user you@example.com --org "Example Inc" --role editor --ttl 10m`,
		Args: cobra.NoArgs,
		RunE: run(func(cmd *cobra.Command) error {
			switch {
			case cmd.Flags().Changed("role") && ask.Org == "":
				return problem.Usage("--role says nothing without --org: give both, or neither")
			case cmd.Flags().Changed("org") && ask.Org == "":
				return problem.Usage("--org is empty: name an organisation, or leave the flag out")
			}
			ask.Role = keypin.Role(role)
			c, err := load(cmd, p.Environ)
			if err != nil {
				return err
			}
			token, madeKey, err := app.MintToken(c, ask, options(nil))
			if err != nil {
				return flagFault(err)
			}
			if madeKey {
				show.Lines(p.Stderr, fmt.Sprintf("note: made a new signing key in %s; only a service that runs with this data folder accepts the token\n", c.DataDir))
			}
			_, err = fmt.Fprintln(p.Stdout, token.Reveal())
			return err
		}),
	}
	f := cmd.Flags()
	f.StringVar(&ask.Email, "user", "", "`EMAIL` of the user that the token speaks for (needed)")
	f.StringVar(&ask.Org, "org", "", "`NAME` of the organisation that the token is bound to")
	f.StringVar(&role, "role", string(keypin.RoleAdmin), "the user's `ROLE` in the organisation: admin, editor or viewer")
	f.DurationVar(&ask.TTL, "ttl", time.Hour, "how `LONG` the token is valid, at most 24h")
	addSettings(cmd, flagDataDir)
	if err := cmd.MarkFlagRequired("user"); err != nil {
		panic(err) // the flag is defined above
	}
	return cmd
}

// flagFault turns the faults of a token request into a problem that names the flags.
func flagFault(err error) error {
	var wrong *keypin.Error
	if !errors.As(err, &wrong) || wrong.Code != keypin.CodeValidation {
		return err
	}
	text := ""
	for i, d := range wrong.Details {
		if i > 0 {
			text += "; "
		}
		flag := "--" + d.Field
		if d.Field == "email" {
			flag = "--user"
		}
		text += flag + " " + d.Message
	}
	return problem.Usage("%s", text)
}
