package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/ask"
	"github.com/keypin/keypin/internal/cli/manual"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
)

func (c *console) keysVerify() *cobra.Command {
	var params client.VerifyParams
	var address string
	var cost int
	cmd := &cobra.Command{
		Use:   "verify [-]",
		Short: "Check whether a key is good",
		Long: `Verify asks the service whether a key is good, and what it may do. It asks for the
key without showing it; where there is no terminal, it reads it from standard input.
The key is never an argument itself: other users of the machine and your shell's
history could see it.

A check counts against the key's limit unless --cost 0 is given. The exit code is 0
when the key is good and 1 when it is not.`,
		Example: `  keypin keys verify
  keypin keys verify - --scope workflows:read <export.key
  keypin keys verify --cost 0 --jq .code <export.key`,
		Args:        takesDash,
		Annotations: map[string]string{manual.Stdin: "the key"},
	}
	cmd.RunE = c.run(func(s *session, _ []string) error {
		if address != "" {
			addr, err := netip.ParseAddr(address)
			if err != nil {
				return problem.Usage("--client-ip must be an IP address, such as 203.0.113.7")
			}
			params.ClientIP = addr
		}
		if cmd.Flags().Changed("cost") {
			params.Cost = &cost
		}
		if _, err := s.client(); err != nil { // before a question that would be in vain
			return err
		}
		var err error
		if params.Key, err = s.readSecret("Key to verify", "give the key on standard input: keypin keys verify - <FILE"); err != nil {
			return err
		}
		v, err := call(s, func(ctx context.Context, api *client.Client) (*client.Verification, error) {
			return api.Keys.Verify(ctx, params)
		})
		if err != nil {
			return err
		}
		return s.showVerdict(v)
	})
	f := cmd.Flags()
	f.StringArrayVar(&params.Scopes, "scope", nil, "ask whether it holds `SCOPE`; repeatable, all are needed")
	f.StringVar(&address, "client-ip", "", "the `ADDRESS` that the key came from, for keys that are bound to some")
	f.IntVar(&cost, "cost", 1, "count it as `N` uses, 0 to 1000")
	return cmd
}

// takesDash takes nothing or -, and repeats nothing: it may be a secret.
func takesDash(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 || len(args) == 1 && args[0] == "-":
		return nil
	case len(args) > 1:
		return problem.Usage("takes no arguments but -")
	default:
		return notAsArgument()
	}
}

// readSecret asks for a secret if standard input is a terminal, which would show it, and
// reads it from there otherwise. remedy is what to do if neither can be.
func (s *session) readSecret(title, remedy string) (client.Secret, error) {
	if s.ask.Possible() {
		return s.ask.Secret(s.ctx, title, "Paste it and press Enter. Nothing is shown.")
	}
	if _, terminal := show.Terminal(s.process.Stdin); terminal {
		return client.Secret{}, problem.Usage("standard input is a terminal that would show what is typed, and standard error is none to ask on").WithDo("%s", remedy)
	}
	secret, err := ask.ReadSecret(s.ctx, s.process.Stdin)
	if err != nil && !errors.Is(err, ask.ErrInterrupted) {
		return secret, problem.Usage("standard input %v", err).WithDo("%s", remedy)
	}
	return secret, err
}

func (s *session) showVerdict(v *client.Verification) error {
	err := s.data(v, func() error {
		verdict := show.Cell{Text: "not good: " + outcome(v.Code), Exact: string(v.Code), Style: show.Bad}
		if v.Valid {
			verdict = show.Cell{Text: "good", Exact: string(v.Code), Style: show.Good}
		}
		lines := []show.Pair{{Label: "key", Cell: verdict}}
		if k := v.APIKey; k != nil {
			lines = append(lines, []show.Pair{
				{Label: "name", Cell: show.Cell{Text: k.Name}},
				{Label: "id", Cell: show.Cell{Text: k.ID}},
				{Label: "type", Cell: show.Cell{Text: string(k.KeyType)}},
				{Label: "scopes", Cell: show.Cell{Text: strings.Join(k.Scopes, ", ")}},
				{Label: "expires", Cell: s.out.AgoOr(k.ExpiresAt, "never")},
				{Label: "metadata", Cell: metadataCell(k.Metadata)},
			}...)
		}
		if r := v.RateLimit; r != nil {
			lines = append(lines, show.Pair{Label: "limit", Cell: show.Cell{Text: fmt.Sprintf("%d of %d left this minute", r.Remaining, r.Limit)}})
		}
		return s.out.Details(lines)
	})
	if err == nil && !v.Valid {
		return problem.Told()
	}
	return err
}

// outcome is a verdict in words.
func outcome(code client.Outcome) string {
	words := map[client.Outcome]string{
		client.OutcomeMalformed:         "it does not have the form of a key",
		client.OutcomeNotFound:          "there is no such key in the workspace",
		client.OutcomeRevoked:           "it is revoked",
		client.OutcomeInactive:          "it is suspended",
		client.OutcomeExpired:           "it has expired",
		client.OutcomeIPNotAllowed:      "it may not be used from this address (see --client-ip)",
		client.OutcomeInsufficientScope: "it does not hold all of the scopes",
		client.OutcomeRateLimited:       "it has reached its limit of this minute",
		client.OutcomeQuotaExceeded:     "it has used up its quota",
	}[code]
	return cmp.Or(words, string(code))
}
