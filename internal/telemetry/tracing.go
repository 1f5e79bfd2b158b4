package telemetry

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracing makes spans: of requests that come, of requests that are sent, and of calls of
// the engines. A nil one makes none and stands in nobody's way. What a span holds is
// named here and in package dbtrace, one by one: no header, body, query string or
// argument of a statement is among it.
type Tracing struct{ tracer trace.Tracer }

// NewTracing makes spans with the provider.
func NewTracing(provider trace.TracerProvider, version string) *Tracing {
	return &Tracing{provider.Tracer("github.com/keypin/keypin", trace.WithInstrumentationVersion(version), trace.WithSchemaURL(semconv.SchemaURL))}
}

// The attributes that are ours.
const (
	requestIDKey   = attribute.Key("keypin.request_id")
	workspaceIDKey = attribute.Key("keypin.workspace_id")
	keyIDKey       = attribute.Key("keypin.key_id")
	codeKey        = attribute.Key("keypin.code") // a check's outcome
)

// serverSpan is how every span of a request begins. Nobody changes it.
var serverSpan = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer)}

// Handler gives each request to next in a span, which goes on with the trace that the
// request says it belongs to (W3C Trace Context). Pattern is the one by which next is
// reached; "" where only next knows it, and calls Routed. A nil Tracing gives next itself.
func (t *Tracing) Handler(next http.Handler, pattern string) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, span := t.tracer.Start(continued(r), pattern, serverSpan...)
		r = r.WithContext(ctx)
		if !span.IsRecording() {
			next.ServeHTTP(w, r)
			return
		}
		answer := &answer{ResponseWriter: w}
		begin(span, r, pattern)
		whole := false
		defer func() { finish(span, answer, whole) }()
		next.ServeHTTP(answer, r)
		whole = true
	})
}

// continued is the request's context with the trace it belongs to. What else the caller
// keeps in tracestate travels with it, but for secrets, since spans hold it.
func continued(r *http.Request) context.Context {
	parent, state := r.Header["Traceparent"], r.Header["Tracestate"]
	if len(parent) != 1 { // several are none (section 4.3)
		return r.Context()
	}
	carrier := propagation.HeaderCarrier{"Traceparent": parent}
	if all := strings.Join(state, ","); all != "" && Redact(all) == all {
		carrier["Tracestate"] = []string{all}
	}
	return propagation.TraceContext{}.Extract(r.Context(), carrier)
}

func begin(span trace.Span, r *http.Request, pattern string) {
	method := semconv.HTTPRequestMethodOther
	name := "HTTP" // what the conventions say of methods that are not known
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		method, name = semconv.HTTPRequestMethodKey.String(r.Method), r.Method
	}
	span.SetAttributes(method)
	span.SetName(name)
	routed(span, name, pattern)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") && pattern != "" {
		span.SetName(pattern[1:])
		span.SetAttributes(semconv.RPCSystemNameGRPC, semconv.RPCMethodKey.String(pattern[1:]))
	}
}

func routed(span trace.Span, method, pattern string) {
	if pattern != "" {
		span.SetAttributes(semconv.HTTPRoute(pattern))
		span.SetName(method + " " + pattern)
	}
}

// finish ends the span of a request. Next did not return when whole is false.
func finish(span trace.Span, a *answer, whole bool) {
	if a.status == 0 && whole {
		a.status = http.StatusOK // as net/http does
	}
	if id := a.Header().Get("X-Request-Id"); id != "" {
		span.SetAttributes(requestIDKey.String(id))
	}
	if a.status != 0 {
		span.SetAttributes(semconv.HTTPResponseStatusCode(a.status))
	}
	switch {
	case !whole:
		span.SetAttributes(semconv.ErrorTypeKey.String("aborted"))
		span.SetStatus(codes.Error, "")
	case a.status >= http.StatusInternalServerError:
		span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(a.status)))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// answer sees the status of an answer.
type answer struct {
	http.ResponseWriter
	status int // 0 until there is one
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= http.StatusOK { // those before are not the answer
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Flush implements http.Flusher, which gRPC asks for.
func (a *answer) Flush() {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	_ = http.NewResponseController(a.ResponseWriter).Flush() // a writer that cannot keeps nothing back either
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// Recording reports whether a span is made of what happens in ctx, so that what it would
// hold need not be put together otherwise.
func Recording(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// Routed tells the request's span the method, and the pattern by which the request is
// served, and whose key asks; "" for what there is not.
func Routed(ctx context.Context, method, pattern, keyID, workspaceID string) {
	span := trace.SpanFromContext(ctx)
	routed(span, method, pattern)
	noteIDs(span, keyID, workspaceID)
}

// Checked tells the request's span what came of the check of a key; "" for a key that
// nobody has.
func Checked(ctx context.Context, code, keyID, workspaceID string) {
	span := trace.SpanFromContext(ctx)
	span.SetAttributes(codeKey.String(code))
	noteIDs(span, keyID, workspaceID)
}

func noteIDs(span trace.Span, keyID, workspaceID string) {
	if keyID != "" {
		span.SetAttributes(keyIDKey.String(keyID))
	}
	if workspaceID != "" {
		span.SetAttributes(workspaceIDKey.String(workspaceID))
	}
}

// Call begins the span of a call of an engine. It is for where a request is Recording:
// what a node does by itself, such as a ping every 250 ms, would only hide the rest.
func (t *Tracing) Call(ctx context.Context, name string, attributes ...attribute.KeyValue) (context.Context, trace.Span) {
	return t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
}

// Transport sends requests by way of next, each in a span and with its traceparent. A nil
// Tracing gives next itself.
func (t *Tracing) Transport(next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return sender{t, next}
}

type sender struct {
	*Tracing
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper. The span ends with the answer's headers.
func (s sender) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := s.tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		semconv.HTTPRequestMethodKey.String(r.Method), semconv.ServerAddress(r.URL.Hostname()), semconv.ServerPort(portOf(r)),
	))
	defer span.End()
	r = r.Clone(ctx) // a RoundTripper changes no request of another's
	propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.Header))
	answer, err := s.next.RoundTrip(r)
	switch {
	case err != nil:
		span.SetAttributes(semconv.ErrorTypeKey.String("failed")) // the error's text names what was asked for
		span.SetStatus(codes.Error, "")
	default:
		span.SetAttributes(semconv.HTTPResponseStatusCode(answer.StatusCode))
		if answer.StatusCode >= http.StatusBadRequest {
			span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(answer.StatusCode)))
			span.SetStatus(codes.Error, "")
		}
	}
	return answer, err
}

func portOf(r *http.Request) int {
	if port, err := strconv.Atoi(r.URL.Port()); err == nil {
		return port
	}
	if r.URL.Scheme == "http" {
		return 80
	}
	return 443
}

// traced adds to each record which trace it belongs to.
type traced struct{ slog.Handler }

// Handle implements slog.Handler.
func (t traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return t.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (t traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (t traced) WithGroup(name string) slog.Handler { return traced{t.Handler.WithGroup(name)} }
