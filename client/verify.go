package client

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"
)

// Outcome is what a verification came to.
type Outcome string

// The outcomes, in the order in which they are checked.
const (
	OutcomeMalformed         Outcome = "malformed"
	OutcomeNotFound          Outcome = "not_found"
	OutcomeRevoked           Outcome = "revoked"
	OutcomeInactive          Outcome = "inactive"
	OutcomeExpired           Outcome = "expired"
	OutcomeIPNotAllowed      Outcome = "ip_not_allowed"
	OutcomeInsufficientScope Outcome = "insufficient_scope"
	OutcomeRateLimited       Outcome = "rate_limited"
	OutcomeQuotaExceeded     Outcome = "quota_exceeded"
	OutcomeValid             Outcome = "valid"
)

// maxUserAgent is how many characters of a user agent the service takes.
const maxUserAgent = 512

// VerifyParams ask whether a key is good. Only the key is needed.
type VerifyParams struct {
	// Key is the key as it was presented to you.
	Key Secret
	// Scopes are those that are needed, all of them.
	Scopes []string
	// ClientIP is the address that the key was presented from; the zero Addr = not known. A
	// key that may be used from some addresses only is refused without it.
	ClientIP netip.Addr
	// Cost is how many admissions to spend, 0 to 1000; nil = 1, and 0 asks without spending.
	Cost *int
	// Hold is for how long, at most 1 s, the admissions may be kept before they are spent;
	// they count until 60 s after that.
	Hold time.Duration
	// UserAgent is that of the client who presented the key, for its usage. What is longer
	// than 512 characters is cut.
	UserAgent string
}

// Verification is the outcome of a check.
type Verification struct {
	// Valid tells whether the key may do what was asked: Code is [OutcomeValid].
	Valid bool    `json:"valid"`
	Code  Outcome `json:"code"`
	// APIKey is nil when the key is malformed or not found.
	APIKey *VerifiedKey `json:"api_key"`
	// RateLimit is nil when the key has no limit, or was refused before it was counted.
	RateLimit *RateLimit `json:"rate_limit"`
}

// VerifiedKey is what a verification tells of a key.
type VerifiedKey struct {
	ID          string            `json:"id"`
	WorkspaceID string            `json:"workspace_id"`
	Name        string            `json:"name"`
	KeyType     KeyType           `json:"key_type"`
	Scopes      []string          `json:"scopes"`
	Metadata    map[string]string `json:"metadata"`
	ExpiresAt   *time.Time        `json:"expires_at"`          // nil = never
	CreatedBy   string            `json:"created_by,omitzero"` // "" when that user was deleted
	AllowedIPs  []string          `json:"allowed_ips"`         // none = anywhere
}

// Verify asks whether a key is good, and spends Cost of its limit when it is. A refusal
// is not an error: look at Valid. When there is an error nothing is known of the key, and
// it must not be let through.
func (s KeyService) Verify(ctx context.Context, p VerifyParams, opts ...CallOption) (*Verification, error) {
	k := call{op: "verify-api-key", method: http.MethodPost, path: keysPath + "/verify",
		body: p.wire(), secrets: []Secret{p.Key}, takes: takesWorkspace}
	if p.Cost == nil || *p.Cost <= 1 {
		k.repeat = whenUnsure // the package's doc says why
	}
	v, _, err := send[Verification](ctx, s.c, k, opts)
	if err != nil {
		return nil, err
	}
	v.Valid = v.Valid && v.Code == OutcomeValid // who answers half of it has not said yes
	return v, nil
}

type verifyBody struct {
	Key       string   `json:"key"`
	Scopes    []string `json:"scopes,omitempty"`
	ClientIP  string   `json:"client_ip,omitempty"`
	Cost      *int     `json:"cost,omitempty"`
	HoldMS    int64    `json:"hold_ms,omitempty"`
	UserAgent string   `json:"user_agent,omitempty"`
}

func (p VerifyParams) wire() verifyBody {
	b := verifyBody{Key: p.Key.Reveal(), Scopes: p.Scopes, Cost: p.Cost, UserAgent: strings.ToValidUTF8(p.UserAgent, "")}
	if p.ClientIP.IsValid() {
		b.ClientIP = p.ClientIP.Unmap().WithZone("").String() // a zone means something on its own machine only
	}
	b.HoldMS = int64((p.Hold + time.Millisecond - 1) / time.Millisecond)
	if utf8.RuneCountInString(b.UserAgent) > maxUserAgent {
		b.UserAgent = string([]rune(b.UserAgent)[:maxUserAgent])
	}
	return b
}
