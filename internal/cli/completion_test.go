package cli_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/cli"
)

// TestCompletionDoesNotWaitForAServiceThatDoesNotAnswer asks a service that takes a request
// and says nothing. The client itself would wait for 30 s, and then again.
func TestCompletionDoesNotWaitForAServiceThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(silent.Close)
	for _, words := range [][]string{
		{"keys", "get", ""},
		{"workspaces", "get", ""},
		{"members", "remove", ""}, // asks who it is first
		{"invites", "revoke", ""}, // likewise
		{"keys", "list", "--workspace", ""},
	} {
		t.Run(words[0]+" "+words[1], func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			process := cli.Process{Args: append([]string{"__complete"}, words...), Stdout: &out, Stderr: &bytes.Buffer{},
				Environ: []string{"KEYPIN_BASE_URL=" + silent.URL, "KEYPIN_API_KEY=something"}}
			ended := make(chan int, 1)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() { ended <- cli.Main(ctx, process) }()
			select {
			case code := <-ended:
				if code != 0 || out.String() != ":4\n" {
					t.Errorf("ended with %d and %q", code, out.String())
				}
			case <-time.After(10 * time.Second):
				t.Error("it still waits")
			}
		})
	}
}

// completed is what a shell is told of the last word, which is not entered yet.
func completed(t *testing.T, environ []string, words ...string) string {
	t.Helper()
	var out bytes.Buffer
	process := cli.Process{Args: append([]string{"__complete"}, words...), Environ: environ, Stdout: &out, Stderr: io.Discard}
	if code := cli.Main(t.Context(), process); code != 0 {
		t.Errorf("%v: ended with %d", words, code)
	}
	return out.String()
}

func TestTheFlagThatIsNeededIsCompletedBehindTheArgument(t *testing.T) {
	t.Parallel()
	const path = "/api/v1/workspaces/" + id + "/members"
	service := httptest.NewServer(&lists{items: map[string][]map[string]any{path: {
		{"id": id, "status": "active", "email": "ann@example.com", "role": "admin"},
	}}, pages: map[string]int{}})
	t.Cleanup(service.Close)
	environ := []string{"KEYPIN_BASE_URL=" + service.URL, "KEYPIN_API_KEY=something", "KEYPIN_WORKSPACE_ID=" + id}
	const role = "--role\tROLE admin (may do all), editor (their own keys) or viewer (looks only) (needed)\n:4\n"
	for _, tt := range []struct {
		words []string
		want  string
	}{
		{[]string{"members", "update", ""}, "ann@example.com\tadmin\n:36\n"},
		{[]string{"members", "update", "--role", "viewer", ""}, "ann@example.com\tadmin\n:36\n"},
		{[]string{"members", "update", "ann@example.com", ""}, role},
		{[]string{"members", "update", "ann@example.com", "--role", "viewer", ""}, ":4\n"},
		{[]string{"invites", "create", ""}, ":4\n"}, // no files
		{[]string{"invites", "create", "ann@example.com", ""}, role},
	} {
		if got := completed(t, environ, tt.words...); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.words, got, tt.want)
		}
	}
}

func TestFlagsAreDescribedWithoutTheirMarks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		words []string
		want  string
	}{
		{[]string{"keys", "list", "--stat"}, "--status\twhich keys: STATUS active, revoked (all that cannot be used) or all\n:4\n"},
		{[]string{"keys", "list", "--work"}, "--workspace\tact in the workspace ID (default KEYPIN_WORKSPACE_ID, else the profile's)\n:4\n"},
		{[]string{"token", "--us"}, "--user\tEMAIL of the user that the token speaks for (needed)\n:4\n"},
	} {
		if got := completed(t, nil, tt.words...); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.words, got, tt.want)
		}
	}
}

// TestCompletionWorksInRealShells loads the completion as its help says, and presses Tab.
func TestCompletionWorksInRealShells(t *testing.T) {
	t.Parallel()
	service := startService(t)
	token := service.token(t, "--user", "ann@example.com")
	for _, shell := range []struct{ name, start, load string }{
		{"bash", bash, ". /usr/share/bash-completion/bash_completion && . <(keypin completion bash)"},
		{"zsh", "zsh -f", "autoload -U compinit && compinit -u && . <(keypin completion zsh)"},
	} {
		t.Run(shell.name, func(t *testing.T) {
			t.Parallel()
			s := newScreen(t, 100, 30, shell.start, "KEYPIN_BASE_URL="+service.url, "KEYPIN_TOKEN="+token)
			s.ends(0, shell.load)
			s.ends(0, "keypin keys create "+shell.name+" --type test --scope workflows:read --quiet")
			for _, tt := range []struct{ typed, want string }{
				{"keypin keys ro", `keypin keys rotate\b`},
				{"keypin wor", `keypin workspaces\b`},
				{"keypin keys list --stat", `keypin keys list --status\b`},
				{"keypin keys list --status rev", `keypin keys list --status revoked\b`},
				{"keypin members update x --role ed", `keypin members update x --role editor\b`},
				{"keypin open da", `keypin open dashboard\b`},
				{"keypin workspaces get ann", `keypin workspaces get ann[a-z0-9-]*\b`},
			} {
				s.keys("C-c")
				s.ends(0, "true")
				s.await(`^(\$|%|.*#) $`)
				s.types(tt.typed)
				s.keys("Tab")
				s.await(tt.want + ` ?$`)
			}
		})
	}
}
