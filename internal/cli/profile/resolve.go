package profile

import (
	"net/url"
	"path/filepath"
	"strings"

	"github.com/keypin/keypin/client"
)

// The variables that the client's commands read. Package config knows them too, so that
// the service does not take them for settings of its own.
const (
	EnvAPIKey    = "KEYPIN_API_KEY" //nolint:gosec // the name of a variable, not a key
	EnvToken     = "KEYPIN_TOKEN"
	EnvBaseURL   = "KEYPIN_BASE_URL"
	EnvWorkspace = "KEYPIN_WORKSPACE_ID"
	EnvProfile   = "KEYPIN_PROFILE"

	envOnePinAPIKey    = "ONEPIN_API_KEY" //nolint:gosec // as above
	envOnePinBaseURL   = "ONEPIN_BASE_URL"
	envOnePinWorkspace = "ONEPIN_WORKSPACE_ID"
)

// DefaultBaseURL is where a service listens that was told nothing else.
const DefaultBaseURL = "http://127.0.0.1:8080"

// Environment is the environment as os.Environ gives it.
type Environment []string

// Get is a variable's value; "" when it is not set. The last one of a name counts.
func (e Environment) Get(name string) string {
	value := ""
	for _, v := range e {
		if rest, ok := strings.CutPrefix(v, name+"="); ok {
			value = rest
		}
	}
	return value
}

func (e Environment) setting(name string) Setting { return NewSetting(e.Get(name), name) }

// home is the user's home; "" when there is none.
func (e Environment) home() string {
	if home := e.Get("HOME"); filepath.IsAbs(home) {
		return home
	}
	return e.Get("USERPROFILE")
}

// Setting is a value and where it came from. It prints as [secret]: it may be one.
type Setting struct {
	value  client.Secret
	Source string // such as KEYPIN_BASE_URL, --base-url, or profile "default"
}

// NewSetting is a setting from a source; without a value it is not set.
func NewSetting(value, source string) Setting {
	if value == "" {
		return Setting{}
	}
	return Setting{client.NewSecret(value), source}
}

// Value is the value; "" = not set.
func (s Setting) Value() string { return s.value.Reveal() }

// Secret is the value of a credential.
func (s Setting) Secret() client.Secret { return s.value }

// Flags are the values of the flags; "" = not given.
type Flags struct{ Profile, BaseURL, Workspace string }

// Settings are what a command calls with.
type Settings struct {
	Profile    string // its name, whether it exists or not
	Named      bool   // by a flag or a variable
	Exists     bool
	BaseURL    Setting
	Workspace  Setting // not set = the caller's own
	Credential Setting // not set = not signed in
	// Withheld says why a stored credential is not used; "" = none is.
	Withheld string
	// Note is what is worth telling about a source that was passed over; "" = nothing.
	Note string
}

// DropWorkspace forgets a workspace that came with a credential which is not used: another
// caller may not be in it. What a flag or our own variable names is meant for any caller.
func (s *Settings) DropWorkspace() {
	if !strings.HasPrefix(s.Workspace.Source, "--") && s.Workspace.Source != EnvWorkspace {
		s.Workspace = Setting{}
	}
}

// Resolve finds what to call with. Each setting is the strongest that there is: the
// flag, then the variable KEYPIN_…, then the profile's, then OnePin's. A profile that is
// named by the flag --profile is as strong as the flag.
//
// needed tells whether the command works with a credential only. For those that do not,
// a file of OnePin's that cannot be read is a note.
func Resolve(flags Flags, env Environment, store Store, needed bool) (Settings, error) {
	file, err := store.Load()
	if err != nil {
		return Settings{}, err
	}
	r := resolver{flags: flags, env: env}
	r.choose(file)
	r.own()
	other, err := readOnePin(env)
	switch {
	case err == nil:
		r.lastResort(other)
	case needed && r.out.Credential.Value() == "" && !r.out.Named:
		return Settings{}, err
	case !needed:
		r.out.Note = err.Error() + "; it is passed over"
	}
	if r.out.BaseURL.Value() == "" {
		r.out.BaseURL = NewSetting(DefaultBaseURL, "default")
	}
	r.bind()
	return r.out, nil
}

