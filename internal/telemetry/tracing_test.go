package telemetry_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	apitrace "go.opentelemetry.io/otel/trace"

	"github.com/keypin/keypin/internal/telemetry"
)

const (
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	parentID    = "b7ad6b7169203331"
	traceparent = "00-" + traceID + "-" + parentID + "-01"
)

// tracing makes spans that are kept in the recorder when they end.
func tracing(options ...trace.TracerProviderOption) (*telemetry.Tracing, *tracetest.SpanRecorder) {
	kept := tracetest.NewSpanRecorder()
	return telemetry.NewTracing(trace.NewTracerProvider(append(options, trace.WithSpanProcessor(kept))...), "test"), kept
}

// only is the one span that ended.
func only(t *testing.T, kept *tracetest.SpanRecorder) trace.ReadOnlySpan {
	t.Helper()
	if spans := kept.Ended(); len(spans) == 1 {
		return spans[0]
	}
	t.Fatalf("%d spans ended, want 1", len(kept.Ended()))
	return nil
}

// written is all that a span tells, as text.
func written(span trace.ReadOnlySpan) string {
	var b strings.Builder
	fmt.Fprintln(&b, span.Name(), span.Status(), span.SpanContext().TraceState(), span.Events(), span.Links())
	for _, a := range span.Attributes() {
		fmt.Fprintf(&b, "%s=%s\n", a.Key, a.Value.String())
	}
	return b.String()
}

func attributesOf(span trace.ReadOnlySpan) map[attribute.Key]string {
	all := map[attribute.Key]string{}
	for _, a := range span.Attributes() {
		all[a.Key] = a.Value.String()
	}
	return all
}

func request(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(contractKey))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestASpanGoesOnWithTheCallersTrace(t *testing.T) {
	t.Parallel()
	tracing, kept := tracing()
	handler := tracing.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Request-Id", "req_1")
		telemetry.Routed(r.Context(), r.Method, "/api/v1/api-keys/{key_id}", "key", "workspace")
		w.WriteHeader(http.StatusServiceUnavailable)
	}), "")
	handler.ServeHTTP(httptest.NewRecorder(), request(http.MethodGet, "/api/v1/api-keys/1", "Traceparent: "+traceparent, "Tracestate: a=1", "Tracestate: b=2"))
	span := only(t, kept)
	if got := span.SpanContext().TraceID().String(); got != traceID {
		t.Errorf("the trace is %s", got)
	}
	if got := span.Parent(); got.SpanID().String() != parentID || !got.IsRemote() {
		t.Errorf("the parent is %v", got)
	}
	if got := span.SpanContext().TraceState().String(); got != "a=1,b=2" {
		t.Errorf("the state is %q", got)
	}
	if span.Name() != "GET /api/v1/api-keys/{key_id}" || span.SpanKind() != apitrace.SpanKindServer || span.Status().Code != codes.Error {
		t.Errorf("%s, %s, %v", span.Name(), span.SpanKind(), span.Status())
	}
	want := map[attribute.Key]string{
		"http.request.method": "GET", "http.route": "/api/v1/api-keys/{key_id}", "http.response.status_code": "503", "error.type": "503",
		"keypin.request_id": "req_1", "keypin.key_id": "key", "keypin.workspace_id": "workspace",
	}
	if got := attributesOf(span); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestATraceparentThatIsNoneBeginsATrace(t *testing.T) {
	t.Parallel()
	for _, headers := range [][]string{
		nil, {"Traceparent: "}, {"Traceparent: 00-" + strings.Repeat("0", 32) + "-" + parentID + "-01"}, {"Traceparent: ff" + traceparent[2:]},
		{"Traceparent: " + traceparent, "Traceparent: " + traceparent}, {"Traceparent: " + contractKey}, {"Tracestate: a=1"},
	} {
		tracing, kept := tracing()
		tracing.Handler(http.NotFoundHandler(), "/x").ServeHTTP(httptest.NewRecorder(), request(http.MethodGet, "/x", headers...))
		span := only(t, kept)
		if span.Parent().IsValid() || !span.SpanContext().IsValid() || span.SpanContext().TraceState().Len() > 0 {
			t.Errorf("%v: parent %v, state %v", headers, span.Parent(), span.SpanContext().TraceState())
		}
	}
}

