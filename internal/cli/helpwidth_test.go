package cli

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/cli/manual"
)

// TestTheProseOfTheHelpIsWrappedEvenly looks at what stands above Usage. No line is wider
// than 85 columns, and none ends before a word that would have had its place there.
func TestTheProseOfTheHelpIsWrappedEvenly(t *testing.T) {
	t.Parallel()
	const width = 85
	pages := [][]string{nil, {"help", "environment"}, {"help", "exit-codes"}, {"help", "formatting"}}
	for _, cmd := range manual.Leaves(newRoot(Process{Stdout: io.Discard, Stderr: io.Discard})) {
		words := strings.Fields(cmd.CommandPath())[1:]
		pages = append(pages, append(words, "--help"), append(words[:len(words)-1:len(words)-1], "--help"))
	}
	for _, args := range pages {
		var out bytes.Buffer
		if code := Main(context.Background(), Process{Args: args, Stdout: &out, Stderr: io.Discard}); code != 0 {
			t.Errorf("%v ended with %d", args, code)
		}
		prose, _, _ := strings.Cut(out.String(), "\nUsage:\n")
		for paragraph := range strings.SplitSeq(prose, "\n\n") {
			lines := strings.Split(strings.TrimRight(paragraph, "\n"), "\n")
			if strings.HasPrefix(paragraph, " ") {
				continue // it stays as it is
			}
			for i, line := range lines {
				if n := len([]rune(line)); n > width {
					t.Errorf("%v has a line of %d columns: %s", args, n, line)
				}
				if i == 0 {
					continue
				}
				word, _, _ := strings.Cut(line, " ")
				if n := len([]rune(lines[i-1] + " " + word)); n <= width {
					t.Errorf("%v breaks a line at %d columns: %s", args, n, lines[i-1])
				}
			}
		}
	}
}
