package ratelimit

import (
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	windowLength = 60 * time.Second

	// exactLimit is the highest limit at which every admission has its own entry.
	exactLimit = 256
	// mergeSpan is how long after the first admission of an entry others join it,
	// at higher limits.
	mergeSpan = windowLength / exactLimit

	firstCapacity = 1 // most keys are used by one request now and then
)

// Window is what is remembered of one chain's admissions. The zero Window is one
// without any. Times are durations since any fixed instant, 0 or more, by a clock
// that does not step. It is not safe for concurrent use.
//
// It holds at most 520 entries of 16 bytes, however many admissions there are:
// exactLimit of their own and, after the limit was raised, one for each mergeSpan.
//
// Entries leave in the order in which they came. One that is held leaves late, so
// those behind it count for up to its hold too long, never too short.
type Window struct {
	entries []entry       // a ring: oldest at head, then onwards around the end
	latest  time.Duration // the latest time seen
	total   int32         // units in the entries in use, at most keypin.MaxRateLimit
	head    uint16
	n       uint16 // entries in use
}

// entry stands for count units admitted from first to first+span. It counts until
// its last admission is out of the window.
type entry struct {
	first time.Duration
	span  uint32 // nanoseconds, at most mergeSpan and keypin.MaxHold together
	count uint32 // units, at most keypin.MaxRateLimit
}

func (e entry) leavesAt() time.Duration { return e.first + time.Duration(e.span) + windowLength }

// Decision is the answer to one question.
type Decision struct {
	Admitted  bool
	Remaining int // units that would be admitted now, 0 to the limit
	// Reset is how long until the oldest counted admission leaves, at most 60 s;
	// 0 when none is counted.
	Reset time.Duration
	// RetryAfter is how long until the refused cost would be admitted if nothing
	// else were, more than 0 and at most 60 s; 60 s also for a cost above the limit,
	// which never is. 0 when it was admitted.
	RetryAfter time.Duration
}

// Admit asks for cost units at now under limit, and counts them when they are
// admitted. The limit may differ from call to call; what was admitted under another
// one counts. A cost of 0 or less is always admitted and counts nothing. A limit
// above keypin.MaxRateLimit is taken as that, one below 1 admits nothing.
func (w *Window) Admit(now time.Duration, limit, cost int) Decision {
	return w.Lease(now, limit, cost, 0)
}

// Lease is Admit of units that may be spent up to hold later, at most
// keypin.MaxHold. They count until 60 s after that, so that the limit holds for the
// instants at which they are spent.
func (w *Window) Lease(now time.Duration, limit, cost int, hold time.Duration) Decision {
	hold = min(max(hold, 0), keypin.MaxHold)
	limit, cost = min(max(limit, 0), keypin.MaxRateLimit), max(cost, 0)
	w.latest = max(w.latest, now)
	w.expire()
	// A lowered limit may be below total; asking (cost 0) is free even then.
	admitted := cost == 0 || cost <= limit-int(w.total)
	d := Decision{Admitted: admitted}
	switch {
	case !admitted:
		d.RetryAfter = min(w.retryAfter(limit, cost), windowLength)
	case cost > 0:
		w.add(limit, cost, hold)
	}
	d.Remaining = max(limit-int(w.total), 0)
	if w.n > 0 {
		d.Reset = min(w.entries[w.head].leavesAt()-w.latest, windowLength)
	}
	return d
}

// idle reports whether nothing has been asked for a whole window before now and
// nothing is held beyond it, so that a zero Window would answer the same.
func (w *Window) idle(now time.Duration) bool {
	return now-w.latest >= windowLength && (w.n == 0 || w.entries[w.index(int(w.n)-1)].leavesAt() <= now)
}

// expire drops the entries that are out of the window.
func (w *Window) expire() {
	for w.n > 0 && w.entries[w.head].leavesAt() <= w.latest {
		w.total -= int32(w.entries[w.head].count)
		w.head = uint16(w.index(1))
		w.n--
	}
}

// add counts cost units at w.latest, held for hold.
func (w *Window) add(limit, cost int, hold time.Duration) {
	w.total += int32(cost)
	span := time.Duration(0)
	if limit > exactLimit {
		span = mergeSpan
	}
	if w.n > 0 {
		newest := &w.entries[w.index(int(w.n)-1)]
		since := w.latest - newest.first
		if since <= span {
			newest.span = max(newest.span, uint32(since+hold))
			newest.count += uint32(cost)
			return
		}
		hold = max(hold, time.Duration(newest.span)-since) // not to leave before it
	}
	if int(w.n) == len(w.entries) {
		w.grow()
	}
	w.entries[w.index(int(w.n))] = entry{first: w.latest, span: uint32(hold), count: uint32(cost)}
	w.n++
}

// retryAfter is how long until a cost that is refused now fits into limit.
func (w *Window) retryAfter(limit, cost int) time.Duration {
	total := int(w.total)
	for i := range int(w.n) {
		e := w.entries[w.index(i)]
		if total -= int(e.count); cost <= limit-total {
			return e.leavesAt() - w.latest
		}
	}
	return windowLength // more than the limit
}

// index is the place of the i-th oldest entry; 0 ≤ i ≤ len(w.entries).
func (w *Window) index(i int) int {
	if i += int(w.head); i >= len(w.entries) {
		i -= len(w.entries)
	}
	return i
}

func (w *Window) grow() {
	bigger := make([]entry, max(firstCapacity, 2*len(w.entries)))
	n := copy(bigger, w.entries[w.head:])
	copy(bigger[n:], w.entries[:w.head])
	w.entries, w.head = bigger, 0
}
