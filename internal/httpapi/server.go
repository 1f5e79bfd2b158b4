package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/keypin/keypin/internal/clientaddr"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
)

// requestTimeout bounds the work for one call, such as a search through a million
// keys. It is shorter than the time that the server gives an answer, so that the 503
// still arrives.
const requestTimeout = 25 * time.Second

// unmatched is the route of a request that no pattern matches.
const unmatched = "unmatched"

// serve is what every request passes, outermost first: request id, log and
// metrics, panics, headers, CORS, the SDK floor, a page or the mux.
func (a *API) serve(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{clock: a.Clock, start: a.Clock(), header: w.Header(), clientIP: clientaddr.Of(r, a.TrustedProxies), route: unmatched}
		ctx := context.WithValue(r.Context(), exchangeKey{}, x)
		page := a.pageOf(r)
		if page != "" {
			x.route = page
		} else { // a page waits for nobody; a timer costs about as much as one that is kept
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, requestTimeout)
			defer cancel()
		}
		x.request = r.WithContext(ctx)
		rec := &recorder{ResponseWriter: w}
		defer a.finish(x, rec)
		x.id = a.requestID(r)
		a.setHeaders(w.Header(), r, x.id)
		switch {
		case a.handleCORS(rec, r):
		case a.outdated(r):
			x.problemFor(keypin.E(keypin.CodeUpgradeRequired,
				"This version of the SDK is no longer supported; install "+a.MinSDKVersion+" or newer.")).write(rec)
		case page != "":
			a.pages.ServeHTTP(rec, x.request)
		default:
			a.dispatch(mux, rec, x)
		}
	})
}

// pageOf is the route of a request for a page; "" when it is for none.
func (a *API) pageOf(r *http.Request) string {
	if a.pages == nil {
		return ""
	}
	return a.pages.Route(r)
}

// dispatch runs the mux, and answers in our envelope where it has no route.
func (a *API) dispatch(mux *http.ServeMux, w http.ResponseWriter, x *exchange) {
	// The mux would redirect an unclean path, and put what was sent into the answer.
	if path.Clean(x.request.URL.Path) == x.request.URL.Path {
		if _, pattern := mux.Handler(x.request); pattern != "" {
			mux.ServeHTTP(w, x.request)
			return
		}
		// Without a pattern no handler of ours runs: the mux says 404 or 405.
		probe := &discarder{header: http.Header{}}
		mux.ServeHTTP(probe, x.request)
		if probe.status == http.StatusMethodNotAllowed {
			x.methodNotAllowed(w, probe.header.Get("Allow"))
			return
		}
	}
	x.problemFor(keypin.E(keypin.CodeNotFound, "There is nothing at this address.")).write(w)
}

func (x *exchange) methodNotAllowed(w http.ResponseWriter, allow string) {
	w.Header().Set("Allow", allow)
	x.problemFor(keypin.E(keypin.CodeMethodNotAllowed, "This method is not allowed here; see the Allow header.")).write(w)
}

// finish turns a panic into a 500, then logs and counts the request.
func (a *API) finish(x *exchange, rec *recorder) {
	if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // a recovered value, compared as net/http does
		a.Logger.LogAttrs(x.ctx(), slog.LevelError, "panic", slog.String("request_id", x.id),
			slog.String("route", x.route), slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		if rec.status == 0 {
			x.problemFor(keypin.E(keypin.CodeInternal, "")).write(rec)
		}
		x.err = nil // logged above
	} else if p != nil {
		panic(p)
	}
	now := a.Clock()
	took := now.Sub(x.start)
	a.noteSpan(x)
	a.logError(x, rec.status)
	a.Observer.ObserveRequest(x.route, knownMethod(x.request.Method), rec.status, took)
	a.logRequest(x, rec, now, took)
}

// logRequest writes the one line that every request has. The logger's own way would look
// up where in the source it is, which no line says.
func (a *API) logRequest(x *exchange, rec *recorder, now time.Time, took time.Duration) {
	if !a.Logger.Enabled(x.ctx(), slog.LevelInfo) {
		return
	}
	line := slog.NewRecord(now, slog.LevelInfo, "request", 0)
	line.AddAttrs(
		slog.String("request_id", x.id), slog.String("method", knownMethod(x.request.Method)), slog.String("route", x.route),
		slog.Int("status", rec.status), slog.Int64("bytes", rec.written), slog.Duration("took", took), slog.String("client", x.clientIP.String()))
	_ = a.Logger.Handler().Handle(x.ctx(), line) // whom could one tell that the log is full
}

