package main

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"keypin": main})
}

// TestTheProgramDoesAsTheScriptsSay runs testdata/*.txtar, each in a folder laid out
// like a checkout: bin/keypin and scripts/run.sh.
func TestTheProgramDoesAsTheScriptsSay(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile(filepath.Join("..", "..", "scripts", "run.sh"))
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			// The race detector waits a second before a process ends; not for each command.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			for _, dir := range []string{"bin", "scripts"} {
				if err := os.Mkdir(filepath.Join(env.WorkDir, dir), 0o700); err != nil {
					return err
				}
			}
			path, err := os.Executable()
			if err != nil {
				return err
			}
			// The test binary is keypin when it is called so.
			if err := os.Symlink(path, filepath.Join(env.WorkDir, "bin", "keypin")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(env.WorkDir, "scripts", "run.sh"), script, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"freeport": freePort, "await": await},
	})
}

// freeport NAME… sets each variable to a loopback address that nobody listens on.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		ts.Setenv(name, l.Addr().String())
		defer func() { ts.Check(l.Close()) }()
	}
}

// await FILE REGEXP waits, for at most 60 s, until the file holds a match.
func await(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	want := regexp.MustCompile(args[1])
	deadline := time.After(60 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && want.Match(content) {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s has no match for %s: %v\n%s", args[0], args[1], err, content)
		}
	}
}
