package console

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
)

// keyChange is what the flags of an update say.
type keyChange struct {
	name, limit                    string
	scopes, addresses, metadata    []string
	noScopes, anywhere, noMetadata bool
	suspend, resume                bool
	expires                        *moment
}

func (c *console) keysUpdate() *cobra.Command {
	change := &keyChange{expires: &moment{now: time.Now, may: true}}
	cmd := &cobra.Command{
		Use:   "update KEY",
		Short: "Change a key, suspend it, or let it work again",
		Long: `Update changes what is named and leaves the rest. Lists are replaced as a whole.
--suspend stops a key until --resume; keypin keys revoke stops it for good.`,
		Example: `  keypin keys update "Nightly export" --scope workflows:read --scope voices:read
  keypin keys update 2PyLo5 --suspend
  keypin keys update 2PyLo5 --expires never --rate-limit default`,
		Args:              takes(1, 1, "KEY"),
		ValidArgsFunction: c.completeKeys(client.KeysAll),
	}
	cmd.RunE = c.run(func(s *session, args []string) error {
		params, err := change.params(cmd)
		if err != nil {
			return err
		}
		id, err := s.keyID(args[0])
		if err != nil {
			return err
		}
		k, err := call(s, func(ctx context.Context, api *client.Client) (*client.APIKey, error) {
			return api.Keys.Update(ctx, id, params)
		})
		if err != nil {
			return err
		}
		return s.data(k, func() error {
			s.out.Note("Changed.")
			return s.out.Details(s.keyDetails(k))
		})
	})
	f := cmd.Flags()
	f.StringVar(&change.name, "name", "", "call it `NAME`")
	f.StringArrayVar(&change.scopes, "scope", nil, "what it may do from now on; repeat it for several `SCOPE`s")
	f.BoolVar(&change.noScopes, "no-scopes", false, "let it do nothing")
	f.BoolVar(&change.suspend, "suspend", false, "stop it until --resume")
	f.BoolVar(&change.resume, "resume", false, "let it work again")
	f.StringVar(&change.limit, "rate-limit", "", "admit it at most `N` times in any minute; default = the service's")
	f.Var(change.expires, "expires", "`WHEN` it ends: 90d, 12h, 2027-01-31, a time, or never")
	f.StringArrayVar(&change.addresses, "allow-ip", nil, "accept it from this address or CIDR `RANGE` only; repeatable")
	f.BoolVar(&change.anywhere, "allow-any-ip", false, "accept it from anywhere")
	f.StringArrayVar(&change.metadata, "metadata", nil, "note `KEY=VALUE` on it in place of all there is; repeatable")
	f.BoolVar(&change.noMetadata, "no-metadata", false, "take all notes off it")
	for _, pair := range [][]string{{"scope", "no-scopes"}, {"suspend", "resume"}, {"allow-ip", "allow-any-ip"}, {"metadata", "no-metadata"}} {
		cmd.MarkFlagsMutuallyExclusive(pair...)
	}
	return cmd
}

// params makes the update of the flags that were given.
func (c *keyChange) params(cmd *cobra.Command) (p client.UpdateKeyParams, err error) {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	some := false
	for _, name := range []string{"name", "scope", "no-scopes", "suspend", "resume", "rate-limit", "expires", "allow-ip", "allow-any-ip", "metadata", "no-metadata"} {
		some = some || given(name)
	}
	if !some {
		return p, problem.Usage("needs something to change, such as --name, --scope, --suspend or --expires")
	}
	if given("name") {
		p.Name = client.Set(c.name)
	}
	if given("scope") || c.noScopes {
		p.Scopes = client.Set(c.scopes)
	}
	if c.suspend || c.resume {
		p.Active = client.Set(c.resume)
	}
	switch {
	case c.expires.never:
		p.ExpiresAt = client.Clear[time.Time]()
	case given("expires"):
		p.ExpiresAt = client.Set(c.expires.at)
	}
	if given("allow-ip") || c.anywhere {
		p.AllowedIPs = client.Set(c.addresses)
	}
	if given("metadata") || c.noMetadata {
		notes, err := pairs(c.metadata)
		if err != nil {
			return p, err
		}
		p.Metadata = client.Set(notes)
	}
	switch {
	case c.limit == "default":
		p.RateLimitPerMin = client.Clear[int]()
	case given("rate-limit"):
		n, err := strconv.Atoi(c.limit)
		if err != nil {
			return p, problem.Usage("--rate-limit must be a whole number, or default")
		}
		p.RateLimitPerMin = client.Set(n)
	}
	return p, nil
}

// keyID is the id of a key that is named somehow; an id is believed.
func (s *session) keyID(ref string) (string, error) {
	if isUUID(ref) {
		return ref, nil
	}
	k, err := s.findKey(ref)
	if err != nil {
		return "", err
	}
	return k.ID, nil
}

// rotatedKey is a rotation with the new secret in the open, for JSON.
type rotatedKey struct {
	OldKey client.APIKey `json:"old_key"`
	NewKey any           `json:"new_key"`
}