// noteSpan tells the request's span, if there is one, what it was and whose key asked.
func (a *API) noteSpan(x *exchange) {
	if !telemetry.Recording(x.ctx()) {
		return
	}
	var route, key, workspace string
	if x.route != unmatched {
		route = x.route
	}
	if x.principal != nil && x.principal.Key != nil {
		key, workspace = x.principal.Key.ID.String(), x.principal.Key.WorkspaceID.String()
	}
	telemetry.Routed(x.ctx(), knownMethod(x.request.Method), route, key, workspace)
}

// knownMethod bounds what a client can put into a log line or a label.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

// headersOfAll are the same in every answer. Answers are for their caller alone, so none
// is stored by default.
var headersOfAll = http.Header{
	"Cache-Control":           {"no-store"},
	"X-Content-Type-Options":  {"nosniff"},
	"X-Frame-Options":         {"DENY"},
	"Content-Security-Policy": {"default-src 'none'; frame-ancestors 'none'"},
	"Referrer-Policy":         {"no-referrer"},
}

// setHeaders sets what every answer carries.
func (a *API) setHeaders(h http.Header, r *http.Request, id string) {
	h["X-Request-Id"] = []string{id}
	maps.Copy(h, headersOfAll)
	if r.TLS != nil {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
	if a.MinSDKVersion != "" {
		h.Set("X-OnePin-Required-Version", a.MinSDKVersion)
	}
}

// requestID keeps the caller's id if it is a UUID, or req_ and a UUID.
func (a *API) requestID(r *http.Request) string {
	if given := r.Header.Values("X-Request-Id"); len(given) == 1 {
		if _, err := keypin.ParseID(strings.TrimPrefix(given[0], "req_")); err == nil {
			return given[0]
		}
	}
	id, err := keypin.NewID(a.Clock(), a.Random)
	if err != nil {
		a.Logger.LogAttrs(r.Context(), slog.LevelError, "no request id", slog.String("error", err.Error()))
	}
	return "req_" + id.String()
}

// handleCORS answers a preflight of an allowed origin and marks the answers to one.
// It reports whether the request is answered.
func (a *API) handleCORS(w http.ResponseWriter, r *http.Request) bool {
	if len(a.AllowedOrigins) == 0 {
		return false
	}
	w.Header().Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if !slices.Contains(a.AllowedOrigins, origin) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "X-Request-Id, ETag, Location, Retry-After, Idempotent-Replayed, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, WWW-Authenticate")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match, X-Request-Id, X-Workspace-Id")
	h.Set("Access-Control-Max-Age", "600")
	w.WriteHeader(http.StatusNoContent)
	return true
}

var sdkAgent = regexp.MustCompile(`^(?:onepin|onepin-python|keypin-python)/([0-9]{1,6}(?:\.[0-9]{1,6}){0,3})`)

// outdated reports whether the caller is an SDK below the configured floor.
func (a *API) outdated(r *http.Request) bool {
	if a.MinSDKVersion == "" {
		return false
	}
	m := sdkAgent.FindStringSubmatch(r.UserAgent())
	return m != nil && compareVersions(m[1], a.MinSDKVersion) < 0
}

// compareVersions compares dotted numbers; a missing part counts as 0.
func compareVersions(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		var x, y int
		if i < len(as) {
			x, _ = strconv.Atoi(as[i])
		}
		if i < len(bs) {
			y, _ = strconv.Atoi(bs[i])
		}
		if x != y {
			return x - y
		}
	}
	return 0
}

// validQuery reports whether a raw query decodes to UTF-8 pairs without NUL.
func validQuery(raw string) bool {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return false
	}
	for name, vs := range values {
		for _, v := range append(vs, name) {
			if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
				return false
			}
		}
	}
	return true
}

// recorder remembers what was answered.
type recorder struct {
	http.ResponseWriter
	status  int
	written int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(b)
	r.written += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// discarder takes the mux's own answer, of which only status and Allow are used.
type discarder struct {
	header http.Header
	status int
}

func (d *discarder) Header() http.Header         { return d.header }
func (d *discarder) WriteHeader(status int)      { d.status = status }
func (d *discarder) Write(b []byte) (int, error) { return len(b), nil }
