package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/keypin/keypin/internal/httpapi"
	"github.com/keypin/keypin/internal/keypin"
)

// collector keeps the spans that are sent to it by OTLP over HTTP.
type collector struct {
	mu    sync.Mutex
	spans []*spanpb.Span
	text  strings.Builder
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	c.text.Write(body)
	sent := &tracepb.ExportTraceServiceRequest{}
	if r.URL.Path != "/v1/traces" || proto.Unmarshal(body, sent) != nil {
		return
	}
	for _, of := range sent.ResourceSpans {
		for _, scope := range of.ScopeSpans {
			c.spans = append(c.spans, scope.Spans...)
		}
	}
}

// of gives the span of the trace.
func (c *collector) of(trace string) *spanpb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, span := range c.spans {
		if fmt.Sprintf("%x", span.TraceId) == trace {
			return span
		}
	}
	return nil
}

func TestEveryDoorGoesOnWithItsCallersTrace(t *testing.T) {
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	settings := testConfig(t)
	s := start(t, settings)
	session := mint(t, settings)
	bearer := "Authorization: Bearer " + session
	path, plaintext := makeKey(t, s, session)
	const unknown = "op_live_0000000000000000000000000009BlC0"

	trace := func(n int) (id, header string) {
		id = fmt.Sprintf("%032x", n)
		return id, "Traceparent: 00-" + id + "-b7ad6b7169203331-01"
	}
	type told struct{ name, code, status string }
	want := map[int]told{
		1: {"GET /api/v1/api-keys/{key_id}", "", "200"},
		2: {"POST /api/v1/api-keys/verify", "valid", "200"},
		3: {"GET /forward-auth", "valid", "200"},
		4: {"envoy.service.auth.v3.Authorization/Check", "valid", "200"},
		5: {"GET /forward-auth", "not_found", "401"},
		6: {"GET", "", "404"},
		7: {"POST /api/v1/api-keys/verify", "valid", "200"},
	}
	with := func(n int) string { _, header := trace(n); return header }
	ask(t, http.MethodGet, s.PublicAddr(), path, "", bearer, with(1))
	ask(t, http.MethodPost, s.DataAddr(), httpapi.VerifyPath, `{"key":"`+plaintext+`"}`, with(2))
	ask(t, http.MethodGet, s.DataAddr(), "/forward-auth", "", "X-API-Key: "+plaintext, with(3))
	_, header := trace(4)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", strings.TrimPrefix(header, "Traceparent: "))
	if _, err := envoy(t, s.DataAddr()).Check(ctx, about(plaintext)); err != nil {
		t.Fatal(err)
	}
	ask(t, http.MethodGet, s.DataAddr(), "/forward-auth", "", "X-API-Key: "+unknown, "Cookie: a="+session, with(5))
	ask(t, http.MethodGet, s.PublicAddr(), "/"+plaintext+"?key="+session, "", bearer, "Tracestate: a="+plaintext, "X-Request-Id: "+plaintext, with(6))
	ask(t, http.MethodPost, s.PublicAddr(), httpapi.VerifyPath, `{"key":"`+plaintext+`"}`, bearer, with(7))
	s.stop()
	if err := s.end(t); err != nil {
		t.Fatal(err)
	}

	for n, w := range want {
		id, _ := trace(n)
		span := c.of(id)
		if span == nil {
			t.Errorf("%d: no span of %s arrived", n, w.name)
			continue
		}
		got := map[string]string{}
		for _, a := range span.Attributes {
			got[a.Key] = a.Value.GetStringValue()
			if a.Value.GetIntValue() != 0 {
				got[a.Key] = fmt.Sprint(a.Value.GetIntValue())
			}
		}
		if span.Name != w.name || got["keypin.code"] != w.code || got["http.response.status_code"] != w.status || fmt.Sprintf("%x", span.ParentSpanId) != "b7ad6b7169203331" {
			t.Errorf("%d: got %s %v, want %v", n, span.Name, got, w)
		}
		if w.code == "valid" && (got["keypin.key_id"] != strings.TrimPrefix(path, "/api/v1/api-keys/") || len(got["keypin.workspace_id"]) != 36) {
			t.Errorf("%d: the key is not told: %v", n, got)
		}
		if !strings.HasPrefix(got["keypin.request_id"], "req_") && n != 4 {
			t.Errorf("%d: the request is not told: %v", n, got)
		}
	}
	if id, _ := trace(1); !strings.Contains(s.log.String(), `"trace_id":"`+id) {
		t.Errorf("no log line names its trace:\n%s", s.log)
	}
	for _, secret := range []string{plaintext, session, unknown} {
		if strings.Contains(c.text.String(), secret) || strings.Contains(s.log.String(), secret) {
			t.Errorf("%q was sent to the collector, or logged", secret)
		}
	}
}

func TestAWrongVariableOfOpenTelemetryIsRefused(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector")
	a, err := New(t.Context(), testConfig(t), testOptions(t, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_ENDPOINT: must be a URL") {
		t.Errorf("got %v", err)
	}
}

func TestProfilesAreServedWhenAskedForAndOnlyWithTheToken(t *testing.T) {
	t.Parallel()
	settings := testConfig(t)
	settings.DataToken = keypin.NewSecret(testToken)
	off := start(t, settings)
	bearer := "Authorization: Bearer " + testToken
	if got := ask(t, http.MethodGet, off.DataAddr(), "/debug/pprof/heap", "", bearer); got.status != http.StatusNotFound || got.code() != "not_found" {
		t.Errorf("not asked for: %d %s", got.status, got.body)
	}
	settings = testConfig(t)
	settings.DataToken, settings.Pprof = keypin.NewSecret(testToken), true
	on := start(t, settings)
	for _, c := range []struct {
		path, header string
		status       int
	}{
		{"heap", bearer, http.StatusOK}, {"", bearer, http.StatusOK}, {"profile?seconds=1", bearer, http.StatusOK},
		{"heap", "X-Other: 1", http.StatusUnauthorized}, {"", "X-Other: 1", http.StatusUnauthorized}, {"cmdline", bearer, http.StatusNotFound},
	} {
		if got := ask(t, http.MethodGet, on.DataAddr(), "/debug/pprof/"+c.path, "", c.header); got.status != c.status {
			t.Errorf("%s: %d, want %d: %.200s", c.path, got.status, c.status, got.body)
		}
	}
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		if got := ask(t, http.MethodGet, on.PublicAddr(), path, ""); got.status != http.StatusNotFound {
			t.Errorf("the public listener answers %s with %d", path, got.status)
		}
	}
}