func (c *console) keysRotate() *cobra.Command {
	var grace span
	expires := &moment{now: time.Now, may: true}
	cmd := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Replace a key by a new one with the same settings",
		Long: `Rotate makes a new key with the settings of the old one, and revokes the old one: at
once, or after --grace, in which both work. The new key is shown once and kept
nowhere, as with keypin keys create.

Without --grace whoever uses the old key is locked out at once, so you are asked.`,
		Example: `  keypin keys rotate "Nightly export" --grace 24h
  keypin keys rotate 2PyLo5 --yes --output-file export.key --force`,
		Args:              takes(1, 1, "KEY"),
		Annotations:       destructive(),
		ValidArgsFunction: c.completeKeys(client.KeysActive),
	}
	to := addSecretOut(cmd, true)
	cmd.RunE = c.run(func(s *session, args []string) error {
		if err := to.check(s); err != nil {
			return err
		}
		params := client.RotateKeyParams{Grace: grace.d}
		switch {
		case expires.never:
			params.ExpiresAt = client.Clear[time.Time]()
		case !expires.at.IsZero():
			params.ExpiresAt = client.Set(expires.at)
		}
		if grace.d > 7*24*time.Hour {
			return problem.Usage("--grace must be at most 7d")
		}
		return s.rotateKey(args[0], params, to)
	})
	f := cmd.Flags()
	f.Var(&grace, "grace", "let the old key work for this `LONG` yet, such as 24h; at most 7d (default it stops at once)")
	f.Var(expires, "expires", "`WHEN` the new key ends: 90d, 2027-01-31, a time, or never (default as the old one)")
	return cmd
}

func (s *session) rotateKey(ref string, params client.RotateKeyParams, to *secretOut) error {
	old, err := s.keyToEnd(ref, params.Grace == 0, "Rotate %s? The old key stops at once.")
	if err != nil {
		return err
	}
	if err := to.open(); err != nil {
		return err
	}
	r, err := call(s, func(ctx context.Context, api *client.Client) (*client.Rotation, error) {
		return api.Keys.Rotate(ctx, old, params)
	})
	if err != nil {
		to.discard()
		return err
	}
	ended := "The old key " + r.OldKey.Preview + " is revoked."
	if at := r.OldKey.ExpiresAt; params.Grace > 0 && at != nil {
		ended = "The old key " + r.OldKey.Preview + " works until " + at.UTC().Format("2006-01-02 15:04:05") + " UTC (" + show.Relative(s.out.Now, *at) + ")."
	}
	made := r.NewKey
	err = s.hand(to, made.Secret, "The new key of "+quoted(made.Name)+".", rotatedKey{r.OldKey, createdKey{made.APIKey, made.Secret.Reveal()}},
		rotatedKey{r.OldKey, made.APIKey}, func() error { return s.out.Details(s.keyDetails(&made.APIKey)) })
	if err != nil {
		return lost(err, "the new key "+made.ID, "revoke it with keypin keys revoke "+made.ID+", and make another")
	}
	s.out.Note("%s", ended)
	return nil
}

// keyToEnd is the id of a key that is about to stop, once the user has agreed to it.
// question has one %s, for what the key is called.
func (s *session) keyToEnd(ref string, asks bool, question string) (string, error) {
	if !asks || s.flags.yes {
		return s.keyID(ref)
	}
	if looksSecret(ref) {
		return "", notAsArgument()
	}
	if err := s.mayAsk(fmt.Sprintf(question, "the key")); err != nil {
		return "", err
	}
	k, err := s.findKey(ref)
	if err != nil {
		return "", err
	}
	used := "It was never used."
	if k.LastUsedAt != nil {
		used = "It was last used " + show.Relative(s.out.Now, *k.LastUsedAt) + "."
	}
	return k.ID, s.confirm(fmt.Sprintf(question, quoted(k.Name)+" ("+k.Preview+")"), used)
}

func (c *console) keysRevoke() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke KEY",
		Short: "End a key for good",
		Long: `Revoke ends a key for good: within a second it is refused everywhere. It cannot be
undone; keypin keys update KEY --suspend can. Revoking it again changes nothing.`,
		Example:           "  keypin keys revoke \"Nightly export\"\n  keypin keys revoke 2PyLo5 --yes",
		Args:              takes(1, 1, "KEY"),
		Annotations:       destructive(),
		ValidArgsFunction: c.completeKeys(client.KeysActive),
		RunE: c.run(func(s *session, args []string) error {
			id, err := s.keyToEnd(args[0], true, "Revoke %s? It cannot be undone.")
			if err != nil {
				return err
			}
			k, err := call(s, func(ctx context.Context, api *client.Client) (*client.APIKey, error) { return api.Keys.Revoke(ctx, id) })
			if err != nil {
				return err
			}
			return s.data(k, func() error {
				s.out.Note("Revoked %s (%s).", quoted(k.Name), k.Preview)
				return nil
			})
		}),
	}
}

// quoted is a name in a sentence.
func quoted(name string) string { return "“" + strings.TrimSpace(show.Clean(name)) + "”" }
