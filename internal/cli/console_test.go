package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/keypin/keypin/internal/cli"
)

// service is one that runs in this process until the test ends.
type service struct{ url, data string }

func startService(t *testing.T) service {
	t.Helper()
	data := t.TempDir()
	ctx, stop := context.WithCancel(context.Background())
	log := &serviceLog{ready: make(chan string, 1)}
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Main(ctx, cli.Process{Args: []string{"serve", "--listen", "127.0.0.1:0", "--data-listen", "", "--data-dir", data}, Stdout: log, Stderr: log})
	}()
	t.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 {
			t.Errorf("the service ended with %d:\n%s", code, log.text.String())
		}
		if plaintext.Match(log.text.Bytes()) {
			t.Errorf("the service's log holds a key")
		}
	})
	select {
	case address := <-log.ready:
		return service{url: "http://" + address, data: data}
	case code := <-ended:
		ended <- code
		t.Fatal("the service did not start")
	case <-time.After(30 * time.Second):
		t.Fatal("the service is not ready")
	}
	return service{}
}

// serviceLog is what a service writes. ready hears where it listens.
type serviceLog struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan string
}

var readyLine = regexp.MustCompile(`"msg":"ready","listen":"([^"]+)"`)

func (l *serviceLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := readyLine.FindSubmatch(line); found != nil {
		l.ready <- string(found[1])
	}
	return l.text.Write(line)
}

// plaintext is the form of a key.
var plaintext = regexp.MustCompile(`op_(live|test|read)_[0-9A-Za-z]{32}`)

// token is a session token of the service for a user.
func (s service) token(t interface{ Fatalf(string, ...any) }, args ...string) string {
	var out, problems bytes.Buffer
	if code := cli.Main(context.Background(), cli.Process{Args: append([]string{"token", "--data-dir", s.data}, args...), Stdout: &out, Stderr: &problems}); code != 0 {
		t.Fatalf("keypin token ended with %d: %s", code, problems.String())
	}
	return strings.TrimSpace(out.String())
}

// TestTheClientsCommandsDoAsTheScriptsSay runs testdata/console/*.txtar against one
// service. Each script has users, and so workspaces, of its own.
func TestTheClientsCommandsDoAsTheScriptsSay(t *testing.T) {
	t.Parallel()
	s := startService(t)
	// The scripts run side by side and end after this function's body.
	t.Run("scripts", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir:                 filepath.Join("testdata", "console"),
			RequireExplicitExec: true,
			RequireUniqueNames:  true,
			Setup: func(env *testscript.Env) error {
				env.Setenv("GORACE", "atexit_sleep_ms=0")
				env.Setenv("KEYPIN_BASE_URL", s.url)
				env.Setenv("SERVICE", s.url)
				env.Setenv("HOME", filepath.Join(env.WorkDir, "home"))
				return os.Mkdir(filepath.Join(env.WorkDir, "home"), 0o700)
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){
				"fails": fails, "freeport": freePort, "poll": poll,
				"signin": s.signIn, "await": await, "pages": pages, "take": take, "isjson": isJSON, "mode": mode,
			},
		})
	})
}

// signin NAME [FLAGS…] signs in by KEYPIN_TOKEN, and writes the token to the file
// NAME.token. NAME is of this script alone.
func (s service) signIn(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: signin NAME [FLAGS...]")
	}
	user := args[0] + "@" + strings.ReplaceAll(ts.Name(), "_", "-") + ".example.com"
	token := s.token(ts, append([]string{"--user", user}, args[1:]...)...)
	ts.Setenv("KEYPIN_TOKEN", token)
	ts.Setenv(strings.ToUpper(args[0]), user)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".token"), []byte(token+"\n"), 0o600))
}

// await REGEXP PROGRAM ARGS… runs a program until its output has a match, for at most 30 s.
func await(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile("(?m)" + args[0])
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%v never prints %s", args[1:], args[0])
		}
	}
}

// newPages is a service that has a documentation and a dashboard.
func newPages() *httptest.Server {
	mux := http.NewServeMux()
	for _, path := range []string{"/docs", "/dashboard"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "" {
				w.WriteHeader(http.StatusTeapot) // nobody signs in to look at a page
			}
		})
	}
	return httptest.NewServer(mux)
}

// pages NAME sets a variable to the address of a service that has pages.
func pages(ts *testscript.TestScript, _ bool, args []string) {
	server := newPages()
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

// startPages is the address of a service that has pages.
func startPages(t *testing.T) string {
	server := newPages()
	t.Cleanup(server.Close)
	return server.URL
}

// take NAME sets a variable to the first line of the last standard output.
func take(ts *testscript.TestScript, _ bool, args []string) {
	line, _, _ := strings.Cut(ts.ReadFile("stdout"), "\n")
	ts.Setenv(args[0], line)
}

// isjson FILE checks that a file is JSON and nothing else.
func isJSON(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[0])), &v); err != nil {
		ts.Fatalf("%s is not JSON: %v", args[0], err)
	}
}

// mode FILE MODE checks a file's mode.
func mode(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := info.Mode().Perm().String(); got != args[1] {
		ts.Fatalf("%s has the mode %s, want %s", args[0], got, args[1])
	}
}

// TestEveryClientCommandHasItsHelpItsFailureAndItsJSONInAScript keeps the scripts complete.
func TestEveryClientCommandHasItsHelpItsFailureAndItsJSONInAScript(t *testing.T) {
	t.Parallel()
	var out, problems bytes.Buffer
	if code := cli.Main(context.Background(), cli.Process{Args: []string{"schema"}, Stdout: &out, Stderr: &problems}); code != 0 {
		t.Fatalf("keypin schema: %s", problems.String())
	}
	var manifest struct {
		Commands []struct {
			Path    string `json:"path"`
			Globals bool   `json:"takes_global_flags"`
		} `json:"commands"`
	}
	if err := json.Unmarshal(out.Bytes(), &manifest); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "console", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	var all strings.Builder
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(content)
	}
	if len(manifest.Commands) < 35 {
		t.Errorf("the manifest has %d commands", len(manifest.Commands))
	}
	for _, c := range manifest.Commands {
		if !c.Globals || strings.HasPrefix(c.Path, "keypin completion") {
			continue
		}
		path := regexp.QuoteMeta(c.Path)
		for what, pattern := range map[string]string{
			"help":    `(?m)^exec ` + path + ` --help$`,
			"failure": `(?m)^fails \d+ ` + path + `( |$)`,
			"JSON":    `(?m)^exec ` + path + ` .*--json`,
		} {
			if !regexp.MustCompile(pattern).MatchString(all.String()) {
				t.Errorf("%s: no script shows its %s", c.Path, what)
			}
		}
	}
}
