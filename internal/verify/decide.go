package verify

import (
	"net/netip"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Code is the outcome of a check, as the wire names it.
type Code string

// The outcomes, in the order in which they are looked for: of several reasons to
// refuse, the first is told.
const (
	CodeValid             Code = "valid"
	CodeMalformed         Code = "malformed" // not the form of a key, or a wrong checksum
	CodeNotFound          Code = "not_found" // also a key of another workspace
	CodeRevoked           Code = "revoked"
	CodeInactive          Code = "inactive" // suspended
	CodeExpired           Code = "expired"
	CodeIPNotAllowed      Code = "ip_not_allowed"
	CodeInsufficientScope Code = "insufficient_scope"
	CodeRateLimited       Code = "rate_limited"
	CodeQuotaExceeded     Code = "quota_exceeded" // no key has a quota yet
)

// Outcome is the answer to a check.
type Outcome struct {
	Code Code
	// Key is the key, nil for malformed and not_found.
	Key *Key
	// RateLimit is the state of the key's limit, where Limited.
	RateLimit keypin.RateLimit
	// Limited says that the limit was asked: not of a key that has none, or that was
	// refused before.
	Limited bool
	// Missing are the needed scopes that the key does not hold, with insufficient_scope.
	Missing []keypin.Scope
	// Stale is more than 0 when the answer rests on what was remembered of the key, and
	// not proven to be no older than Bound: how long ago that was proven last.
	Stale time.Duration

	Hash keypin.KeyHash // of the presented key; zero for malformed
}

// facts are all that a decision depends on.
type facts struct {
	malformed bool
	key       *Key       // nil when there is none
	workspace *keypin.ID // whose keys may be seen; nil = all
	needed    []keypin.Scope
	clientIP  netip.Addr // zero = unknown
	now       time.Time
	limit     limitAnswer
}

// limitAnswer is what the limiter said; the zero one when it was not asked.
type limitAnswer struct {
	asked    bool
	state    keypin.RateLimit
	admitted bool
}

// decide is the decision. Without a limiter's answer it says what holds when the
// limit admits, so that it can be asked first whether to ask the limiter at all.
func decide(f *facts) Outcome {
	switch {
	case f.malformed:
		return Outcome{Code: CodeMalformed}
	case f.key == nil, f.workspace != nil && *f.workspace != f.key.WorkspaceID:
		return Outcome{Code: CodeNotFound}
	}
	switch f.key.State(f.now) {
	case keypin.KeyUsable:
	case keypin.KeySuspended:
		return Outcome{Code: CodeInactive, Key: f.key}
	case keypin.KeyExpired:
		return Outcome{Code: CodeExpired, Key: f.key}
	default: // revoked, or a state that this does not know
		return Outcome{Code: CodeRevoked, Key: f.key}
	}
	if !keypin.AllowsIP(f.key.AllowedIPs(), f.clientIP) {
		return Outcome{Code: CodeIPNotAllowed, Key: f.key}
	}
	if missing := keypin.MissingScopes(f.key.Scopes.Scopes, f.needed); len(missing) > 0 {
		return Outcome{Code: CodeInsufficientScope, Key: f.key, Missing: missing}
	}
	outcome := Outcome{Code: CodeValid, Key: f.key, RateLimit: f.limit.state, Limited: f.limit.asked}
	if f.limit.asked && !f.limit.admitted {
		outcome.Code = CodeRateLimited
	}
	return outcome
}

// CallerError is the answer to a caller who presented the key as its own
// credential: nil for valid. What is wrong with a key that is not usable is not
// told: it would help only who found or guessed it.
func (o *Outcome) CallerError() error {
	switch o.Code {
	case CodeValid:
		return nil
	case CodeMalformed, CodeNotFound, CodeRevoked, CodeInactive, CodeExpired:
		return keypin.E(keypin.CodeUnauthorized, "The credentials are not valid.")
	case CodeIPNotAllowed:
		return keypin.E(keypin.CodeForbidden, "This key may not be used from this address.")
	case CodeInsufficientScope:
		err := keypin.E(keypin.CodeInsufficientScope, "This key lacks a scope that the request needs.")
		err.Needed = o.Missing
		return err
	case CodeRateLimited:
		return o.limitError(keypin.CodeRateLimited, "This key has reached its limit per minute.")
	case CodeQuotaExceeded:
		return o.limitError(keypin.CodeQuotaExceeded, "This key has used up its quota.")
	default: // an outcome that nobody decided lets nobody in
		return keypin.E(keypin.CodeInternal, "The credentials could not be checked.")
	}
}

func (o *Outcome) limitError(code keypin.Code, message string) error {
	err := keypin.E(code, message)
	if o.Limited {
		state := o.RateLimit
		err.RateLimit = &state
		err.RetryAfter = o.RateLimit.RetryAfter
	}
	return err
}

// Principal is the key as a caller of the API.
func (o *Outcome) Principal() *keypin.Principal { return o.Key.principal(o.Hash) }
