package measure

import (
	"fmt"
	"slices"
	"time"
)

// Sample is what one turn of a load shows.
type Sample struct {
	Rate     float64 // per second
	P50, P99 time.Duration
}

// Median of an attribute of the samples.
func Median[T int | float64 | time.Duration](samples []Sample, of func(Sample) T) T {
	values := make([]T, len(samples))
	for i, s := range samples {
		values[i] = of(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// Rate is the sample's, to be asked for.
func Rate(s Sample) float64 { return s.Rate }

// P50 is the sample's, to be asked for.
func P50(s Sample) time.Duration { return s.P50 }

// P99 is the sample's, to be asked for.
func P99(s Sample) time.Duration { return s.P99 }

// Ratio compares two loads turn by turn.
type Ratio struct{ Median, Least, Most float64 }

// RatioOf compares an attribute of two loads.
func RatioOf[T float64 | time.Duration](of, to []Sample, attribute func(Sample) T) Ratio {
	values := make([]float64, len(of))
	for i := range of {
		values[i] = float64(attribute(of[i])) / float64(attribute(to[i]))
	}
	slices.Sort(values)
	return Ratio{values[len(values)/2], values[0], values[len(values)-1]}
}

// Aim is what a ratio should be; the zero Aim asks nothing.
type Aim struct {
	text string
	met  func(float64) bool
}

// AtLeast is an aim.
func AtLeast(n float64) Aim {
	return Aim{fmt.Sprintf("≥ %g", n), func(r float64) bool { return r >= n }}
}

// MoreThan is an aim.
func MoreThan(n float64) Aim {
	return Aim{fmt.Sprintf("> %g", n), func(r float64) bool { return r > n }}
}

// AtMost is an aim.
func AtMost(n float64) Aim {
	return Aim{fmt.Sprintf("≤ %g", n), func(r float64) bool { return r <= n }}
}

// Verdict says whether the ratio is what it should be.
func (a Aim) Verdict(r float64) string {
	if a.met == nil {
		return "–"
	}
	return Judged(a.text, a.met(r))
}

// Judged is an aim and whether it is met.
func Judged(aim string, met bool) string {
	if met {
		return aim + ": met"
	}
	return aim + ": **missed**"
}

// Throughput shows a rate with its latencies.
func Throughput(samples []Sample) string {
	return fmt.Sprintf("%s/s (p50 %s, p99 %s)", Grouped(int(Median(samples, Rate))),
		Milliseconds(Median(samples, P50)), Milliseconds(Median(samples, P99)))
}

// Milliseconds shows a time with about three digits.
func Milliseconds(d time.Duration) string { return Short(float64(d)/float64(time.Millisecond)) + " ms" }

// Short shows a number with about three digits.
func Short(f float64) string {
	switch {
	case f >= 100:
		return Grouped(int(f + 0.5))
	case f >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

// Grouped shows a number with commas between its thousands.
func Grouped(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
