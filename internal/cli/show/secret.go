package show

import (
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/keypin/keypin/client"
)

// Secret shows a secret to a person, once. On a terminal that is too narrow for the box
// it stands on a line of its own, so that it can still be copied whole.
func (o Out) Secret(title, warning string, secret client.Secret) error {
	value := secret.Reveal()
	const frame = 6 // border and padding on both sides
	width := max(ansi.StringWidth(title), ansi.StringWidth(warning), len(value)) + frame
	var text string
	if width > o.Width {
		text = o.styled(Strong, strings.Join(Wrap(title, o.Width, o.Width), "\n")) + "\n\n" + value + "\n\n" +
			o.styled(Warning, strings.Join(Wrap(warning, o.Width, o.Width), "\n")) + "\n"
	} else {
		inside := o.styled(Strong, title) + "\n\n" + value + "\n\n" + o.styled(Warning, warning)
		box := lipgloss.NewStyle().Border(lipgloss.RoundedBorder()).Padding(0, 2)
		if o.Color {
			box = box.BorderForeground(lipgloss.Yellow)
		}
		text = box.Render(inside) + "\n"
	}
	_, err := io.WriteString(o.Stdout, "\n"+strings.TrimLeft(text, "\n")+"\n")
	return err
}
