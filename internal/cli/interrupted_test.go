package cli_test

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
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
	for _, args := range [][]string{
		{"copy", "--from", "sqlite://" + file, "--to", "postgres://keypin@127.0.0.1:1/keypin"},
		{"migrate", "--data-dir", filepath.Dir(file)},
		{"migrate", "--database", "postgres://keypin@127.0.0.1:1/keypin"},
		{"docs", "feedback", "--data-dir", filepath.Dir(file)},
	} {
		ctx, stop := context.WithCancel(t.Context())
		stop()
		var out, told bytes.Buffer
		if code := cli.Main(ctx, cli.Process{Args: args, Stdout: &out, Stderr: &told}); code != 130 || told.String() != "keypin "+args[0]+": interrupted\n" && args[0] != "docs" {
			t.Errorf("%v: %d, %s", args, code, told.String())
		}
	}
}
