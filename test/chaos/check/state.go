package check

import (
	"slices"
	"time"
)

// Bound is how long a change may go unseen after it was answered.
const Bound = time.Second

const forever = time.Duration(1<<63 - 1)

// span is a time during which a key may have been in a state, both ends included.
type span struct{ from, to time.Duration }

// write is a change of one property of a key: at an instant of its span it was set,
// unless it is not known whether it was at all.
type write[T any] struct {
	span
	known bool
	value T
}

// history is what was done to a key, property by property.
type history struct {
	made    NewKey
	revoked []write[bool]
	active  []write[bool]
	scopes  []write[[]string]
}

// histories reads the keys and their changes out of the log.
func histories(entries []Entry) map[string]*history {
	all := map[string]*history{}
	for i := range entries {
		if e := &entries[i]; e.Kind == Change && e.Acknowledged() && e.New != nil {
			h := &history{made: *e.New}
			h.apply(&e.New.State, span{e.Begin, e.End}, true)
			all[e.New.Key] = h
		}
	}
	for i := range entries {
		e := &entries[i]
		if h := all[e.Key]; e.Kind == Change && h != nil && e.Sets != nil && !e.Refused() {
			s := span{e.Begin, e.End}
			if !e.Acknowledged() {
				s.to = forever
			}
			h.apply(e.Sets, s, e.Acknowledged())
		}
	}
	return all
}

func (h *history) apply(sets *State, s span, known bool) {
	if sets.Revoked != nil {
		h.revoked = append(h.revoked, write[bool]{s, known, *sets.Revoked})
	}
	if sets.Active != nil {
		h.active = append(h.active, write[bool]{s, known, *sets.Active})
	}
	if sets.Scopes != nil {
		h.scopes = append(h.scopes, write[[]string]{s, known, *sets.Scopes})
	}
}

// spans are the times at which the property may have had a value that is right. Each
// write that sets such a value may have held from its begin until the first
// acknowledged write that certainly came after it had certainly happened.
func spans[T any](writes []write[T], right func(T) bool) []span {
	var out []span
	for _, w := range writes {
		if !right(w.value) {
			continue
		}
		s := span{w.from, forever}
		for _, after := range writes {
			if w.known && after.known && after.from >= w.to {
				s.to = min(s.to, after.to)
			}
		}
		out = append(out, s)
	}
	return out
}

// both are the times that lie in one span of each.
func both(a, b []span) []span {
	var out []span
	for _, x := range a {
		for _, y := range b {
			if s := (span{max(x.from, y.from), min(x.to, y.to)}); s.from <= s.to {
				out = append(out, s)
			}
		}
	}
	return out
}

func touches(spans []span, from, to time.Duration) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.from <= to && s.to >= from })
}

func is(want bool) func(bool) bool { return func(v bool) bool { return v == want } }

func holds(needs []string) func([]string) bool {
	return func(scopes []string) bool {
		return !slices.ContainsFunc(needs, func(n string) bool { return !slices.Contains(scopes, n) })
	}
}

// explains reports whether the key can have been, between the two times, in a state to
// which the outcome of a check is the answer. Outcomes that say nothing of the key's
// state are explained by any.
func (h *history) explains(code string, needs []string, from, to time.Duration) bool {
	var when []span
	switch code {
	case "valid", "rate_limited":
		when = both(spans(h.revoked, is(false)), both(spans(h.active, is(true)), spans(h.scopes, holds(needs))))
	case "revoked":
		when = spans(h.revoked, is(true))
	case "inactive":
		when = both(spans(h.revoked, is(false)), spans(h.active, is(false)))
	case "insufficient_scope":
		lacks := func(scopes []string) bool { return !holds(needs)(scopes) }
		when = both(spans(h.revoked, is(false)), both(spans(h.active, is(true)), spans(h.scopes, lacks)))
	case "unauthorized": // of a key as the caller's: it says no more
		when = append(spans(h.revoked, is(true)), spans(h.active, is(false))...)
	case "not_found", "malformed", "expired":
		return false
	default:
		return true
	}
	return touches(when, from, to)
}

// shows reports whether what was seen of the key between two times can have been.
func (h *history) shows(seen *State, from, to time.Duration) bool {
	if seen == nil || seen.Revoked == nil || seen.Active == nil || seen.Scopes == nil {
		return false
	}
	revoked := *seen.Revoked
	return touches(spans(h.revoked, is(revoked)), from, to) &&
		(revoked || touches(spans(h.active, is(*seen.Active)), from, to)) &&
		touches(spans(h.scopes, func(s []string) bool { return slices.Equal(s, *seen.Scopes) }), from, to)
}
