package client

import (
	"context"
	"crypto/sha256"
	"hash/crc32"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// guardedKey is what a Guard remembers of a key. But for its counters nobody changes it.
type guardedKey struct {
	// answer is the one to whoever passes every condition: valid, or for a key that is
	// refused whatever is asked, why.
	answer  *Verification
	expires time.Time // by our clock; zero = never
	allowed []netip.Prefix
	// limit is the key's; 0 = none, and -1 = not known, because the answer that this was
	// made of came before the limit was asked.
	limit int
	lease lease
	uses  useCounters
}

// Verify answers as [KeyService.Verify] does, from memory where it can. RateLimit is nil
// where it did. Hold is not used: the Guard takes admissions in advance by itself.
func (g *Guard) Verify(ctx context.Context, p VerifyParams) (*Verification, error) {
	cost := 1
	if p.Cost != nil {
		cost = *p.Cost
	}
	return g.verify(ctx, &check{
		secret: p.Key.Reveal(), scopes: p.Scopes, clientIP: p.ClientIP, cost: cost, userAgent: p.UserAgent,
	})
}

// check is one question.
type check struct {
	secret    string
	scopes    []string
	clientIP  netip.Addr
	cost      int
	userAgent string
}

// verify checks a key: in memory while that is fresh, else by asking.
func (g *Guard) verify(ctx context.Context, p *check) (*Verification, error) {
	if len(p.secret) < minKeyLength || len(p.secret) > maxKeyLength {
		return malformedKey, nil
	}
	now := g.c.now()
	hash := hashOf(p.secret)
	if g.fresh(now) && p.cost >= 0 && p.cost <= maxCost {
		if k, ok := g.keys.GetIfPresent(hash); ok {
			return g.decide(ctx, hash, k, p, now)
		}
		if until, ok := g.unknown.GetIfPresent(hash); ok && now.Before(until) {
			return unknownKey, nil
		}
	}
	if !wellFormed(p.secret) {
		return malformedKey, nil
	}
	return g.ask(ctx, hash, p, p.cost, 0)
}

// decide decides about a key that is remembered, in the order of the service.
func (g *Guard) decide(ctx context.Context, hash [32]byte, k *guardedKey, p *check, now time.Time) (*Verification, error) {
	v := k.answer
	switch {
	case !v.Valid: // revoked or suspended
	case !k.expires.IsZero() && !now.Before(k.expires):
		v = k.refused(OutcomeExpired)
	case !allows(k.allowed, p.clientIP):
		v = k.refused(OutcomeIPNotAllowed)
	case !holdsAll(v.APIKey.Scopes, p.scopes):
		v = k.refused(OutcomeInsufficientScope)
	case k.limit < 0:
		return g.ask(ctx, hash, p, p.cost, 0)
	case k.limit > 0 && p.cost > 0:
		return g.admit(ctx, hash, k, p, now)
	}
	k.uses.count(v.Code, now, p)
	return v, nil
}

// refused is the answer for a reason that depends on the request.
func (k *guardedKey) refused(code Outcome) *Verification {
	return &Verification{Code: code, APIKey: k.answer.APIKey}
}

// The answers for what is no key. Nobody changes them.
var (
	malformedKey = &Verification{Code: OutcomeMalformed}
	unknownKey   = &Verification{Code: OutcomeNotFound}
)

func holdsAll(held, needed []string) bool {
	for _, scope := range needed {
		if !slices.Contains(held, scope) {
			return false
		}
	}
	return true
}

// allows reports whether a key with these ranges may be used from ip. None allows any
// address; else no unknown one is allowed.
func allows(ranges []netip.Prefix, ip netip.Addr) bool {
	if len(ranges) == 0 {
		return true
	}
	ip = ip.Unmap()
	for _, r := range ranges {
		if r.Contains(ip) {
			return true
		}
	}
	return false
}

// The form of a key: a prefix of 2 to 48 characters, an underscore, 26 random characters
// and 6 that are the CRC-32 of all before them, in base 62.
const (
	alphabet       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	checksumLength = 6
	secretLength   = 26 + checksumLength
	minKeyLength   = 2 + 1 + secretLength
	maxKeyLength   = 48 + 1 + secretLength
)

// hashOf is the SHA-256 of a key of at most maxKeyLength bytes.
func hashOf(secret string) [32]byte {
	var b [maxKeyLength]byte // on the stack: the plaintext is not copied to the heap
	return sha256.Sum256(b[:copy(b[:], secret)])
}

// wellFormed reports whether the checksum fits. What else is wrong the service tells.
func wellFormed(secret string) bool {
	body := secret[:len(secret)-checksumLength]
	if strings.Trim(secret[len(body):], alphabet) != "" || secret[len(secret)-secretLength-1] != '_' {
		return false
	}
	sum := crc32.ChecksumIEEE([]byte(body))
	for i := len(secret) - 1; i >= len(body); i-- {
		if secret[i] != alphabet[sum%62] {
			return false
		}
		sum /= 62
	}
	return true
}
