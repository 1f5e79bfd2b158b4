// Package verify is the data plane: it decides whether a presented key may be used
// now, for these scopes, from this address. Every door (the public verify call, API
// keys as callers) asks the same Service.
//
// The decision is one pure function, decide, of the key's record, the request, the
// limiter's answer and the time. Its order is the API's: malformed, not_found,
// revoked, inactive, expired, ip_not_allowed, insufficient_scope, rate_limited,
// quota_exceeded. The limiter is asked only once everything before it has passed, so
// that a refusal before rate_limited spends nothing.
//
// There is no cache here: every check asks the KeySource, so nothing can be stale and
// a change holds from the moment it is committed. A KeySource that caches must be
// told of changes (keypin.Invalidator) and answer for its own freshness.
//
// What happens on failure: when the KeySource or the Limiter cannot answer, Verify
// returns CodeUnavailable and the door refuses; nothing is ever let through unproven.
// When the times of last use cannot be stored they wait for the next attempt, and
// what exceeds the memory set aside for them is dropped and counted; no check fails.
package verify
