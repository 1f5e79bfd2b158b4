package manual

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keypin/keypin/internal/cli/show"
)

const (
	widest  = 100 // lines longer than this are hard to read
	usual   = 85  // what prose is fitted to where there is no terminal
	tooThin = 40
)

// Page is how a help page is written.
type Page struct {
	Width int  // of the terminal; 0 = it is none, and nothing but prose is wrapped
	Color bool // titles are bold
}

// Help writes the help of a command.
func (p Page) Help(w io.Writer, cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString(p.prose(cmp.Or(cmd.Long, cmd.Short)) + "\n")
	if cmd.IsAdditionalHelpTopicCommand() {
		_, err := io.WriteString(w, b.String())
		return err
	}
	b.WriteString("\n" + p.title("Usage:") + "\n")
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		b.WriteString("  " + cmd.UseLine() + "\n")
	} else {
		b.WriteString("  " + cmd.CommandPath() + " [command]\n")
	}
	if cmd.Example != "" {
		b.WriteString("\n" + p.title("Examples:") + "\n" + strings.TrimRight(cmd.Example, "\n") + "\n")
	}
	p.commands(&b, cmd)
	p.flags(&b, "Flags:", cmd.LocalNonPersistentFlags())
	if globals := Globals(cmd); globals != nil {
		p.flags(&b, "Global Flags:", globals)
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nUse \"" + cmd.CommandPath() + " [command] --help\" for more about a command.\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// prose fits paragraphs to the page. Lines that begin with a space stay as they are.
func (p Page) prose(text string) string {
	var out []string
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if verbatim(paragraph) {
			out = append(out, paragraph)
			continue
		}
		out = append(out, strings.Join(show.Wrap(paragraph, p.width(), p.width()), "\n"))
	}
	return strings.Join(out, "\n\n")
}

// verbatim tells that the lines of a paragraph are not to be moved.
func verbatim(paragraph string) bool {
	return strings.HasPrefix(paragraph, " ") || strings.HasPrefix(paragraph, "\t") ||
		strings.Contains(paragraph, "\n ") || strings.Contains(paragraph, "\n\t")
}

func (p Page) width() int { return max(tooThin, min(cmp.Or(p.Width, usual), widest)) }

func (p Page) title(s string) string {
	if !p.Color {
		return s
	}
	return lipgloss.NewStyle().Bold(true).Render(s)
}

// commands lists the commands below cmd, by their groups.
func (p Page) commands(b *strings.Builder, cmd *cobra.Command) {
	if !cmd.HasAvailableSubCommands() && !cmd.HasHelpSubCommands() {
		return
	}
	groups := cmd.Groups()
	if len(groups) == 0 {
		groups = []*cobra.Group{{Title: "Available Commands:"}}
	} else {
		groups = append(groups, &cobra.Group{Title: "Additional Commands:"})
	}
	longest := 0
	for _, c := range cmd.Commands() {
		if listed(c) || c.IsAdditionalHelpTopicCommand() {
			longest = max(longest, len(c.Name()))
		}
	}
	write := func(title string, belongs func(*cobra.Command) bool) {
		first := true
		for _, c := range cmd.Commands() {
			if !belongs(c) {
				continue
			}
			if first {
				b.WriteString("\n" + p.title(title) + "\n")
				first = false
			}
			b.WriteString(p.item(c.Name(), c.Short, longest))
		}
	}
	for _, g := range groups {
		write(g.Title, func(c *cobra.Command) bool { return listed(c) && c.GroupID == g.ID })
	}
	write("Help Topics:", (*cobra.Command).IsAdditionalHelpTopicCommand)
}

func (p Page) item(name, text string, longest int) string {
	indent := 2 + longest + 3
	if p.Width > 0 {
		width := max(tooThin/2, p.width()-indent)
		text = strings.Join(show.Wrap(text, width, width), "\n"+strings.Repeat(" ", indent))
	}
	return fmt.Sprintf("  %-*s   %s\n", longest, name, text)
}

func (p Page) flags(b *strings.Builder, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	wrap := 0
	if p.Width > 0 {
		wrap = p.width()
	}
	b.WriteString("\n" + p.title(title) + "\n" + strings.TrimRight(set.FlagUsagesWrapped(wrap), "\n") + "\n")
}

// Unquote takes the backquotes, which mark what a flag's value is, out of the flags of root
// and all below it, for completion: cobra shows a shell the text as it stands.
func Unquote(root *cobra.Command) {
	for _, set := range []*pflag.FlagSet{root.Flags(), root.PersistentFlags()} {
		set.VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
	}
	for _, c := range root.Commands() {
		Unquote(c)
	}
}

// listed tells whether a command is shown.
func listed(c *cobra.Command) bool {
	return c.IsAvailableCommand() || c.Name() == "help"
}

// Own marks a command that the global flags say nothing to.
const Own = "own flags only"

// Globals are the global flags that a command takes; nil = none.
func Globals(cmd *cobra.Command) *pflag.FlagSet {
	for c := cmd; c != nil; c = c.Parent() {
		if _, own := c.Annotations[Own]; own {
			return nil
		}
	}
	return cmd.Root().PersistentFlags()
}
