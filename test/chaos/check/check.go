package check

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Violation is something that cannot have been right.
type Violation struct {
	Rule string // stale, limit, lost, status, recovery
	What string
	At   time.Duration
	// Entries tell of it, oldest first.
	Entries []Entry
}

func (v Violation) String() string {
	return fmt.Sprintf("%s at %.3f s: %s", v.Rule, v.At.Seconds(), v.What)
}

// judge looks at one log.
type judge struct {
	setup   Setup
	entries []Entry
	keys    map[string]*history
	faults  []Entry
	found   []Violation
}

// Log judges a log. A log without its first entry, or without any check, proves
// nothing: that is a violation too.
func Log(entries []Entry) []Violation {
	j := &judge{entries: entries, keys: histories(entries)}
	checks := 0
	for i := range entries {
		switch e := &entries[i]; e.Kind {
		case Run:
			j.setup = *e.Setup
		case Fault:
			j.faults = append(j.faults, *e)
		case Check:
			checks++
		case Change, Recovered, Final:
		}
	}
	if j.setup.Nodes == 0 || checks == 0 {
		return []Violation{{Rule: "lost", What: "the log tells of no run"}}
	}
	j.stale()
	j.limits()
	j.lost()
	j.statuses()
	j.recovery()
	slices.SortStableFunc(j.found, func(a, b Violation) int { return int(a.At - b.At) })
	return j.found
}

func (j *judge) report(rule string, at time.Duration, entries []Entry, format string, args ...any) {
	j.found = append(j.found, Violation{Rule: rule, At: at, Entries: entries, What: fmt.Sprintf(format, args...)})
}

// stale looks for checks that no state of the key explains.
func (j *judge) stale() {
	for i := range j.entries {
		e := &j.entries[i]
		h := j.keys[e.Key]
		if e.Kind != Check || e.Code == "" || h == nil {
			continue
		}
		if !h.explains(e.Code, e.Needs, e.Begin-Bound, e.End) {
			j.report("stale", e.Begin, j.about(e), "node %d answers %q at %s for key %s needing %v, which began at %.6f s: not its state then, nor in the second before",
				e.Node+1, e.Code, e.Door, e.Key, e.Needs, e.Begin.Seconds())
		}
	}
}

// about are the changes of the entry's key, and the entry.
func (j *judge) about(e *Entry) []Entry {
	var out []Entry
	for i := range j.entries {
		c := &j.entries[i]
		if c.Kind == Change && (c.Key == e.Key || c.New != nil && c.New.Key == e.Key) {
			out = append(out, *c)
		}
	}
	return append(out, *e)
}

// lost compares what every node shows at the end with what was acknowledged.
func (j *judge) lost() {
	asked := map[string]int{}
	for i := range j.entries {
		e := &j.entries[i]
		h := j.keys[e.Key]
		if e.Kind != Final || h == nil {
			continue
		}
		asked[e.Key] |= 1 << e.Node
		if !h.shows(e.Seen, e.Begin, e.End) {
			j.report("lost", e.Begin, j.about(e), "node %d shows key %s at the end (%d) otherwise than what was acknowledged", e.Node+1, e.Key, e.Status)
		}
		if e.Code != "" && !h.explains(e.Code, e.Needs, e.Begin, e.End) {
			j.report("lost", e.Begin, j.about(e), "node %d answers %q for key %s at the end, otherwise than what was acknowledged", e.Node+1, e.Code, e.Key)
		}
	}
	for key := range j.keys {
		if asked[key] != 1<<j.setup.Nodes-1 {
			j.report("lost", 0, nil, "key %s was not asked for at every node at the end", key)
		}
	}
}

