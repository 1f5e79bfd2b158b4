// Package verify is the data plane: it decides whether a presented key may be used
// now, for these scopes, from this address. Every door (the verify call on both
// listeners, forward-auth, ext_authz, API keys as callers) asks the same Service.
//
// The decision is one pure function, decide, of the key, the request, the limiter's
// answer and the time. Its order is the API's: malformed, not_found, revoked, inactive,
// expired, ip_not_allowed, insufficient_scope, rate_limited, quota_exceeded. The limiter
// is asked only once everything before it has passed, so that a refusal before
// rate_limited spends nothing.
//
// Keys come out of a Cache. A change is told to it after its commit and before its
// answer, and what was being looked up meanwhile is not remembered, so a check that
// begins after the answer sees the change. A Freshness says as of when the Cache knows
// all changes; more than Bound behind, the database is asked for every check, and has to
// prove that it still is the one that takes the changes. A Feed
// tells the same changes to caches in other processes. Usage counts what was decided.
//
// What happens on failure: when the database or the limiter cannot answer, Verify
// returns CodeUnavailable and the door refuses; nothing is let through unproven unless
// the operator allows stale answers, which say so. Uses that cannot be stored wait for
// the next attempt, and what exceeds the memory set aside for them is dropped and
// counted; no check fails for it.
package verify
