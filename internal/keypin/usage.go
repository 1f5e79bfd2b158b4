package keypin

import (
	"net/netip"
	"time"
)

// UsageStep is the width of the buckets that uses are counted in. They lie in UTC.
type UsageStep string

// The steps.
const (
	UsageMinute UsageStep = "minute"
	UsageHour   UsageStep = "hour"
	UsageDay    UsageStep = "day"
)

// UsageSteps lists the steps, the finest first.
func UsageSteps() []UsageStep { return []UsageStep{UsageMinute, UsageHour, UsageDay} }

const day = 24 * time.Hour

// Kept is the retention: how long counts of the step can be asked for. The finer they
// are, the more rows they take, and the sooner nobody asks for them.
func (s UsageStep) Kept() time.Duration {
	switch s {
	case UsageMinute:
		return 48 * time.Hour
	case UsageHour:
		return 35 * day
	default:
		return 400 * day
	}
}

// Width is how long a bucket is.
func (s UsageStep) Width() time.Duration {
	switch s {
	case UsageMinute:
		return time.Minute
	case UsageHour:
		return time.Hour
	default:
		return day
	}
}

// Floor is the beginning of the bucket that t lies in.
func (s UsageStep) Floor(t time.Time) time.Time { return t.UTC().Truncate(s.Width()) }

// Ceil is t when a bucket begins there, else the beginning of the next one.
func (s UsageStep) Ceil(t time.Time) time.Time {
	floor := s.Floor(t)
	if floor.Equal(t) {
		return floor
	}
	return floor.Add(s.Width())
}

// Oldest is the first bucket that is kept at now.
func (s UsageStep) Oldest(now time.Time) time.Time { return s.Floor(now.Add(-s.Kept())) }

// UsageCount says how often keys of a chain were checked within a minute, with one
// outcome.
type UsageCount struct {
	WorkspaceID ID
	ChainID     ID
	Minute      time.Time // UTC, on the minute
	Code        string    // the outcome, as the wire names it
	Count       int64     // > 0
}

// LastUse is the newest use of a key that was accepted.
type LastUse struct {
	KeyID     ID
	At        time.Time
	IP        netip.Addr // the client's; zero when not known
	UserAgent string     // the client's, with anything that looks like a secret removed; "" when not known
}

// UsageQuery asks for the buckets of a step from From until before To. Both are
// beginnings of buckets.
type UsageQuery struct {
	From, To time.Time
	Step     UsageStep
}

// Buckets is how many the query asks for.
func (q UsageQuery) Buckets() int { return int(q.To.Sub(q.From) / q.Step.Width()) }

// Coarse asks for the same time in as few buckets as fill it: whole days, and hours
// and minutes only at the ends.
func (q UsageQuery) Coarse() []UsageQuery {
	coarser := map[UsageStep]UsageStep{UsageMinute: UsageHour, UsageHour: UsageDay}[q.Step]
	if coarser == "" {
		return []UsageQuery{q}
	}
	inner := UsageQuery{From: coarser.Ceil(q.From), To: coarser.Floor(q.To), Step: coarser}
	if !inner.From.Before(inner.To) {
		return []UsageQuery{q}
	}
	parts := inner.Coarse()
	if q.From.Before(inner.From) {
		parts = append(parts, UsageQuery{From: q.From, To: inner.From, Step: q.Step})
	}
	if inner.To.Before(q.To) {
		parts = append(parts, UsageQuery{From: inner.To, To: q.To, Step: q.Step})
	}
	return parts
}

// UsagePoint is the counts of one bucket.
type UsagePoint struct {
	At     time.Time        // its beginning
	Counts map[string]int64 // by outcome; only those that occurred
}

// KeyUsage is how often the keys of a chain were checked.
type KeyUsage struct {
	ChainID ID
	KeyID   ID     // the newest key of the chain
	Name    string // its name
	Total   int64
	Counts  map[string]int64 // by outcome; only those that occurred
}

// MaxTopKeys bounds the list of a workspace's most used keys.
const MaxTopKeys = 10