// statuses looks for answers that the service owes nobody.
func (j *judge) statuses() {
	for i := range j.entries {
		e := &j.entries[i]
		switch {
		case e.Status >= 500 && e.Status != 503:
			j.report("status", e.Begin, []Entry{*e}, "node %d answers %d (%s) at %s", e.Node+1, e.Status, e.Code, e.Door)
		case e.Status == 503 && !e.RetryAfter:
			j.report("status", e.Begin, []Entry{*e}, "node %d answers 503 without Retry-After at %s", e.Node+1, e.Door)
		case e.Kind == Change && e.Refused() && e.Status != 409:
			j.report("status", e.Begin, []Entry{*e}, "node %d answers %d (%s) to a right %s", e.Node+1, e.Status, e.Code, e.Change)
		}
	}
}

// recoveryBound is how long after a fault's end a node may take to be as before.
const recoveryBound = 5 * time.Second

// recovery looks for nodes that were not as before soon after a fault, or failed later
// while nothing was broken.
func (j *judge) recovery() {
	for _, f := range j.faults {
		for node := range j.setup.Nodes {
			for _, what := range j.setup.Recovers {
				j.recovered(&f, node, what)
			}
		}
	}
	for i := range j.entries {
		e := &j.entries[i]
		if (e.Kind == Check || e.Kind == Change) && (e.Status == 503 || e.Status == 0) && j.calm(e) {
			j.report("recovery", e.Begin, []Entry{*e}, "node %d fails at %s while nothing is broken: %d %s %s", e.Node+1, e.Door, e.Status, e.Code, e.Error)
		}
	}
}

func (j *judge) recovered(f *Entry, node int, what string) {
	by := f.End + recoveryBound
	for i := range j.entries {
		e := &j.entries[i]
		// What was asked during the fault or before proves nothing.
		if e.Kind == Recovered && e.Node == node && e.What == what && e.Begin >= f.End && e.End <= by {
			return
		}
		// While another fault lasts that began before there was time to recover, nobody can:
		// its end is the one that counts.
		if e.Kind == Fault && e.Begin >= f.Begin && e.Begin <= by && e.End > f.End {
			return
		}
	}
	j.report("recovery", by, []Entry{*f}, "node %d: no %s within %v of the end of %s", node+1, what, recoveryBound, f.Fault.Name)
}

// calm reports whether nothing was broken from 5 s before the entry until it was
// answered. In deny mode keys with a limit are refused for longer.
func (j *judge) calm(e *Entry) bool {
	if h := j.keys[e.Key]; h != nil && h.made.Limit > 0 && j.setup.Mode == Deny {
		return false
	}
	return !slices.ContainsFunc(j.faults, func(f Entry) bool { return f.Begin <= e.End && e.Begin <= f.End+recoveryBound })
}

// Excerpt is the violation with the entries that tell of it, the last ones first to go
// when there are many.
func (v Violation) Excerpt() string {
	const most = 30
	var b strings.Builder
	b.WriteString(v.String())
	for _, e := range v.Entries[:min(most, len(v.Entries))] {
		fmt.Fprintf(&b, "\n    %s", e.line())
	}
	if n := len(v.Entries); n > most {
		fmt.Fprintf(&b, "\n    … %d more\n    %s", n-most, v.Entries[n-1].line())
	}
	return b.String()
}

// line is the entry for people.
func (e *Entry) line() string {
	s := fmt.Sprintf("%10.6f–%10.6f %-6s node %d %s", e.Begin.Seconds(), e.End.Seconds(), e.Kind, e.Node+1, e.Door)
	if e.Change != "" {
		s += " " + e.Change
	}
	if e.Sets != nil {
		s += " " + e.Sets.String()
	}
	if e.Fault != nil {
		s += " " + e.Fault.Name
	}
	if e.Seen != nil {
		s += " seen " + e.Seen.String()
	}
	return s + fmt.Sprintf(" %d %s %s", e.Status, e.Code, e.Error)
}

func (s *State) String() string {
	var parts []string
	if s.Revoked != nil {
		parts = append(parts, fmt.Sprintf("revoked=%t", *s.Revoked))
	}
	if s.Active != nil {
		parts = append(parts, fmt.Sprintf("active=%t", *s.Active))
	}
	if s.Scopes != nil {
		parts = append(parts, fmt.Sprintf("scopes=%v", *s.Scopes))
	}
	return strings.Join(parts, " ")
}
