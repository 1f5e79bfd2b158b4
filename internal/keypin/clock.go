package keypin

import "time"

// Clock tells the time; time.Now outside tests. Readings keep Go's monotonic
// part, so differences between two of them survive a step of the wall clock.
type Clock func() time.Time

// Timestamp is t as the service stores and shows it: UTC, microseconds, without
// the monotonic reading.
func Timestamp(t time.Time) time.Time { return t.Round(0).UTC().Truncate(time.Microsecond) }
