package gateway

import (
	"net/http"
	"time"

	"github.com/keypin/keypin/internal/clientaddr"
	"github.com/keypin/keypin/internal/credential"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// The headers that tell who was let in. A proxy hands the first four on.
const (
	headerKey       = "X-Keypin-Key-Id"
	headerWorkspace = "X-Keypin-Workspace-Id"
	headerScopes    = "X-Keypin-Scopes"
	headerUser      = "X-Keypin-User-Id" // absent when that user was deleted
	headerCode      = "X-Keypin-Code"    // the outcome
	headerStale     = "X-Keypin-Stale"

	// metadataCode names the outcome of a refusal in what Envoy alone is told.
	metadataCode = "code"
)

// ForwardAuth answers nginx' auth_request, Caddy's forward_auth and Traefik's
// forwardAuth: may the request whose headers these are go on? 200 says yes; 401, 403,
// 422, 429 and 503 say no, with the API's error in the body.
func (g *Gateway) ForwardAuth(w http.ResponseWriter, r *http.Request) {
	start := g.Clock()
	h := w.Header()
	g.Wire.Identify(w, r)
	needs := g.needs.of(g.Registry, r.URL.RawQuery)
	if needs.deny403 {
		w = folded{w}
	}
	outcome, err := g.check(r, needs, start)
	end := g.Clock()
	if outcome.Limited {
		g.Wire.SetRateLimit(h, &outcome.RateLimit, end)
	}
	if outcome.Stale > 0 {
		h.Set(headerStale, staleSeconds(&outcome))
	}
	code := string(outcome.Code)
	if code == "" {
		code = string(keypin.CodeOf(err))
	}
	if !verify.GivenUp(r.Context(), err) {
		g.forwardAuthed(code, end.Sub(start))
	}
	if err != nil {
		h[headerCode] = []string{code}
		g.Wire.Problem(w, r, err)
		return
	}
	tell(h, outcome.Key)
	w.WriteHeader(http.StatusOK)
}

// check decides about a request. The error is what its sender is told; the outcome is
// zero when nothing was decided.
func (g *Gateway) check(r *http.Request, needs *needs, at time.Time) (verify.Outcome, error) {
	if needs.err != nil {
		return verify.Outcome{}, needs.err
	}
	secret, err := credential.APIKey(r.Header)
	if err != nil {
		return verify.Outcome{}, err
	}
	outcome, err := g.Keys.Verify(r.Context(), &verify.Request{
		Secret: secret, Needed: needs.scopes, Cost: 1, At: at,
		ClientIP: clientaddr.Of(r, g.TrustedProxies), UserAgent: r.UserAgent(),
	})
	if err != nil {
		return verify.Outcome{}, err
	}
	return outcome, outcome.CallerError()
}

// codeValid is the value of headerCode of all who are let in. Nobody changes it.
var codeValid = []string{string(verify.CodeValid)}

// tell sets the headers that say who was let in. The values are parts of one string,
// and their lists of one array.
func tell(h http.Header, k *verify.Key) {
	var b [3 * 36]byte
	text := k.CreatedBy.AppendTo(k.WorkspaceID.AppendTo(k.ID.AppendTo(b[:0])))
	s := string(text)
	v := &[4]string{s[:36], s[36:72], s[72:], k.Scopes.Joined}
	h[headerKey], h[headerWorkspace], h[headerScopes] = v[0:1:1], v[1:2:2], v[3:4:4]
	if !k.CreatedBy.IsZero() {
		h[headerUser] = v[2:3:3]
	}
	h[headerCode] = codeValid
}

// folded answers 403 in place of 429.
type folded struct{ http.ResponseWriter }

func (f folded) WriteHeader(status int) {
	if status == http.StatusTooManyRequests {
		status = http.StatusForbidden
	}
	f.ResponseWriter.WriteHeader(status)
}
