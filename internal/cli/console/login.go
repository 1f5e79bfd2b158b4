package console

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/manual"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/profile"
	"github.com/keypin/keypin/internal/cli/show"
)

func (c *console) login() *cobra.Command {
	var withToken bool
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in to a service",
		Long: `Login asks for an API key or a session token, without showing it, checks that the
service accepts it, and keeps it in a profile in ~/.config/keypin/credentials.toml
($XDG_CONFIG_HOME is respected), which only you can read.

With --with-token it is read from standard input, for scripts. It is never an
argument, where other users of the machine could see it.

A session token ends by itself; to stay signed in use a key that has the scopes
api-keys:read and api-keys:write.`,
		Example: `  keypin login
  keypin login --base-url https://keys.example.com --profile work
  keypin token --user you@example.com | keypin login --with-token`,
		Args:        takes(0, 0, ""),
		Annotations: map[string]string{manual.Stdin: "the key or session token, with --with-token"},
		RunE:        c.run(func(s *session, _ []string) error { return s.login(withToken) }),
	}
	cmd.Flags().BoolVar(&withToken, "with-token", false, "read the key or session token from standard input")
	return cmd
}

func (s *session) login(withToken bool) error {
	if !withToken && !s.ask.Possible() {
		return problem.Usage("there is no terminal to ask on").
			WithDo("give the key or session token on standard input: keypin login --with-token <FILE")
	}
	if err := s.resolve(false); err != nil {
		return err
	}
	if err := profile.CheckName(s.settings.Profile); err != nil {
		return problem.Usage("--profile: %v", err)
	}
	if err := s.askAddress(withToken); err != nil {
		return err
	}
	if inTheClear(s.settings.BaseURL.Value()) {
		s.out.Warn("warning: %s is not https: whoever is on the way can read the credential", s.settings.BaseURL.Value())
	}
	credential, err := s.readSecret("API key or session token for "+s.settings.BaseURL.Value(),
		"give the key or session token on standard input: keypin login --with-token <FILE")
	if err != nil {
		return err
	}
	s.settings.DropWorkspace()
	s.settings.Credential = profile.Setting{}
	if s.api, err = s.connect(s.settings, credential); err != nil {
		return err
	}
	me, err := callWith(s, s.api, func(ctx context.Context, api *client.Client) (*client.WhoAmI, error) { return api.WhoAmI(ctx) })
	if err != nil {
		return err
	}
	return s.keep(me, credential)
}

// askAddress asks which service, if nothing says so.
func (s *session) askAddress(withToken bool) error {
	if s.settings.BaseURL.Source != "default" || withToken || s.flags.yes {
		return nil
	}
	address, err := s.ask.Text(s.ctx, "Address of the service", s.settings.BaseURL.Value(), func(text string) error {
		if _, err := client.New(strings.TrimSpace(text)); err != nil {
			return errors.New(tail(err))
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.settings.BaseURL = profile.NewSetting(address, "your answer")
	return nil
}

// keep writes the profile and tells who is signed in.
func (s *session) keep(me *client.WhoAmI, credential client.Secret) error {
	base := strings.TrimRight(s.settings.BaseURL.Value(), "/")
	inUse := ""
	err := s.store.Update(func(f *profile.File) error {
		if len(f.Profiles) == 0 {
			f.Current = s.settings.Profile
		}
		inUse = f.InUse()
		f.Profiles[s.settings.Profile] = profile.Profile{BaseURL: base, WorkspaceID: me.WorkspaceID, Credential: credential}
		return nil
	})
	if err != nil {
		return err
	}
	for _, name := range []string{profile.EnvAPIKey, profile.EnvToken} {
		if s.env.Get(name) != "" {
			s.out.Warn("warning: %s is set and is used instead, unless --profile is given", name)
		}
	}
	if at, ok := expiry(credential); ok {
		s.out.Note("This session token ends %s; sign in again then.", show.Relative(s.out.Now, at))
	}
	if inUse != s.settings.Profile {
		s.out.Note("To use it: keypin profile use %s, or --profile %[1]s.", s.settings.Profile)
	}
	result := struct {
		Profile string `json:"profile"`
		BaseURL string `json:"base_url"`
		*client.WhoAmI
	}{s.settings.Profile, base, me}
	return s.data(result, func() error {
		s.out.Note("Signed in to %s as %s (profile %s, %s).", base, caller(me), s.settings.Profile, s.store.Path())
		return nil
	})
}

// caller is who is signed in, in a few words.
func caller(me *client.WhoAmI) string {
	if me.AuthKind == client.AuthAPIKey {
		return "the key " + me.APIKeyID
	}
	return string(me.Role) + " in the workspace " + me.WorkspaceID
}

// inTheClear tells that an address is reached over a network, unencrypted.
func inTheClear(base string) bool {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "http" {
		return false
	}
	host := u.Hostname()
	if addr, err := netip.ParseAddr(host); err == nil {
		return !addr.IsLoopback()
	}
	return host != "localhost" && !strings.HasSuffix(host, ".localhost") && net.ParseIP(host) == nil
}

func (c *console) logout() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Forget the credential of a profile",
		Long: `Logout removes the credential from the profile in use, or from that of --profile. Its
address stays, for the next login. The key or session token itself stays valid: a key
is ended with keypin keys revoke.`,
		Example: "  keypin logout\n  keypin logout --profile work",
		Args:    takes(0, 0, ""),
		RunE: c.run(func(s *session, _ []string) error {
			if err := s.resolve(false); err != nil {
				return err
			}
			if err := s.checkProfile(); err != nil {
				return err
			}
			name, was := s.settings.Profile, false
			file, err := s.store.Load()
			if err != nil {
				return err
			}
			if was = !file.Profiles[name].Credential.IsZero(); was {
				err = s.store.Update(func(f *profile.File) error {
					p := f.Profiles[name]
					p.Credential = client.Secret{}
					f.Profiles[name] = p
					return nil
				})
			}
			if err != nil {
				return err
			}
			for _, variable := range []string{profile.EnvAPIKey, profile.EnvToken} {
				if s.env.Get(variable) != "" {
					s.out.Warn("warning: %s is still set and still used", variable)
				}
			}
			result := struct {
				Profile   string `json:"profile"`
				SignedOut bool   `json:"signed_out"`
			}{name, was}
			return s.data(result, func() error {
				if was {
					s.out.Note("Signed out of profile %s. The credential itself stays valid.", name)
				} else {
					s.out.Note("Profile %s was not signed in.", name)
				}
				return nil
			})
		}),
	}
}
