package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/keypin/keypin/internal/cli/manual"
)

// commandLine finds keypin with its arguments in a line for a shell.
var commandLine = regexp.MustCompile(`(?:^|[\s(|])(?:bin/)?keypin((?: +(?:"[^"]*"|'[^']*'|[^\s"'|<>;&#()]+))+)`)

var word = regexp.MustCompile(`"[^"]*"|'[^']*'|[^\s"']+`)

// commandsIn are the arguments of all calls of keypin in a text.
func commandsIn(text string) (all [][]string) {
	for line := range strings.Lines(text) {
		for _, m := range commandLine.FindAllStringSubmatch(line, -1) {
			var args []string
			for _, w := range word.FindAllString(m[1], -1) {
				args = append(args, strings.Trim(w, `"'`))
			}
			all = append(all, args)
		}
	}
	return all
}

// check finds the command and reads its flags and arguments, and runs nothing.
func check(args []string) error {
	root := newRoot(Process{Stdout: io.Discard, Stderr: io.Discard})
	root.InitDefaultCompletionCmd(args...)
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	switch err := cmd.ParseFlags(rest); {
	case errors.Is(err, pflag.ErrHelp):
		return nil
	case err != nil:
		return err
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	return cmd.ValidateRequiredFlags()
}

func TestEveryExampleOfTheHelpCanBeRun(t *testing.T) {
	t.Parallel()
	root := newRoot(Process{Stdout: io.Discard, Stderr: io.Discard})
	for _, cmd := range manual.Leaves(root) {
		found := commandsIn(cmd.Example)
		if len(found) == 0 && !strings.HasPrefix(cmd.CommandPath(), "keypin completion") {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		for _, args := range found {
			if err := check(args); err != nil {
				t.Errorf("%s: keypin %s: %v", cmd.CommandPath(), strings.Join(args, " "), err)
			}
		}
	}
}

func TestEveryCommandOfThePagesCanBeRun(t *testing.T) {
	t.Parallel()
	for name, least := range map[string]int{"README.md": 4, "docs/cli.md": 30} {
		page, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		var code strings.Builder
		for i, part := range strings.Split(string(page), "```") {
			if i%2 == 1 {
				code.WriteString(part)
			}
		}
		all := commandsIn(code.String())
		if len(all) < least {
			t.Errorf("%s has %d commands", name, len(all))
		}
		for _, args := range all {
			if err := check(args); err != nil {
				t.Errorf("%s: keypin %s: %v", name, strings.Join(args, " "), err)
			}
		}
	}
}