type resolver struct {
	flags   Flags
	env     Environment
	profile Profile
	stored  string // the address that the chosen credential is stored with; "" = any
	out     Settings
}

// choose finds the profile.
func (r *resolver) choose(file *File) {
	name := first(NewSetting(r.flags.Profile, "--profile"), r.env.setting(EnvProfile))
	r.out.Profile, r.out.Named = name.Value(), name.Value() != ""
	if !r.out.Named {
		r.out.Profile = file.InUse()
	}
	r.profile, r.out.Exists = file.Profiles[r.out.Profile]
}

// own settles what Keypin's own sources say.
func (r *resolver) own() {
	source := `profile "` + r.out.Profile + `"`
	base := NewSetting(r.profile.BaseURL, source)
	workspace := NewSetting(r.profile.WorkspaceID, source)
	credential := NewSetting(r.profile.Credential.Reveal(), source)
	env := first(r.env.setting(EnvAPIKey), r.env.setting(EnvToken))
	flagBase, flagWorkspace := NewSetting(r.flags.BaseURL, "--base-url"), NewSetting(r.flags.Workspace, "--workspace")
	envBase, envWorkspace := r.env.setting(EnvBaseURL), r.env.setting(EnvWorkspace)
	if r.flags.Profile != "" { // as strong as a flag
		r.out.BaseURL = first(flagBase, base, envBase)
		r.out.Credential = first(credential, env)
		workspace = first(workspace, envWorkspace)
	} else {
		r.out.BaseURL = first(flagBase, envBase, base)
		r.out.Credential = first(env, credential)
	}
	if r.out.Credential.Source != source || credential.Value() == "" {
		// The workspace of a profile is one of its own caller's; another may not be in it.
		r.out.Workspace = first(flagWorkspace, envWorkspace)
		return
	}
	r.stored = r.profile.BaseURL
	if r.flags.Profile == "" {
		workspace = first(envWorkspace, workspace)
	}
	r.out.Workspace = first(flagWorkspace, workspace)
}

// lastResort fills from OnePin what is still open. Its credential comes with its address,
// unless a flag or a variable names one; never with that of a profile.
func (r *resolver) lastResort(o onePin) {
	if r.out.Credential.Value() != "" || r.out.Named || o.credential.Value() == "" {
		r.out.BaseURL = first(r.out.BaseURL, o.baseURL)
		return
	}
	r.out.Credential, r.stored = o.credential, o.stored
	r.out.BaseURL = first(NewSetting(r.flags.BaseURL, "--base-url"), r.env.setting(EnvBaseURL), o.baseURL, NewSetting(onePinURL, "OnePin's default"))
	r.out.Workspace = first(r.out.Workspace, o.workspace)
}

// bind withholds a stored credential from any address but its own.
func (r *resolver) bind() {
	base := r.out.BaseURL
	if r.stored == "" || SameBase(r.stored, base.Value()) {
		return
	}
	r.out.Withheld = "the credential of " + r.out.Credential.Source + " is for another address than that of " + base.Source
	r.out.Credential = Setting{}
	r.out.DropWorkspace()
}

// SameBase tells whether two base URLs lead to the same place.
func SameBase(a, b string) bool { return normal(a) == normal(b) }

func normal(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return s
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return strings.ToLower(u.Scheme) + "://" + strings.ToLower(u.Hostname()) + ":" + port + strings.TrimRight(u.EscapedPath(), "/")
}

// first is the first that is set.
func first(all ...Setting) Setting {
	for _, s := range all {
		if s.Value() != "" {
			return s
		}
	}
	return Setting{}
}
