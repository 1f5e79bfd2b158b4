package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// row is one figure.
type row struct{ what, figure, beside, aim string }

func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| what | Keypin | beside | aim |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.figure, r.beside, r.aim)
	}
	return b.String()
}

// noAim is what a row shows that only tells.
const noAim = "–"

// spread is the median of some values, with the least and the most.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) spread {
	v := slices.Sorted(slices.Values(values))
	return spread{v[len(v)/2], v[0], v[len(v)-1]}
}

func (s spread) String() string {
	return fmt.Sprintf("%s (%s–%s)", measure.Short(s.median), measure.Short(s.least), measure.Short(s.most))
}

// percentile is the least of the values that so many in a hundred do not exceed.
func percentile(values []time.Duration, p int) time.Duration {
	v := slices.Sorted(slices.Values(values))
	return v[max(0, (len(v)*p+99)/100-1)]
}

// share shows a share in per cent.
func share(f float64) string { return fmt.Sprintf("%.2f %%", 100*f) }
