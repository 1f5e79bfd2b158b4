package keypin

import (
	"context"
	"time"
)

// RateLimit is the state of a limit per minute after a decision.
type RateLimit struct {
	Limit     int       // admissions in any 60 s
	Remaining int       // admissions left now, 0 to Limit
	ResetAt   time.Time // when the oldest counted admission leaves the window; now when none is counted
	// RetryAfter is how long until the refused cost could be admitted, more than 0
	// and at most 60 s; 0 when it was admitted.
	RetryAfter time.Duration
}

// MaxHold is how long units may be held before they are spent.
const MaxHold = time.Second

// Admission asks for units of a chain's limit.
type Admission struct {
	Chain ID
	Limit int // admissions in any 60 s
	Cost  int // units; 0 asks only for the state
	// Hold is how much later than now the units may still be spent, 0 to MaxHold: a
	// cache at the edge takes a few at once. They count until 60 s after that.
	Hold time.Duration
}

// Limiter decides admissions. Implementations keep promise 2: in every window of
// 60 s at most limit units are admitted under one chain, whenever within their hold
// they are spent.
type Limiter interface {
	// Admit admits the whole cost or nothing. An error means that nothing could be
	// decided; its code is CodeUnavailable.
	Admit(ctx context.Context, ask Admission, now time.Time) (RateLimit, bool, error)
}
