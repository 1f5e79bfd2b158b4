package manual

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// WriteMan writes a manual page for every command into a folder, which it makes if it is
// missing, and tells how many.
func WriteMan(dir string, root *cobra.Command, about About) (pages int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // manual pages are for everybody
		return 0, err
	}
	var write func(*cobra.Command) error
	write = func(c *cobra.Command) error {
		name := pageName(c) + ".1"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(manPage(c, about)), 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
		pages++
		for _, below := range c.Commands() {
			if !below.IsAvailableCommand() {
				continue
			}
			if err := write(below); err != nil {
				return err
			}
		}
		return nil
	}
	err = write(root)
	return pages, err
}

func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage is a page in the man macros of roff.
func manPage(c *cobra.Command, about About) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %q 1 %q %q \"Keypin Manual\"\n", strings.ToUpper(pageName(c)), about.Date.Format(time.DateOnly), "keypin "+about.Version)
	section(&b, "NAME")
	b.WriteString(roff(pageName(c)) + ` \- ` + roff(c.Short) + "\n")
	section(&b, "SYNOPSIS")
	usage := c.UseLine()
	if c.HasAvailableSubCommands() {
		usage = c.CommandPath() + " [command]"
	}
	b.WriteString(".B " + roff(usage) + "\n")
	section(&b, "DESCRIPTION")
	paragraphs(&b, cmp.Or(c.Long, c.Short))
	commandItems(&b, c)
	flagItems(&b, "OPTIONS", c.LocalNonPersistentFlags())
	if globals := Globals(c); globals != nil {
		flagItems(&b, "GLOBAL OPTIONS", globals)
	}
	if c.Example != "" {
		section(&b, "EXAMPLES")
		b.WriteString(".nf\n" + roff(strings.TrimRight(c.Example, "\n")) + "\n.fi\n")
	}
	if Globals(c) != nil {
		section(&b, "ENVIRONMENT")
		for _, v := range about.Environment {
			item(&b, v.Name, v.Description)
		}
	}
	section(&b, "EXIT STATUS")
	for _, e := range about.ExitCodes {
		item(&b, fmt.Sprint(e.Code), e.Meaning)
	}
	if c.HasParent() {
		section(&b, "SEE ALSO")
		b.WriteString(".BR " + roff(pageName(c.Parent())) + " (1)\n")
	}
	return b.String()
}

func section(b *strings.Builder, title string) { b.WriteString(".SH " + title + "\n") }

func item(b *strings.Builder, term, text string) {
	b.WriteString(".TP\n.B " + roff(term) + "\n" + roff(text) + "\n")
}

func paragraphs(b *strings.Builder, text string) {
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if verbatim(p) {
			b.WriteString(".nf\n" + roff(p) + "\n.fi\n")
			continue
		}
		b.WriteString(roff(p) + "\n")
	}
}

func commandItems(b *strings.Builder, c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	section(b, "COMMANDS")
	for _, below := range c.Commands() {
		if below.IsAvailableCommand() {
			b.WriteString(".TP\n.BR " + roff(pageName(below)) + " (1)\n" + roff(below.Short) + "\n")
		}
	}
}

func flagItems(b *strings.Builder, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	section(b, title)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if value != "" {
			name += " " + value
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "[]" {
			usage += " (default " + f.DefValue + ")"
		}
		item(b, name, strings.Join(strings.Fields(usage), " "))
	})
}

// roff keeps text from being read as requests.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`, "\t", "    ", "…", "...", "“", `\(lq`, "”", `\(rq`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
