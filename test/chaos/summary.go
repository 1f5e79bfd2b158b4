package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/keypin/keypin/test/chaos/check"
)

// summarise says what a run did, and returns an error when that shows too little.
func summarise(out io.Writer, entries []check.Entry) error {
	codes, changes, faults := map[string]int{}, map[string]int{}, map[string]int{}
	unanswered := 0
	for _, e := range entries {
		switch e.Kind {
		case check.Check:
			if e.Status == 0 {
				unanswered++
				continue
			}
			codes[e.Code]++
		case check.Change:
			if e.Acknowledged() {
				changes[e.Change]++
			} else if !e.Refused() {
				changes["not answered"]++
			}
		case check.Fault:
			faults[e.Fault.Name]++
		case check.Run, check.Recovered, check.Final:
		}
	}
	codes["no answer"] = unanswered
	say(out, "checks:  %s\nchanges: %s\nfaults:  %s\n", counts(codes), counts(changes), counts(faults))
	var errs []error
	for _, what := range []string{"create", "revoke", "suspend", "resume", "narrow", "widen", "rotate"} {
		if changes[what] == 0 {
			errs = append(errs, fmt.Errorf("no %s was acknowledged: the run shows too little", what))
		}
	}
	for _, code := range []string{"valid", "revoked", "inactive", "insufficient_scope", "rate_limited"} {
		if codes[code] == 0 {
			errs = append(errs, fmt.Errorf("no check was answered %s: the run shows too little", code))
		}
	}
	return errors.Join(errs...)
}

func counts(of map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		parts = append(parts, fmt.Sprintf("%d %s", of[name], name))
	}
	return strings.Join(parts, ", ")
}

// tell says what was wrong, the first of each kind with the entries that tell of it.
func tell(out io.Writer, found []check.Violation) {
	const most = 5 // of each kind
	told := map[string]int{}
	for _, v := range found {
		if told[v.Rule]++; told[v.Rule] <= most {
			say(out, "%s\n", v.Excerpt())
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(told)) {
		say(out, "%d × %s\n", told[rule], rule)
	}
}
