package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// verification is the outcome of a check.
type verification struct {
	Valid     bool                  `json:"valid" doc:"Whether the key may do what was asked. True only with the code valid." example:"true"`
	Code      string                `json:"code" enum:"valid,malformed,not_found,revoked,inactive,expired,ip_not_allowed,insufficient_scope,rate_limited,quota_exceeded" doc:"The outcome: the first of these that applies, in this order but valid last." example:"valid"`
	APIKey    nullable[verifiedKey] `json:"api_key" doc:"The key; null when it is malformed or not found."`
	RateLimit nullable[limitState]  `json:"rate_limit" doc:"The state of the key's limit; null when it has none, or was refused before it was counted."`
}

type verifiedKey struct {
	ID          keypin.ID         `json:"id" format:"uuid" doc:"The key's id." example:"3fa85f64-5717-4562-b3fc-2c963f66afa6"`
	WorkspaceID keypin.ID         `json:"workspace_id" format:"uuid" doc:"The workspace that owns the key." example:"7c9e6679-7425-40de-944b-e07fc1f90ae7"`
	Name        string            `json:"name" doc:"The key's name." example:"Marketing API Key"`
	KeyType     string            `json:"key_type" enum:"live,test,read-only" doc:"What the key is for." example:"live"`
	Scopes      []string          `json:"scopes" format:"scope" nullable:"false" doc:"What the key may do."`
	Metadata    map[string]string `json:"metadata" doc:"The pairs that its maker gave it."`
	ExpiresAt   *time.Time        `json:"expires_at" nullable:"true" doc:"From when on the key is refused; null = never." example:"2027-01-15T09:30:00Z"`
	CreatedBy   *keypin.ID        `json:"created_by" format:"uuid" nullable:"true" doc:"The user who made the key." example:"1c9e6679-7425-40de-944b-e07fc1f90b12"`
	AllowedIPs  []string          `json:"allowed_ips" nullable:"false" doc:"The addresses and CIDR ranges that the key may be used from; empty = anywhere."`
}

type limitState struct {
	Limit     int       `json:"limit" doc:"Admissions in any 60 s." example:"100"`
	Remaining int       `json:"remaining" doc:"Admissions left now." example:"99"`
	ResetAt   time.Time `json:"reset_at" doc:"When the oldest counted admission leaves the window." example:"2026-04-25T12:01:00Z"`
}

func (a *API) registerVerify() {
	op := operation("verify-api-key", http.MethodPost, VerifyPath, "Verify an API key",
		"Says whether a key is good for what is asked, and spends `cost` of its limit when it is. Every outcome is a 200. The caller needs `api-keys:verify`, or to be an admin, and sees keys of its own workspace only. The data listener answers the same call for the keys of all workspaces.")
	// The answer is rendered by appendVerification, so its schema is not huma's to see.
	op.Responses = map[string]*huma.Response{"200": {
		Description: http.StatusText(http.StatusOK),
		Content:     map[string]*huma.MediaType{"application/json": {Schema: schemaOf[envelope[verification]](a)}},
	}}
	routeBody[verifyBody, *verify.Request](a, op, bodyRequired, a.verifyKey)
}

// VerifyPath is where checks are asked for, on both listeners.
const VerifyPath = "/api/v1/api-keys/verify"

type verifyBody struct {
	Key      required[string]   `json:"key" maxLength:"4096" doc:"The key as it was presented to you." example:"op_live_0000000000000000000000000009BlC0"`
	Scopes   optional[[]string] `json:"scopes,omitempty" format:"scope" maxItems:"256" doc:"The scopes that are needed, all of them; default none."`
	ClientIP optional[string]   `json:"client_ip,omitempty" format:"ip-address" doc:"The address that the key was presented from. A key with allowed_ips is refused without it." example:"203.0.113.7"`
	Cost     optional[int64]    `json:"cost,omitempty" minimum:"0" maximum:"1000" doc:"How many admissions to spend; default 1; 0 asks without spending." example:"1"`
	HoldMS   optional[int64]    `json:"hold_ms,omitempty" minimum:"0" maximum:"1000" doc:"How many milliseconds later the admissions may still be spent, for a cache that takes a few at once; default 0. They count until 60 s after that." example:"0"`
	// A string for people to read; it decides nothing.
	UserAgent optional[string] `json:"user_agent,omitempty" maxLength:"512" doc:"The user agent of who presented the key, for its usage."`
}

// Bounds of a verification.
const (
	maxKeyLength       = 4096
	maxCost            = 1000
	maxUserAgentLength = 512
)

func (b *verifyBody) parse(p *parser) *verify.Request {
	req := &verify.Request{}
	b.fill(req, p)
	return req
}

// fill parses into req, whose Needed it uses the room of.
func (b *verifyBody) fill(req *verify.Request, p *parser) {
	*req = verify.Request{Secret: keypin.NewSecret(b.Key.Value), Cost: 1, Needed: req.Needed[:0]}
	if longerThan(b.Key.Value, maxKeyLength) {
		p.faults.Add("body.key", "must be at most 4096 characters")
	}
	if b.Scopes.given() {
		req.Needed = p.needed(req.Needed, "body.scopes", b.Scopes.Value)
	}
	if b.ClientIP.given() {
		ip, err := netip.ParseAddr(b.ClientIP.Value)
		if err != nil || ip.Zone() != "" {
			p.faults.Add("body.client_ip", "must be an IPv4 or IPv6 address without a zone")
		}
		req.ClientIP = ip.Unmap()
	}
	if b.Cost.given() {
		req.Cost = p.upTo("body.cost", b.Cost.Value, maxCost)
	}
	if b.HoldMS.given() {
		req.Hold = time.Duration(p.upTo("body.hold_ms", b.HoldMS.Value, keypin.MaxHold.Milliseconds())) * time.Millisecond
	}
	if b.UserAgent.given() {
		if longerThan(b.UserAgent.Value, maxUserAgentLength) {
			p.faults.Add("body.user_agent", "must be at most 512 characters")
		}
		req.UserAgent = b.UserAgent.Value
	}
}

// longerThan reports whether s has more than n code points.
func longerThan(s string, n int) bool { return len(s) > n && utf8.RuneCountInString(s) > n }

// upTo reads a number from 0 to most.
func (p *parser) upTo(path string, n, most int64) int {
	if n < 0 || n > most {
		p.faults.Add(path, "must be a whole number from 0 to "+strconv.FormatInt(most, 10))
		return 0
	}
	return int(n)
}

// renderedAnswer is an answer whose body was rendered already.
type renderedAnswer struct {
	ContentType string `header:"Content-Type"`
	Stale       string `header:"X-Keypin-Stale"`
	Body        []byte
}

func (a *API) verifyKey(ctx context.Context, x *exchange, in *WorkspaceHeader, req *verify.Request) (*renderedAnswer, error) {
	workspace, err := a.Admin.AuthorizeVerify(ctx, x.call(in.workspace()))
	if err != nil {
		return nil, err
	}
	req.Workspace = &workspace
	outcome, err := a.Keys.Verify(ctx, req)
	if err != nil {
		return nil, err
	}
	a.observePublic(string(outcome.Code), x.clock().Sub(x.start))
	return &renderedAnswer{ContentType: "application/json", Stale: staleSeconds(&outcome), Body: appendVerification(nil, &outcome, x.id, x.now())}, nil
}

// staleSeconds is the value of X-Keypin-Stale; "" for a fresh answer, which has none.
func staleSeconds(o *verify.Outcome) string {
	if o.Stale <= 0 {
		return ""
	}
	return strconv.Itoa(seconds(o.Stale))
}