func TestNoSecretIsInASpanWhereverItIsSent(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{contractKey, jwt, opaque} {
		tracing, kept := tracing()
		handler := tracing.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Said", secret)
			w.WriteHeader(http.StatusOK)
			_, _ = io.WriteString(w, secret)
		}), "/forward-auth")
		r := request(http.MethodPost, "/forward-auth?key="+secret, "Authorization: Bearer "+secret, "X-Api-Key: "+secret, "User-Agent: "+secret,
			"Traceparent: "+traceparent, "Cookie: a="+secret, "Baggage: a="+secret, "X-Request-Id: "+secret, "Content-Type: "+secret)
		if secret != opaque { // nothing tells it from what a tracestate is for
			r.Header.Set("Tracestate", "a="+secret)
		}
		r.Method, r.Host = secret, secret
		r.URL.Path = "/" + secret
		handler.ServeHTTP(httptest.NewRecorder(), r)
		if got := written(only(t, kept)); strings.Contains(got, secret) {
			t.Errorf("%q is in the span:\n%s", secret, got)
		}
	}
}

func TestTheStatusIsTheAnswersOwn(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]http.HandlerFunc{
		"200": func(http.ResponseWriter, *http.Request) {},
		"201": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusCreated)
			w.WriteHeader(http.StatusTeapot)
		},
		"204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"":    func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		tracing, kept := tracing()
		func() {
			defer func() { _ = recover() }()
			tracing.Handler(answer, "/x").ServeHTTP(httptest.NewRecorder(), request(http.MethodGet, "/x"))
		}()
		span := only(t, kept)
		if got := attributesOf(span)["http.response.status_code"]; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if failed := span.Status().Code == codes.Error; failed != (want == "") {
			t.Errorf("%q: the span's status is %v", want, span.Status())
		}
	}
}

func TestAStreamCanFlushAndHaveItsDeadlinesMoved(t *testing.T) {
	t.Parallel()
	tracing, kept := tracing()
	server := httptest.NewServer(tracing.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, direct := w.(http.Flusher)
		control := http.NewResponseController(w)
		if err := control.Flush(); err != nil || !direct {
			t.Errorf("flushing: %v, %v", err, direct)
		}
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
	}), "/x"))
	answer, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	server.Close()
	if got := attributesOf(only(t, kept))["http.response.status_code"]; got != "200" {
		t.Errorf("the status is %q", got)
	}
}

func TestARequestThatIsSentCarriesItsTrace(t *testing.T) {
	t.Parallel()
	var got []string
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Traceparent"))
		w.WriteHeader(http.StatusNotFound)
	}))
	defer issuer.Close()
	tracing, kept := tracing()
	client := &http.Client{Transport: tracing.Transport(http.DefaultTransport)}
	answer, err := client.Get(issuer.URL + "/jwks?key=" + contractKey)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	span := only(t, kept)
	want := fmt.Sprintf("00-%s-%s-01", span.SpanContext().TraceID(), span.SpanContext().SpanID())
	if !slices.Equal(got, []string{want}) {
		t.Errorf("sent %q, want %q", got, want)
	}
	if a := attributesOf(span); a["server.address"] != "127.0.0.1" || a["http.response.status_code"] != "404" || span.SpanKind() != apitrace.SpanKindClient {
		t.Errorf("%v %v", span.SpanKind(), a)
	}
	if strings.Contains(written(span), contractKey) {
		t.Errorf("the query is in the span: %s", written(span))
	}
	issuer.Close()
	if answer, err := client.Get(issuer.URL); err == nil {
		answer.Body.Close()
		t.Error("a closed issuer answers")
	}
	if spans := kept.Ended(); len(spans) != 2 || spans[1].Status().Code != codes.Error {
		t.Errorf("%d spans", len(spans))
	}
}

