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
// Uses are counted in memory (Usage) and stored off the path of the checks. When they
// cannot be stored they wait for the next attempt, and what exceeds the memory set
// aside for them is dropped and counted; no check fails or waits. A malformed key, or
// one that is not found, is nobody's: only Options.Unknown is told, and nothing of it
// is stored.
package verify
