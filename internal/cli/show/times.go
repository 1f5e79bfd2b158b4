package show

import (
	"cmp"
	"fmt"
	"time"
)

// Ago is a time in the past for a person; a program gets it exactly.
func (o Out) Ago(t time.Time) Cell {
	return Cell{Text: Relative(o.Now, t), Exact: Exact(t)}
}

// AgoOr is [Out.Ago] of a time that may not be there; none is what is said then.
func (o Out) AgoOr(t *time.Time, none string) Cell {
	if t == nil {
		return Cell{Text: none, Style: Faint}
	}
	return o.Ago(*t)
}

// Exact is a time for a program.
func Exact(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// Relative tells a time as seen from now: 5 min ago, in 3 days.
func Relative(now, t time.Time) string {
	const skew = 2 * time.Second // clocks differ
	d := now.Sub(t)
	if d < -skew {
		return "in " + Span(-d)
	}
	if text := span(d); text != "" {
		return text + " ago"
	}
	return "just now"
}

// span is a length of time in its largest unit, rounded; "" is under 10 s.
func span(d time.Duration) string {
	const day, month, year = 24 * time.Hour, 30 * 24 * time.Hour, 365 * 24 * time.Hour
	switch {
	case d < 10*time.Second:
		return ""
	case d.Round(time.Second) < time.Minute:
		return fmt.Sprintf("%d s", d.Round(time.Second)/time.Second)
	case d.Round(time.Minute) < time.Hour:
		return fmt.Sprintf("%d min", d.Round(time.Minute)/time.Minute)
	case d.Round(time.Hour) < day:
		return count(d.Round(time.Hour)/time.Hour, "hour")
	case d.Round(day) < 60*day:
		return count(d.Round(day)/day, "day")
	case d < 2*year:
		return count(d.Round(month)/month, "month")
	default:
		return count(d.Round(year)/year, "year")
	}
}

func count(n time.Duration, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// Span is a length of time for a person.
func Span(d time.Duration) string { return cmp.Or(span(d), "a moment") }
