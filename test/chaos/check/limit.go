package check

import (
	"slices"
	"time"
)

const (
	window = time.Minute
	// doubt is how long after a fault of the limiter nodes may still decide without
	// Redis: until what it lost is older than a window, and a little.
	doubt = window + 5*time.Second
	// seen is how long a node that cannot be seen is still counted by the others, less
	// a little.
	seen = 4 * time.Second
)

// limits looks for 60 s with more admissions of a chain than may be. Each admission
// took place at some instant between its begin and its end, so those of a window are
// the ones that began and ended in it.
func (j *judge) limits() {
	chains := map[string][]Entry{}
	limit := map[string]int{}
	for i := range j.entries {
		e := j.entries[i]
		if h := j.keys[e.Key]; h != nil && h.made.Limit > 0 && e.Kind == Check && e.Code == "valid" {
			chains[h.made.Chain] = append(chains[h.made.Chain], e)
			limit[h.made.Chain] = h.made.Limit
		}
	}
	for chain, admitted := range chains {
		slices.SortFunc(admitted, func(a, b Entry) int { return int(a.Begin - b.Begin) })
		for i := range admitted {
			from := admitted[i].Begin
			var within []Entry
			for _, e := range admitted[i:] {
				if e.Begin >= from+window {
					break
				}
				if e.End < from+window {
					within = append(within, e)
				}
			}
			if most, bounded := j.mayAdmit(limit[chain], from); bounded && len(within) > most {
				j.report("limit", from, within, "chain %s with limit %d was admitted %d times in the 60 s from %.3f s, at most %d are right (%s)",
					chain, limit[chain], len(within), from.Seconds(), most, j.setup.Mode)
				break // the next windows tell the same
			}
		}
	}
}

// mayAdmit is how often a chain may be admitted in the window that begins then.
//
// While every node has Redis that is the limit, in every mode. In deny it always is. In
// allow there is no bound while a node may be without Redis. In local a node that may be
// without Redis admits besides what Redis does its share, the limit divided by the
// number of nodes that it sees, and once more for every time that it was started
// meanwhile, since its own count begins anew. A node that was stalled longer than
// Redis is waited for counts as without it.
func (j *judge) mayAdmit(limit int, from time.Duration) (most int, bounded bool) {
	to := from + window
	without := map[int]bool{}
	for _, f := range j.faults {
		if f.Fault.Limiter && f.Begin < to && from < f.End+doubt {
			for _, n := range f.Fault.Nodes {
				without[n] = true
			}
		}
	}
	switch {
	case len(without) == 0 || j.setup.Mode == Deny:
		return limit, true
	case j.setup.Mode == Allow:
		return 0, false
	}
	share := limit / j.fewestSeen(from, to)
	most = limit
	for n := range without {
		most += share * j.lives(n, from, to)
	}
	return most, true
}

// fewestSeen is the lowest number of nodes that one may have counted in the time.
func (j *judge) fewestSeen(from, to time.Duration) int {
	unseen := map[int]bool{}
	for _, f := range j.faults {
		if f.Fault.Unseen && f.End-f.Begin >= seen && f.Begin < to && from < f.End+doubt {
			for _, n := range f.Fault.Nodes {
				unseen[n] = true
			}
		}
	}
	return max(1, j.setup.Nodes-len(unseen))
}

// lives is how many processes the node may have been in the time.
func (j *judge) lives(node int, from, to time.Duration) int {
	n := 1
	for _, f := range j.faults {
		if f.Fault.Ends && f.Begin < to && from < f.End && slices.Contains(f.Fault.Nodes, node) {
			n++
		}
	}
	return n
}
