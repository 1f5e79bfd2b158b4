package client

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Requirement is what [Guard.Protect] asks of a request.
type Requirement func(*requirements)

type requirements struct{ scopes []string }

// Scopes asks for all of these scopes.
func Scopes(names ...string) Requirement {
	return func(r *requirements) { r.scopes = append(r.scopes, names...) }
}

type principalKey struct{}

// PrincipalFrom is the key that [Guard.Protect] let the request in with.
func PrincipalFrom(ctx context.Context) (*VerifiedKey, bool) {
	k, ok := ctx.Value(principalKey{}).(*VerifiedKey)
	return k, ok
}

// Protect lets requests with a key that fulfils the requirements through to next, and
// answers the others: 401, 403, 429, and 503 when the key cannot be checked. The key is
// read from Authorization: Bearer, or from X-API-Key.
func (g *Guard) Protect(next http.Handler, needs ...Requirement) http.Handler {
	var needed requirements
	for _, need := range needs {
		need(&needed)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secret, given := presented(r.Header)
		if secret == "" {
			g.options.refuse(w, r, &Refusal{Status: http.StatusUnauthorized, Code: CodeUnauthorized, NoCredentials: !given})
			return
		}
		v, err := g.verify(r.Context(), &check{
			secret: secret, scopes: needed.scopes, clientIP: g.options.clientIP(r), cost: 1, userAgent: r.UserAgent(),
		})
		if err != nil {
			g.options.logger.WarnContext(r.Context(), "a key could not be checked", "error", err)
			g.options.refuse(w, r, &Refusal{Status: http.StatusServiceUnavailable, Code: CodeUnavailable, RetryAfter: time.Second, Err: err})
			return
		}
		if !v.Valid {
			g.options.refuse(w, r, refusalOf(v, needed.scopes, g.c.now()))
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), principalKey{}, v.APIKey)))
	})
}

// presented reads the key that a request presents; "" when there is none, or not one.
// given tells whether there was anything.
func presented(h http.Header) (secret string, given bool) {
	bare, values := h["X-Api-Key"], h["Authorization"]
	bearer := ""
	for _, value := range values {
		scheme, credential, _ := strings.Cut(value, " ")
		if strings.EqualFold(scheme, "Bearer") {
			given, bearer = true, strings.TrimLeft(credential, " ")
		}
	}
	if len(bare) == 0 {
		if len(values) > 1 {
			return "", true
		}
		return bearer, given
	}
	// Who reads the other one behind us would see another key.
	if len(bare) > 1 || given && (len(values) > 1 || bearer != bare[0]) {
		return "", true
	}
	return bare[0], true
}

// peerAddr is the address at the other end of the connection; zero when there is none.
func peerAddr(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return ip.Unmap().WithZone("")
}

// Refusal is why a request was not let through.
type Refusal struct {
	Status int
	Code   Code
	// Verification is the outcome; nil when there was no key, or it could not be checked.
	Verification *Verification
	// NoCredentials says that the request presented none.
	NoCredentials bool
	// Needed are the scopes that were asked for, with CodeInsufficientScope.
	Needed []string
	// RetryAfter is when to come back; 0 = not said.
	RetryAfter time.Duration
	// Err is why the key could not be checked. It is not for the client.
	Err error
}

// refusalOf says in HTTP's words why a key is refused. What is wrong with one that is not
// usable is not told: it would help only who found or guessed it.
func refusalOf(v *Verification, needed []string, now time.Time) *Refusal {
	r := &Refusal{Verification: v, Status: http.StatusUnauthorized, Code: CodeUnauthorized}
	switch v.Code {
	case OutcomeIPNotAllowed:
		r.Status, r.Code = http.StatusForbidden, CodeForbidden
	case OutcomeInsufficientScope:
		r.Status, r.Code, r.Needed = http.StatusForbidden, CodeInsufficientScope, needed
	case OutcomeRateLimited, OutcomeQuotaExceeded:
		r.Status, r.Code = http.StatusTooManyRequests, Code(v.Code)
		if v.RateLimit != nil {
			r.RetryAfter = max(v.RateLimit.ResetAt.Sub(now), time.Second)
		}
	default:
	}
	return r
}

// WriteRefusal answers a refused request with the service's status, headers and error
// object.
func WriteRefusal(w http.ResponseWriter, _ *http.Request, r *Refusal) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	switch challenge := `Bearer realm="keypin"`; {
	case r.Code == CodeInsufficientScope:
		h.Set("WWW-Authenticate", challenge+`, error="insufficient_scope", scope="`+strings.Join(r.Needed, " ")+`"`)
	case r.Status == http.StatusUnauthorized && r.NoCredentials:
		h.Set("WWW-Authenticate", challenge)
	case r.Status == http.StatusUnauthorized:
		h.Set("WWW-Authenticate", challenge+`, error="invalid_token"`)
	}
	if r.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((r.RetryAfter+time.Second-1)/time.Second), 10))
	}
	w.WriteHeader(r.Status)
	var body struct {
		Error struct {
			Code    Code     `json:"code"`
			Message string   `json:"message"`
			Details []Detail `json:"details"`
		} `json:"error"`
	}
	body.Error.Code, body.Error.Message, body.Error.Details = r.Code, refusalMessage(r), []Detail{}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(body) // the client is gone; nobody is left to tell
}

func refusalMessage(r *Refusal) string {
	switch {
	case r.NoCredentials:
		return "Send an API key as Authorization: Bearer <key>, or as X-API-Key."
	case r.Code == CodeInsufficientScope:
		return "This key lacks a scope that the request needs."
	case r.Status == http.StatusForbidden:
		return "This key may not be used from this address."
	case r.Status == http.StatusTooManyRequests:
		return "This key has reached its limit."
	case r.Status == http.StatusServiceUnavailable:
		return "Keys cannot be checked at the moment. Try again."
	}
	return "The credentials are not valid."
}
