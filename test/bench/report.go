package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// row is one comparison.
type row struct {
	what, figure, against string
	ratio                 ratio
	aim                   aim
}

// aim is what a ratio should be; the zero aim asks nothing.
type aim struct {
	text string
	met  func(float64) bool
}

func atLeast(n float64) aim {
	return aim{fmt.Sprintf("≥ %g", n), func(r float64) bool { return r >= n }}
}

func moreThan(n float64) aim {
	return aim{fmt.Sprintf("> %g", n), func(r float64) bool { return r > n }}
}

func atMost(n float64) aim {
	return aim{fmt.Sprintf("≤ %g", n), func(r float64) bool { return r <= n }}
}

// verdict says whether the ratio is what it should be.
func (a aim) verdict(r float64) string {
	switch {
	case a.met == nil:
		return "–"
	case a.met(r):
		return a.text + ": met"
	default:
		return a.text + ": **missed**"
	}
}

// report is the measured part of the page.
func report(m machine, rows []row, took time.Duration, others float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured %s with `go run ./test/bench`, in %s, at commit %s.\n", m.date, took.Round(time.Second), m.commit)
	fmt.Fprintf(&b, "%s; %s of memory; data on %s; Linux %s; Go %s.\n", m.cpu, m.memory, m.disk, m.kernel, m.goVersion)
	fmt.Fprintf(&b, "Other processes took %.0f %% of the processors' time during the run.\n\n", 100*others)
	b.WriteString("| what | Keypin | against | ratio (least–most) | aim |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s (%s–%s) | %s |\n", r.what, r.figure, r.against,
			short(r.ratio.median), short(r.ratio.least), short(r.ratio.most), r.aim.verdict(r.ratio.median))
	}
	return b.String()
}

// The measured part of the page stands between these lines.
const (
	measuredBegin = "<!-- measured: written by go run ./test/bench -->"
	measuredEnd   = "<!-- measured: end -->"
)

// rewrite puts text in place of the measured part of the page.
func rewrite(file, text string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(page), measuredBegin+"\n")
	_, after, ends := strings.Cut(rest, measuredEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no measured part between %q and %q", file, measuredBegin, measuredEnd)
	}
	page = []byte(before + measuredBegin + "\n\n" + text + "\n" + measuredEnd + after)
	return os.WriteFile(file, page, 0o644) //nolint:gosec // a page of the documentation
}

// throughput shows a rate with its latencies.
func throughput(samples []sample) string {
	return fmt.Sprintf("%s/s (p50 %s, p99 %s)", grouped(int(median(samples, rate))),
		milliseconds(median(samples, p50)), milliseconds(median(samples, p99)))
}

func milliseconds(d time.Duration) string { return short(float64(d)/float64(time.Millisecond)) + " ms" }

// short shows a number with about three digits.
func short(f float64) string {
	switch {
	case f >= 100:
		return grouped(int(f + 0.5))
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

// grouped shows a number with commas between its thousands.
func grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
