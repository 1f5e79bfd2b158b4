package measure

import (
	"fmt"
	"strings"
)

// Row is one comparison.
type Row struct {
	What, Figure, Against string
	Ratio                 Ratio
	Aim                   Aim
}

// Table shows the comparisons, in the page's form.
func Table(rows []Row) string {
	var b strings.Builder
	b.WriteString("| what | Keypin | against | ratio (least–most) | aim |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s (%s–%s) | %s |\n", r.What, r.Figure, r.Against,
			Short(r.Ratio.Median), Short(r.Ratio.Least), Short(r.Ratio.Most), r.Aim.Verdict(r.Ratio.Median))
	}
	return b.String()
}
