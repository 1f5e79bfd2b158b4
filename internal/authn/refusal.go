package authn

import (
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// refusal is why a token was refused, for the log. It is a constant, so that it
// cannot hold anything of the token.
type refusal string

func (r refusal) Error() string { return string(r) }

const (
	refuseSize       refusal = "token is longer than allowed"
	refuseParts      refusal = "token does not have three parts"
	refuseBase64     refusal = "token is not strict base64url"
	refuseJSON       refusal = "token holds invalid JSON"
	refuseNotObject  refusal = "token holds JSON that is not an object"
	refuseDuplicate  refusal = "token holds a duplicate JSON name"
	refuseDepth      refusal = "token holds JSON nested too deep"
	refuseAlgorithm  refusal = "algorithm is not allowed"
	refuseHeader     refusal = "header carries a parameter that is not allowed"
	refuseType       refusal = "header typ is not that of a session token"
	refuseKeyID      refusal = "header has no kid"
	refuseIssuer     refusal = "issuer is not trusted"
	refuseKey        refusal = "issuer has no such key for this algorithm"
	refuseSignature  refusal = "signature is wrong"
	refuseTime       refusal = "exp, iat or nbf is missing or not a time"
	refuseExpired    refusal = "token has expired"
	refuseEarly      refusal = "token is not valid yet"
	refuseFuture     refusal = "token was issued in the future"
	refuseSubject    refusal = "sub is missing or malformed"
	refuseParty      refusal = "azp is not an authorized party"
	refuseAudience   refusal = "aud holds no accepted audience"
	refuseCategory   refusal = "token is of another category than a session"
	refuseSession    refusal = "token names no session"
	refusePending    refusal = "session is pending"
	refuseMachine    refusal = "subject is a machine"
	refuseEvent      refusal = "token reports an event"
	refuseOrg        refusal = "organisation claim is malformed"
	refuseOrgVersion refusal = "claim version is unknown"
)

// unauthorized is the one answer to every token that is refused.
func unauthorized(cause error) *keypin.Error {
	return keypin.Wrap(keypin.CodeUnauthorized, "The session token is not valid or has expired.", cause)
}

// unavailable is the answer while an issuer's keys cannot be had.
func unavailable(cause error, retryAfter time.Duration) *keypin.Error {
	e := keypin.Wrap(keypin.CodeUnavailable, "Session tokens cannot be checked right now. Try again shortly.", cause)
	e.RetryAfter = max(retryAfter, time.Second)
	return e
}
