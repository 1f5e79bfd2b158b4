package cli_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/keypin/keypin/internal/cli"
)

// What works on a database for a while ends with 130 after Ctrl-C, as everything does.
func TestWorkOnADatabaseThatIsBrokenOffEndsWith130(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keypin.db")
	process := cli.Process{Args: []string{"migrate", "--data-dir", filepath.Dir(file)}, Stdout: io.Discard, Stderr: io.Discard}
	if code := cli.Main(t.Context(), process); code != 0 {
		t.Fatal(code)
	}
	for _, tt := range []struct {
		command string
		args    []string
	}{
		{"keypin copy", []string{"copy", "--from", "sqlite://" + file, "--to", "postgres://keypin@127.0.0.1:1/keypin"}},
		{"keypin migrate", []string{"migrate", "--data-dir", filepath.Dir(file)}},
		{"keypin docs feedback", []string{"docs", "feedback", "--data-dir", filepath.Dir(file)}},
		{"keypin serve", []string{"serve", "--data-dir", filepath.Dir(file), "--listen", "127.0.0.1:0", "--data-listen", ""}},
	} {
		if code, told := afterCtrlC(t, nil, tt.args...); code != 130 || told != tt.command+": interrupted\n" {
			t.Errorf("%v: %d, %s", tt.args, code, told)
		}
	}
}

func TestWhatFailsAtTheMomentOfCtrlCSaysWhy(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file") // a folder is wanted
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"migrate", "--data-dir", filepath.Join(file, "data")}, `^keypin migrate: interrupted: database: making its folder: .*not a directory; name another place with database or data_dir\n$`},
		{[]string{"man", file}, `^keypin man: interrupted: .*not a directory\n$`},
		{[]string{"profile", "list"}, `^keypin profile list: interrupted: .*credentials\.toml cannot be read: not a directory\n$`},
	} {
		if code, told := afterCtrlC(t, []string{"XDG_CONFIG_HOME=" + file}, tt.args...); code != 130 || !regexp.MustCompile(tt.want).MatchString(told) {
			t.Errorf("%v: %d, %s", tt.args, code, told)
		}
	}
}

// A server that takes the connection and says nothing holds up the start.
func TestAStartThatWaitsForPostgreSQLAndIsBrokenOffEndsWith130(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	for _, args := range [][]string{
		{"migrate"},
		{"serve", "--data-dir", t.TempDir(), "--listen", "127.0.0.1:0", "--data-listen", ""},
	} {
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			defer stop()
			if c, err := silent.Accept(); err == nil {
				t.Cleanup(func() { c.Close() })
			}
		}()
		var told bytes.Buffer
		args = append(args, "--database", "postgres://keypin@"+silent.Addr().String()+"/keypin?sslmode=disable")
		code := cli.Main(ctx, cli.Process{Args: args, Stdout: io.Discard, Stderr: &told})
		if want := regexp.MustCompile(`^keypin ` + args[0] + `: interrupted\n$`); code != 130 || !want.MatchString(told.String()) {
			t.Errorf("%v: %d, %s", args, code, told.String())
		}
	}
}

// afterCtrlC runs a command that was told to stop, and gives what it ended with and told.
func afterCtrlC(t *testing.T, environ []string, args ...string) (int, string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var told bytes.Buffer
	code := cli.Main(ctx, cli.Process{Args: args, Environ: environ, Stdout: io.Discard, Stderr: &told})
	return code, told.String()
}