func TestWithoutTracingNothingStandsBetween(t *testing.T) {
	var off *telemetry.Tracing
	next := http.NewServeMux()
	if off.Handler(next, "/x") != http.Handler(next) {
		t.Error("a handler is wrapped")
	}
	if off.Transport(http.DefaultTransport) != http.DefaultTransport {
		t.Error("a transport is wrapped")
	}
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if telemetry.Recording(ctx) {
			t.Error("a span is recorded")
		}
	}); n != 0 {
		t.Errorf("asking whether there is a span allocates %v times", n)
	}
}

// unread is an answer that nobody reads.
type unread struct{ header http.Header }

func (u unread) Header() http.Header         { return u.header }
func (u unread) Write(b []byte) (int, error) { return len(b), nil }
func (u unread) WriteHeader(int)             {}

func TestARequestThatIsNotSampledCostsLittle(t *testing.T) {
	tracing, kept := tracing(trace.WithSampler(trace.NeverSample()))
	handler := tracing.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, wrapped := w.(interface{ Unwrap() http.ResponseWriter }); wrapped {
			t.Error("the answer is wrapped for nothing")
		}
	}), "/api/v1/api-keys/verify")
	r := request(http.MethodPost, "/api/v1/api-keys/verify")
	w := unread{http.Header{}}
	const measured = 3 // the span, its context, and the request that has it
	if n := testing.AllocsPerRun(1000, func() { handler.ServeHTTP(w, r) }); n > measured {
		t.Errorf("%v allocations, want at most %d", n, measured)
	}
	if len(kept.Ended()) > 0 {
		t.Error("spans were recorded")
	}
}

func TestALogLineNamesItsTrace(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		var b bytes.Buffer
		log, err := telemetry.NewLogger(&b, format, "info")
		if err != nil {
			t.Fatal(err)
		}
		tracing, kept := tracing()
		tracing.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			log.With(slog.String("a", "b")).InfoContext(r.Context(), "request")
		}), "/x").ServeHTTP(httptest.NewRecorder(), request(http.MethodGet, "/x", "Traceparent: "+traceparent))
		for _, want := range []string{traceID, only(t, kept).SpanContext().SpanID().String(), "trace_id", "span_id"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s: %q is not in %s", format, want, b.String())
			}
		}
		b.Reset()
		log.InfoContext(context.Background(), "by itself")
		if strings.Contains(b.String(), "trace_id") {
			t.Errorf("%s", b.String())
		}
	}
}

func BenchmarkHandler(b *testing.B) {
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	never, _ := tracing(trace.WithSampler(trace.NeverSample()))
	always := telemetry.NewTracing(trace.NewTracerProvider(), "test")
	var off *telemetry.Tracing
	for _, bench := range []struct {
		name    string
		tracing *telemetry.Tracing
	}{{"off", off}, {"not sampled", never}, {"sampled", always}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			handler := bench.tracing.Handler(next, "/api/v1/api-keys/verify")
			r := request(http.MethodPost, "/api/v1/api-keys/verify")
			w := unread{http.Header{}}
			for b.Loop() {
				handler.ServeHTTP(w, r)
			}
		})
	}
}

func TestProfilesAreServedWithoutTheCommandLine(t *testing.T) {
	t.Parallel()
	handler := telemetry.Profiles()
	for path, want := range map[string]int{
		"": http.StatusOK, "heap?debug=1": http.StatusOK, "goroutine?debug=2": http.StatusOK, "symbol": http.StatusOK,
		"cmdline": http.StatusNotFound, "nothing": http.StatusNotFound,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, telemetry.ProfilesPath+path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}
