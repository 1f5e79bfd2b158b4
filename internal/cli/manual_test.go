package cli_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/cli"
)

// full is a stream that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestWhatCannotBeWrittenIsAFailureAndNoMisuse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"man", t.TempDir()}, {"schema"}, {"version"}, {"config", "print"}, {"profile", "list", "--json"}} {
		var problems bytes.Buffer
		code := cli.Main(context.Background(), cli.Process{Args: args, Stdout: full{}, Stderr: &problems})
		if code != 1 || !strings.HasSuffix(problems.String(), "no space left on device\n") && !strings.Contains(problems.String(), `no space left on device"`) {
			t.Errorf("%v ended with %d: %s", args, code, problems.String())
		}
	}
}
