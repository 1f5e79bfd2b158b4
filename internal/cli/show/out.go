// Package show is how the commands look: tables, boxes and times for a person at a
// terminal, tab-separated or JSON for a program.
//
// Invariants: standard output is data alone. What is cut to fit a terminal is cut there
// only. Text of others (names, messages) cannot move the cursor or colour the screen.
package show

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
)

const (
	usualWidth = 80
	narrowest  = 20
)

// Out is where a command's output goes.
type Out struct {
	Stdout, Stderr io.Writer
	// Terminal tells that a person looks at standard output.
	Terminal bool
	// Width is the terminal's, in columns.
	Width int
	// Color allows colours on standard output.
	Color bool
	// Quiet leaves out what is neither data nor an error.
	Quiet bool
	// Now is the time that relative times are told from.
	Now time.Time
}

// NewOut looks at where the streams go. Colours are for terminals, and none are wanted
// when noColor is set, when NO_COLOR is not empty, or when TERM is dumb.
func NewOut(stdout, stderr io.Writer, getenv func(string) string, noColor, quiet bool, now time.Time) Out {
	o := Out{Stdout: stdout, Stderr: stderr, Quiet: quiet, Now: now, Width: usualWidth}
	if fd, ok := Terminal(stdout); ok {
		o.Terminal = true
		if w, _, err := term.GetSize(fd); err == nil && w > 0 {
			o.Width = max(w, narrowest)
		}
	}
	o.Color = o.Terminal && !noColor && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
	return o
}

// Terminal is the descriptor of a stream that is a terminal.
func Terminal(stream any) (fd uintptr, ok bool) {
	f, ok := stream.(interface{ Fd() uintptr })
	if !ok || !term.IsTerminal(f.Fd()) {
		return 0, false
	}
	return f.Fd(), true
}

// Note tells something that is not data.
func (o Out) Note(format string, args ...any) {
	if !o.Quiet {
		o.Warn(format, args...)
	}
}

// Warn tells something that is not data, even when asked to be quiet.
func (o Out) Warn(format string, args ...any) {
	Lines(o.Stderr, fmt.Sprintf(format, args...)+"\n")
}

// Lines writes lines that are not data. A terminal gets them broken between words, below
// their beginnings.
func Lines(w io.Writer, text string) {
	if fd, ok := Terminal(w); ok {
		if width, _, err := term.GetSize(fd); err == nil && width >= narrowest {
			text = wrapLines(text, width)
		}
	}
	_, _ = io.WriteString(w, text) // beyond standard error there is nobody to tell
}

func wrapLines(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		words := strings.TrimLeft(strings.TrimSuffix(line, "\n"), " ")
		indent := len(line) - len(strings.TrimLeft(line, " "))
		below := indent
		if indent > 0 {
			below += 2
		}
		b.WriteString(strings.Repeat(" ", indent) + strings.Join(Wrap(words, width-indent, width-below), "\n"+strings.Repeat(" ", below)) + "\n")
	}
	return b.String()
}

// Wrap breaks a text into lines, at spaces only: flags, ids and addresses stay whole, even
// where they are wider than the line. The first line may be as wide as first says, the
// others as rest says.
func Wrap(text string, first, rest int) []string {
	var lines []string
	line, width := "", first
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case ansi.StringWidth(line)+1+ansi.StringWidth(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line, width = word, rest
		}
	}
	return append(lines, line)
}

// Style is what a text means.
type Style int

// The styles.
const (
	Plain Style = iota
	Strong
	Faint
	Good
	Bad
	Warning
)

// styled colours a text. The sixteen colours of the terminal are used, which its user
// has made readable.
func (o Out) styled(s Style, text string) string {
	if !o.Color || text == "" {
		return text
	}
	style := lipgloss.NewStyle()
	switch s {
	case Strong:
		style = style.Bold(true)
	case Faint:
		style = style.Faint(true)
	case Good:
		style = style.Foreground(lipgloss.Green)
	case Bad:
		style = style.Foreground(lipgloss.Red)
	case Warning:
		style = style.Foreground(lipgloss.Yellow)
	case Plain:
		return text
	}
	return style.Render(text)
}

// Clean takes out of a text what would control the terminal or break a line.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, s)
}
