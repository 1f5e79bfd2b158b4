package measure

import (
	"fmt"
	"os"
	"strings"
)

const measuredEnd = "<!-- measured: end -->"

func measuredBegin(command string) string { return "<!-- measured: written by " + command + " -->" }

// Rewrite puts text in place of the part of the page that the command has measured. It
// stands between two comments, the first of which names the command.
func Rewrite(file, command, text string) error {
	begin := measuredBegin(command)
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(page), begin+"\n")
	_, after, ends := strings.Cut(rest, measuredEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no measured part between %q and %q", file, begin, measuredEnd)
	}
	page = []byte(before + begin + "\n\n" + text + "\n" + measuredEnd + after)
	return os.WriteFile(file, page, 0o644) //nolint:gosec // a page of the documentation
}
