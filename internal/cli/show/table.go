package show

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Column is a column of a table.
type Column struct {
	Title string
	// Least is how narrow the column is cut before others are left out; 0 = it is never
	// cut, as long as all can be seen otherwise.
	Least int
	// Drop is when the column is left out of a terminal that is too narrow: the highest
	// first, 0 never.
	Drop int
}

// Cell is a cell of a table.
type Cell struct {
	Text  string
	Exact string // what a program gets; "" = Text
	Style Style
}

func (c Cell) exact() string { return Clean(cmp.Or(c.Exact, c.Text)) }

// gap is what stands between two columns.
const gap = "  "

// Table writes rows: to a terminal with titles and so that they fit, else tab-separated,
// without titles, and whole.
func (o Out) Table(columns []Column, rows [][]Cell) error {
	var b strings.Builder
	if !o.Terminal {
		for _, row := range rows {
			for i, c := range row {
				if i > 0 {
					b.WriteByte('\t')
				}
				b.WriteString(c.exact())
			}
			b.WriteByte('\n')
		}
		_, err := io.WriteString(o.Stdout, b.String())
		return err
	}
	shown, widths := fit(columns, rows, o.Width)
	titles := make([]Cell, len(columns))
	for i, c := range columns {
		titles[i] = Cell{Text: c.Title, Style: Faint}
	}
	for _, row := range slices.Concat([][]Cell{titles}, rows) {
		o.writeRow(&b, row, shown, widths)
	}
	_, err := io.WriteString(o.Stdout, b.String())
	return err
}

func (o Out) writeRow(b *strings.Builder, row []Cell, shown, widths []int) {
	var line strings.Builder
	for at, i := range shown {
		text := ansi.Truncate(Clean(row[i].Text), widths[i], "…")
		pad := strings.Repeat(" ", widths[i]-ansi.StringWidth(text))
		if at == len(shown)-1 {
			pad = ""
		} else {
			pad += gap
		}
		line.WriteString(o.styled(row[i].Style, text) + pad)
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// fit decides which columns are shown, and how wide each is. Empty ones are not.
func fit(columns []Column, rows [][]Cell, width int) (shown, widths []int) {
	widths = make([]int, len(columns))
	for i, c := range columns {
		if slices.ContainsFunc(rows, func(row []Cell) bool { return row[i].Text != "" }) {
			shown = append(shown, i)
		}
		widths[i] = ansi.StringWidth(c.Title)
		for _, row := range rows {
			widths[i] = max(widths[i], ansi.StringWidth(Clean(row[i].Text)))
		}
	}
	for {
		least := 0 // what the columns need when all are cut as far as they may be
		for _, i := range shown {
			least += min(widths[i], cmp.Or(columns[i].Least, widths[i]))
		}
		if least+len(gap)*(len(shown)-1) <= width {
			break
		}
		drop := -1
		for at, i := range shown {
			if columns[i].Drop > 0 && (drop < 0 || columns[i].Drop > columns[shown[drop]].Drop) {
				drop = at
			}
		}
		if drop < 0 {
			break
		}
		shown = slices.Delete(shown, drop, drop+1)
	}
	const tight, last = 6, 1
	for _, least := range []func(Column) int{
		func(c Column) int { return cmp.Or(c.Least, width) }, // as far as is wished
		func(c Column) int {
			if c.Least == 0 {
				return width
			}
			return min(tight, c.Least)
		},
		func(Column) int { return last }, // no line may wrap
	} {
		for narrow(columns, shown, widths, width, least) {
		}
	}
	return shown, widths
}

// narrow cuts the widest column that is wider than its least, if not all fit.
func narrow(columns []Column, shown, widths []int, width int, least func(Column) int) bool {
	total, widest := len(gap)*(len(shown)-1), -1
	for _, i := range shown {
		total += widths[i]
		if widths[i] > least(columns[i]) && (widest < 0 || widths[i] > widths[widest]) {
			widest = i
		}
	}
	if total <= width || widest < 0 {
		return false
	}
	widths[widest]--
	return true
}

// Pair is a line of [Out.Details].
type Pair struct {
	Label string
	Cell
}

// Details writes what one thing is, a line each. Lines whose text is empty are left out.
func (o Out) Details(pairs []Pair) error {
	var b strings.Builder
	longest := 0
	for _, p := range pairs {
		if p.Text != "" {
			longest = max(longest, len(p.Label))
		}
	}
	for _, p := range pairs {
		switch {
		case p.Text == "":
		case !o.Terminal:
			b.WriteString(p.Label + "\t" + p.exact() + "\n")
		default:
			o.detail(&b, p, longest)
		}
	}
	_, err := io.WriteString(o.Stdout, b.String())
	return err
}

func (o Out) detail(b *strings.Builder, p Pair, longest int) {
	indent := longest + len(gap)
	width := max(narrowest, o.Width-indent)
	for i, line := range Wrap(Clean(p.Text), width, width) {
		if i == 0 {
			b.WriteString(o.styled(Faint, p.Label) + strings.Repeat(" ", indent-len(p.Label)))
		} else {
			b.WriteString(strings.Repeat(" ", indent))
		}
		b.WriteString(o.styled(p.Style, line) + "\n")
	}
}
