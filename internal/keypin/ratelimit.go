package keypin

import "time"

// RateLimit is the state of a limit per minute after a decision.
type RateLimit struct {
	Limit     int       // admissions in any 60 s
	Remaining int       // admissions left now, 0 to Limit
	ResetAt   time.Time // when the oldest counted admission leaves the window; now when none is counted
	// RetryAfter is how long until the refused cost could be admitted, more than 0
	// and at most 60 s; 0 when it was admitted.
	RetryAfter time.Duration
}

// Limiter decides admissions. Implementations keep promise 2: in every window of
// 60 s at most limit units are admitted under one chain.
type Limiter interface {
	// Admit asks for cost units (0 asks only for the state) under chain, whose limit
	// is limit per minute. It is admitted wholly or not at all. An error means that
	// nothing could be decided; its code is CodeUnavailable.
	Admit(chain ID, limit, cost int, now time.Time) (RateLimit, bool, error)
}
