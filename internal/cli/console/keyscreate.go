package console

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
)

// createdKey is a new key with its secret in the open, for JSON.
type createdKey struct {
	client.APIKey
	Plaintext string `json:"api_key"`
}

func (c *console) keysCreate() *cobra.Command {
	kind := &choice{value: "live", allowed: []string{"live", "test", "read-only"}}
	expires := &moment{now: time.Now, may: true}
	var params client.CreateKeyParams
	var limit int
	var metadata []string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key",
		Long: `Create makes a key. It is shown once and kept nowhere: copy it, or let --output-file
write it to a file that only you can read.

Where standard output is not a terminal the key alone is printed there, so that
another program can take it; with --env it is a line for the shell.

A lost connection never makes two keys: the request is repeated under one
Idempotency-Key.`,
		Example: `  keypin keys create "Nightly export" --scope workflows:read --expires 90d
  keypin keys create ci --type test --output-file ci.key
  eval "$(keypin keys create laptop --env ONEPIN_API_KEY)"
  keypin keys create ci --json --jq '.id'`,
		Args: takes(0, 1, "NAME"),
	}
	to := addSecretOut(cmd, true)
	cmd.RunE = c.run(func(s *session, args []string) error {
		if err := to.check(s); err != nil {
			return err
		}
		var err error
		if params.Metadata, err = pairs(metadata); err != nil {
			return err
		}
		if params.Name, err = s.keyName(args); err != nil {
			return err
		}
		params.KeyType = client.KeyType(kind.value)
		if cmd.Flags().Changed("rate-limit") {
			params.RateLimitPerMin = &limit
		}
		if !expires.at.IsZero() {
			params.ExpiresAt = &expires.at
		}
		return s.createKey(params, to)
	})
	f := cmd.Flags()
	f.StringArrayVar(&params.Scopes, "scope", nil, "what the key may do; repeat it for several `SCOPE`s (none = nothing)")
	f.Var(kind, "type", "`TYPE` live, test or read-only, which may hold :read scopes only")
	f.Var(expires, "expires", "`WHEN` the key ends: 90d, 12h, 2027-01-31, a time, or never (default never)")
	f.IntVar(&limit, "rate-limit", 0, "admit it at most `N` times in any minute (default the service's)")
	f.StringArrayVar(&params.AllowedIPs, "allow-ip", nil, "accept it from this address or CIDR `RANGE` only; repeatable (default anywhere)")
	f.StringArrayVar(&metadata, "metadata", nil, "note `KEY=VALUE` on it; repeatable")
	f.StringVar(&params.Prefix, "prefix", "", "what it begins with, such as `PREFIX` acme_live (default by type)")
	completeChoices(cmd)
	return cmd
}

// keyName is the name that was given, or is asked for.
func (s *session) keyName(args []string) (string, error) {
	if len(args) > 0 {
		if looksSecret(args[0]) {
			return "", notAsArgument()
		}
		return args[0], nil
	}
	if !s.ask.Possible() {
		return "", problem.Usage("needs NAME: %s NAME", s.cmd.CommandPath())
	}
	if _, err := s.client(); err != nil { // before a question that would be in vain
		return "", err
	}
	return s.ask.Text(s.ctx, "What is the key for? Its name", "", func(name string) error {
		if n := len([]rune(strings.TrimSpace(name))); n < 1 || n > 120 {
			return errors.New("1 to 120 characters, such as Nightly export")
		}
		return nil
	})
}

func (s *session) createKey(params client.CreateKeyParams, to *secretOut) error {
	if err := to.open(); err != nil {
		return err
	}
	made, err := call(s, func(ctx context.Context, api *client.Client) (*client.CreatedKey, error) {
		return api.Keys.Create(ctx, params)
	})
	if err != nil {
		to.discard()
		return err
	}
	if len(made.Scopes) == 0 {
		s.out.Note("note: it has no scope and may do nothing; give it one with keypin keys update %s --scope SCOPE", made.ID)
	}
	err = s.hand(to, made.Secret, "Your new key "+quoted(made.Name)+".", createdKey{made.APIKey, made.Secret.Reveal()}, made.APIKey,
		func() error { return s.out.Details(s.keyDetails(&made.APIKey)) })
	if err != nil {
		return lost(err, "the key "+made.ID, "revoke it with keypin keys revoke "+made.ID+", and make another")
	}
	return nil
}
