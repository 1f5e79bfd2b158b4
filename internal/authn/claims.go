package authn

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// leeway is how far an issuer's clock may be from ours.
	leeway = 5 * time.Second
	// maxSubject is OpenID Connect Core 1.0, section 2, in bytes.
	maxSubject = 255
	// latest is the last second of the year 9999, beyond which a time is a mistake.
	latest = 253402300799

	// clerkSessionCategory is the header `cat` of Clerk's session tokens. Templates
	// (cl_B7d4PD222AAA) and machines (cl_B7d4PD333AAA) are signed by the same key, and
	// cl_I7d4PD111III, which an instance may put on all of them, tells nothing.
	clerkSessionCategory = "cl_B7d4PD111AAA"
	clerkMachinePrefix   = "mch_"
)

// check applies every rule of issuer i but the signature.
func (t *parsedToken) check(i Issuer, now time.Time) error {
	if err := t.checkTimes(now); err != nil {
		return err
	}
	if !wellFormed(t.claims["sub"], maxSubject) {
		return refuseSubject
	}
	if len(i.AuthorizedParties) > 0 {
		azp, _ := t.claims["azp"].(string)
		if azp == "" || !slices.Contains(i.AuthorizedParties, azp) {
			return refuseParty
		}
	}
	if len(i.Audiences) > 0 && !t.hasAudience(i.Audiences) {
		return refuseAudience
	}
	typ, err := t.mediaType()
	if err != nil {
		return err
	}
	switch i.Kind {
	case KindClerk:
		return t.checkClerk(typ)
	case KindOIDC:
		return t.checkOIDC(typ)
	default:
		if typ != "jwt" {
			return refuseType
		}
		return nil
	}
}

// checkTimes wants exp and iat, and nbf if it is there, as RFC 7519 says.
func (t *parsedToken) checkTimes(now time.Time) error {
	exp, expOK := numericDate(t.claims["exp"])
	iat, iatOK := numericDate(t.claims["iat"])
	if !expOK || !iatOK {
		return refuseTime
	}
	if !now.Before(exp.Add(leeway)) {
		return refuseExpired
	}
	if iat.After(now.Add(leeway)) {
		return refuseFuture
	}
	value, there := t.claims["nbf"]
	if !there {
		return nil
	}
	nbf, ok := numericDate(value)
	if !ok {
		return refuseTime
	}
	if nbf.After(now.Add(leeway)) {
		return refuseEarly
	}
	return nil
}

// validity is the span in which checkTimes, which has passed, passes.
func (t *parsedToken) validity() (from, until time.Time) {
	exp, _ := numericDate(t.claims["exp"])
	from, _ = numericDate(t.claims["iat"])
	if nbf, ok := numericDate(t.claims["nbf"]); ok && nbf.After(from) {
		from = nbf
	}
	return from.Add(-leeway), exp.Add(leeway)
}

// numericDate reads seconds since the epoch, whole or not (RFC 7519, section 2),
// from 0 to the year 9999.
func numericDate(value any) (time.Time, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := number.Float64()
	if err != nil || f < 0 || f > latest {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}

// hasAudience reads aud as one string or a list of them (RFC 7519, section 4.1.3).
func (t *parsedToken) hasAudience(accepted []string) bool {
	switch aud := t.claims["aud"].(type) {
	case string:
		return slices.Contains(accepted, aud)
	case []any:
		return slices.ContainsFunc(aud, func(value any) bool {
			s, ok := value.(string)
			return ok && slices.Contains(accepted, s)
		})
	default:
		return false
	}
}

// checkClerk tells a session token from the others that Clerk signs with the same
// key: those of templates, machines and OAuth clients.
func (t *parsedToken) checkClerk(typ string) error {
	if typ != "" && typ != "jwt" {
		return refuseType
	}
	if cat, there := t.header["cat"]; there && cat != clerkSessionCategory {
		return refuseCategory
	}
	if !wellFormed(t.claims["sid"], maxSubject) {
		return refuseSession
	}
	if value, there := t.claims["sts"]; there {
		if sts, ok := value.(string); !ok || sts == "pending" {
			return refusePending
		}
	}
	if sub, _ := t.claims["sub"].(string); strings.HasPrefix(sub, clerkMachinePrefix) {
		return refuseMachine
	}
	return nil
}

// checkOIDC takes ID tokens and access tokens (RFC 9068), but not what else an
// issuer signs: `events` marks a logout token or another security event (RFC 8417).
func (t *parsedToken) checkOIDC(typ string) error {
	if typ != "" && typ != "jwt" && typ != "at+jwt" {
		return refuseType
	}
	if _, there := t.claims["events"]; there {
		return refuseEvent
	}
	return nil
}

// wellFormed wants a non-empty string of at most longest bytes without control
// characters or what stands for text that could not be read.
func wellFormed(value any, longest int) bool {
	s, ok := value.(string)
	return ok && s != "" && len(s) <= longest && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || r == utf8.RuneError
	})
}
