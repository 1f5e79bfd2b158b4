package show

import (
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
	d := now.Sub(t)
	if d < 0 {
		if text := span(-d); text != "" {
			return "in " + text
		}
		return "in a moment"
	}
	if text := span(d); text != "" {
		return text + " ago"
	}
	return "just now"
}

// span is a length of time in its largest unit, rounded down; "" is under 10 s.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 10*time.Second:
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < day:
		return count(d/time.Hour, "hour")
	case d < 60*day:
		return count(d/day, "day")
	case d < 730*day:
		return count(d/(30*day), "month")
	default:
		return count(d/(365*day), "year")
	}
}

func count(n time.Duration, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

// Span is a length of time for a person.
func Span(d time.Duration) string {
	if text := span(d); text != "" {
		return text
	}
	return "a moment"
}
