package profile_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/profile"
)

// chosen is what Resolve came to, in the open.
type chosen struct{ BaseURL, From, Credential, By, Workspace string }

func TestEachSettingIsTheStrongestThatThereIs(t *testing.T) {
	t.Parallel()
	const a, b, o = "https://a.example.com", "https://b.example.com", "https://api.onepin.ai"
	for _, tt := range []struct {
		name   string
		flags  profile.Flags
		env    profile.Environment
		onePin string // the content of its file
		want   chosen
	}{
		{name: "the profile in use", want: chosen{a, `profile "default"`, "credential a", `profile "default"`, "workspace a"}},
		{name: "KEYPIN_ before the profile, each for itself", env: profile.Environment{"KEYPIN_API_KEY=k"},
			want: chosen{a, `profile "default"`, "k", "KEYPIN_API_KEY", ""}},
		{name: "a key before a session", env: profile.Environment{"KEYPIN_TOKEN=t", "KEYPIN_API_KEY=k"},
			want: chosen{a, `profile "default"`, "k", "KEYPIN_API_KEY", ""}},
		{name: "a session", env: profile.Environment{"KEYPIN_TOKEN=t", "KEYPIN_BASE_URL=" + b, "KEYPIN_WORKSPACE_ID=w"},
			want: chosen{b, "KEYPIN_BASE_URL", "t", "KEYPIN_TOKEN", "w"}},
		{name: "flags before KEYPIN_", flags: profile.Flags{BaseURL: a, Workspace: "f"}, env: profile.Environment{"KEYPIN_BASE_URL=" + b, "KEYPIN_WORKSPACE_ID=w"},
			want: chosen{a, "--base-url", "credential a", `profile "default"`, "f"}},
		{name: "KEYPIN_WORKSPACE_ID before the profile's", env: profile.Environment{"KEYPIN_WORKSPACE_ID=w"},
			want: chosen{a, `profile "default"`, "credential a", `profile "default"`, "w"}},
		{name: "another profile by a variable", env: profile.Environment{"KEYPIN_PROFILE=b", "KEYPIN_API_KEY=k"},
			want: chosen{b, `profile "b"`, "k", "KEYPIN_API_KEY", ""}},
		{name: "a profile by the flag is as strong as the flag", flags: profile.Flags{Profile: "b"},
			env:  profile.Environment{"KEYPIN_PROFILE=default", "KEYPIN_API_KEY=k", "KEYPIN_BASE_URL=" + a, "KEYPIN_WORKSPACE_ID=w"},
			want: chosen{b, `profile "b"`, "credential b", `profile "b"`, "workspace b"}},
		{name: "a stored credential goes to its own address only", flags: profile.Flags{BaseURL: b}, want: chosen{BaseURL: b, From: "--base-url"}},
		{name: "an address is the same however it is written", flags: profile.Flags{BaseURL: "HTTPS://A.example.com:443/"},
			want: chosen{"HTTPS://A.example.com:443/", "--base-url", "credential a", `profile "default"`, "workspace a"}},
		{name: "OnePin's is not asked while there is another", env: profile.Environment{"ONEPIN_API_KEY=o", "ONEPIN_BASE_URL=" + b},
			want: chosen{a, `profile "default"`, "credential a", `profile "default"`, "workspace a"}},
		{name: "OnePin's variables", flags: profile.Flags{}, env: profile.Environment{"KEYPIN_PROFILE=", "XDG_CONFIG_HOME=/none", "ONEPIN_API_KEY=o", "ONEPIN_BASE_URL=" + b, "ONEPIN_WORKSPACE_ID=ow"},
			want: chosen{b, "ONEPIN_BASE_URL", "o", "ONEPIN_API_KEY", "ow"}},
		{name: "OnePin's key goes to OnePin", env: profile.Environment{"XDG_CONFIG_HOME=/none", "ONEPIN_API_KEY=o"},
			want: chosen{o, "OnePin's default", "o", "ONEPIN_API_KEY", ""}},
		{name: "OnePin's file", env: profile.Environment{"XDG_CONFIG_HOME=/none"}, onePin: "[default]\napi_key = \"of\"\nbase_url = \"" + b + "\"\n[other]\nx = 1\n",
			want: chosen{b, "OnePin's FILE", "of", "OnePin's FILE", ""}},
		{name: "OnePin's file without an address", env: profile.Environment{"XDG_CONFIG_HOME=/none"}, onePin: "[default]\napi_key = \"of\"\n",
			want: chosen{o, "OnePin's default", "of", "OnePin's FILE", ""}},
		{name: "OnePin's stored key goes to its own address only", env: profile.Environment{"XDG_CONFIG_HOME=/none", "KEYPIN_BASE_URL=" + a}, onePin: "[default]\napi_key = \"of\"\n",
			want: chosen{BaseURL: a, From: "KEYPIN_BASE_URL"}},
		{name: "OnePin's variable before its file", env: profile.Environment{"XDG_CONFIG_HOME=/none", "ONEPIN_API_KEY=o"}, onePin: "[default]\napi_key = \"of\"\nbase_url = \"" + b + "\"\n",
			want: chosen{b, "OnePin's FILE", "o", "ONEPIN_API_KEY", ""}},
		{name: "not OnePin's when a profile is named", env: profile.Environment{"KEYPIN_PROFILE=out", "ONEPIN_API_KEY=o"},
			want: chosen{BaseURL: a, From: `profile "out"`}},
		{name: "nothing at all", env: profile.Environment{"XDG_CONFIG_HOME=/none"}, want: chosen{BaseURL: profile.DefaultBaseURL, From: "default"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store, home := newStore(t)
			save(t, store, "default", profile.Profile{BaseURL: a, WorkspaceID: "workspace a", Credential: client.NewSecret("credential a")})
			save(t, store, "b", profile.Profile{BaseURL: b, WorkspaceID: "workspace b", Credential: client.NewSecret("credential b")})
			save(t, store, "out", profile.Profile{BaseURL: a, WorkspaceID: "workspace a"})
			file := filepath.Join(home, ".onepin", "credentials")
			if tt.onePin != "" {
				if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(tt.onePin), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			env := append(profile.Environment{"HOME=" + home}, tt.env...)
			s, err := profile.Resolve(tt.flags, env, profile.NewStore(env), true)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.NewReplacer(file, "FILE")
			got := chosen{s.BaseURL.Value(), name.Replace(s.BaseURL.Source), s.Credential.Value(), name.Replace(s.Credential.Source), s.Workspace.Value()}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if v := s.Credential.Value(); strings.HasPrefix(v, "credential") && strings.Contains(fmt.Sprintf("%v %+v %#v", s, s, s), v) {
				t.Error("the settings print the credential")
			}
			if (s.Withheld != "") != (tt.want.Credential == "" && (tt.flags.BaseURL != "" || tt.onePin != "")) {
				t.Errorf("withheld: %q", s.Withheld)
			}
		})
	}
}

func TestAddressesAreTheSameByWhereTheyLead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"https://example.com", "https://EXAMPLE.com:443/", true},
		{"http://example.com", "http://example.com:80", true},
		{"http://example.com/keypin/", "http://example.com/keypin", true},
		{"https://example.com", "http://example.com", false},
		{"https://example.com", "https://example.com:8443", false},
		{"https://example.com", "https://example.com.evil.example", false},
		{"https://example.com/a", "https://example.com/b", false},
	} {
		if got := profile.SameBase(tt.a, tt.b); got != tt.same {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}
