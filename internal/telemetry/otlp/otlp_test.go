package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/keypin/keypin/internal/telemetry"
	"github.com/keypin/keypin/internal/telemetry/otlp"
)

const (
	secret      = "op_live_0000000000000000000000000009BlC0"
	traceID     = "0af7651916cd43dd8448eb211c80319c"
	traceparent = "00-" + traceID + "-b7ad6b7169203331-01"
)

// collector keeps what is sent to it, by OTLP over HTTP and over gRPC.
type collector struct {
	tracepb.UnimplementedTraceServiceServer
	mu      sync.Mutex
	traces  []*tracepb.ExportTraceServiceRequest
	metrics []*metricspb.ExportMetricsServiceRequest
	headers http.Header
	status  int // answered to all; 0 = 200
}

// metricService is the same collector, for the other service's method of the same name.
type metricService struct {
	metricspb.UnimplementedMetricsServiceServer
	*collector
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.status != 0 {
		w.WriteHeader(c.status)
		return
	}
	c.headers = r.Header
	body, _ := io.ReadAll(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(bytes.NewReader(body))
		if err == nil {
			body, _ = io.ReadAll(unzipped)
		}
	}
	switch r.URL.Path {
	case "/v1/traces":
		m := &tracepb.ExportTraceServiceRequest{}
		if proto.Unmarshal(body, m) == nil {
			c.traces = append(c.traces, m)
		}
	case "/v1/metrics":
		m := &metricspb.ExportMetricsServiceRequest{}
		if proto.Unmarshal(body, m) == nil {
			c.metrics = append(c.metrics, m)
		}
	}
}

func (c *collector) Export(_ context.Context, m *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.traces = append(c.traces, m)
	return &tracepb.ExportTraceServiceResponse{}, nil
}

func (s metricService) Export(_ context.Context, m *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metrics = append(s.metrics, m)
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

// spans are those that came, by name.
func (c *collector) spans() map[string]*spanpb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]*spanpb.Span{}
	for _, request := range c.traces {
		for _, of := range request.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				for _, span := range scope.Spans {
					all[span.Name] = span
				}
			}
		}
	}
	return all
}

// figures are the names of the metrics that came.
func (c *collector) figures() map[string]bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]bool{}
	for _, request := range c.metrics {
		for _, of := range request.ResourceMetrics {
			for _, scope := range of.ScopeMetrics {
				for _, metric := range scope.Metrics {
					all[metric.Name] = true
				}
			}
		}
	}
	return all
}

func (c *collector) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprint(c.traces, c.metrics, c.headers)
}

// environment sets the variables, and no other of OpenTelemetry's.
func environment(t *testing.T, pairs ...string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, "")
		}
	}
	for _, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
}

// begin starts an export, and a handler of one route that it traces.
func begin(t *testing.T, log io.Writer) (*otlp.Export, http.Handler) {
	t.Helper()
	logger, err := telemetry.NewLogger(log, "json", "debug")
	if err != nil {
		t.Fatal(err)
	}
	metrics := telemetry.NewMetrics("1.2.3")
	metrics.Door("verify")("valid", time.Millisecond)
	e, err := otlp.Start(t.Context(), otlp.Options{Metrics: metrics, Version: "1.2.3", Clock: time.Now, Random: rand.Reader, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return e, e.Tracing().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}), "/forward-auth")
}

func ask(handler http.Handler, headers ...string) {
	r := httptest.NewRequest(http.MethodGet, "/forward-auth?key="+secret, strings.NewReader(secret))
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	handler.ServeHTTP(httptest.NewRecorder(), r)
}

// wantBoth checks what a collector got of one request.
func wantBoth(t *testing.T, c *collector) {
	t.Helper()
	span := c.spans()["GET /forward-auth"]
	if span == nil || fmt.Sprintf("%x", span.TraceId) != traceID || span.Kind != spanpb.Span_SPAN_KIND_SERVER {
		t.Fatalf("the collector got %v", c.spans())
	}
	for _, name := range []string{"keypin_build_info", "keypin_verifications_total", "keypin_verification_seconds", "go_goroutines"} {
		if !c.figures()[name] {
			t.Errorf("the collector lacks %s; it has %v", name, c.figures())
		}
	}
	about := map[string]string{}
	for _, resource := range [][]*commonpb.KeyValue{c.traces[0].ResourceSpans[0].Resource.Attributes, c.metrics[0].ResourceMetrics[0].Resource.Attributes} {
		for _, a := range resource {
			about[a.Key] = a.Value.GetStringValue()
		}
		if about["service.name"] != "keys" || about["service.version"] != "1.2.3" || about["region"] != "eu 1" || len(about["service.instance.id"]) != 36 || about["host.name"] == "" {
			t.Errorf("the resource is %v", about)
		}
	}
	if strings.Contains(c.text(), secret) {
		t.Errorf("the collector got the secret: %s", c.text())
	}
}

func TestTracesAndMetricsReachACollectorByHTTP(t *testing.T) {
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL, "OTEL_SERVICE_NAME=keys", "OTEL_RESOURCE_ATTRIBUTES=region=eu%201",
		"OTEL_EXPORTER_OTLP_HEADERS=x-tenant=a%20b", "OTEL_EXPORTER_OTLP_COMPRESSION=gzip")
	log := &bytes.Buffer{}
	e, handler := begin(t, log)
	ask(handler, "Traceparent: "+traceparent, "Authorization: Bearer "+secret)
	e.Close()
	wantBoth(t, c)
	if got := c.headers.Get("X-Tenant"); got != "a b" {
		t.Errorf("the header is %q", got)
	}
	if log.Len() > 0 {
		t.Errorf("logged %s", log)
	}
}

func TestTracesAndMetricsReachACollectorByGRPC(t *testing.T) {
	c := &collector{}
	server := grpc.NewServer()
	tracepb.RegisterTraceServiceServer(server, c)
	metricspb.RegisterMetricsServiceServer(server, metricService{collector: c})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+listener.Addr().String(), "OTEL_EXPORTER_OTLP_PROTOCOL=grpc",
		"OTEL_SERVICE_NAME=keys", "OTEL_RESOURCE_ATTRIBUTES=region=eu%201")
	e, handler := begin(t, io.Discard)
	ask(handler, "Traceparent: "+traceparent, "Authorization: Bearer "+secret)
	e.Close()
	wantBoth(t, c)
}

func TestWhatIsNotSampledIsNotSent(t *testing.T) {
	c := &collector{}
	server := httptest.NewServer(c)
	defer server.Close()
	for sampler, sent := range map[string]bool{
		"OTEL_TRACES_SAMPLER=always_off": false, "OTEL_TRACES_SAMPLER=always_on": true, "OTEL_TRACES_SAMPLER=": false, "OTEL_TRACES_SAMPLER=traceidratio": true,
	} {
		environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL, "OTEL_METRICS_EXPORTER=none", "OTEL_TRACES_SAMPLER_ARG=", sampler)
		c.traces = nil
		e, handler := begin(t, io.Discard)
		ask(handler, "Traceparent: "+traceparent[:len(traceparent)-2]+"00") // the caller does not sample
		e.Close()
		if got := len(c.spans()) > 0; got != sent {
			t.Errorf("%s: sent is %v", sampler, got)
		}
	}
	if len(c.figures()) > 0 {
		t.Error("metrics were sent, which were turned off")
	}
}

func TestItIsOffUnlessItIsAskedFor(t *testing.T) {
	for _, variables := range [][]string{
		nil, {"OTEL_SERVICE_NAME=keys"}, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_SDK_DISABLED=true"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_TRACES_EXPORTER=none", "OTEL_METRICS_EXPORTER=none"},
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://127.0.0.1:1", "OTEL_METRICS_EXPORTER=none"},
	} {
		environment(t, variables...)
		e, handler := begin(t, io.Discard)
		if e.Tracing() != nil {
			t.Errorf("%v: traces are made", variables)
		}
		ask(handler)
		e.Close()
	}
}

func TestACollectorThatFailsFailsNoRequest(t *testing.T) {
	refusing := httptest.NewServer(&collector{status: http.StatusBadRequest})
	defer refusing.Close()
	for _, endpoint := range []string{refusing.URL, "http://127.0.0.1:1"} {
		environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20"+secret)
		log := &locked{}
		e, handler := begin(t, log)
		ask(handler)
		began := time.Now()
		e.Close()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: closing took %s", endpoint, took)
		}
		if !strings.Contains(log.String(), "could not be sent") || strings.Contains(log.String(), secret) {
			t.Errorf("%s: logged %s", endpoint, log)
		}
	}
}

func TestAWrongVariableIsRefusedByItsName(t *testing.T) {
	logger, err := telemetry.NewLogger(io.Discard, "json", "debug")
	if err != nil {
		t.Fatal(err)
	}
	for variable, remedy := range map[string]string{
		"OTEL_TRACES_EXPORTER=jaeger":                             "must be otlp or none",
		"OTEL_METRICS_EXPORTER=prometheus":                        "must be otlp or none",
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/json":                   "must be http/protobuf or grpc",
		"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=udp":                 "must be http/protobuf or grpc",
		"OTEL_EXPORTER_OTLP_ENDPOINT=collector:4317":              "must be a URL such as http://collector:4318",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://u:pass%zz@":    "must be a URL such as http://collector:4318",
		"OTEL_EXPORTER_OTLP_HEADERS=authorization pass":           "must be name=value pairs",
		"OTEL_EXPORTER_OTLP_TRACES_HEADERS=authorization=pass%zz": "must be name=value pairs",
		"OTEL_RESOURCE_ATTRIBUTES=pass":                           "must be name=value pairs",
		"OTEL_TRACES_SAMPLER=sometimes":                           "must be always_on",
		"OTEL_TRACES_SAMPLER_ARG=2":                               "must be a number from 0 to 1",
		"OTEL_TRACES_SAMPLER_ARG=NaN":                             "must be a number from 0 to 1",
	} {
		environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_TRACES_SAMPLER=traceidratio", variable)
		_, err := otlp.Start(t.Context(), otlp.Options{Metrics: telemetry.NewMetrics(""), Clock: time.Now, Random: rand.Reader, Logger: logger})
		name, _, _ := strings.Cut(variable, "=")
		if err == nil || !strings.HasPrefix(err.Error(), name+": "+remedy) || strings.Contains(err.Error(), "pass") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", variable, err)
		}
		for _, pair := range os.Environ() { // as it was
			if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "OTEL_") {
				t.Setenv(name, "")
			}
		}
	}
}

func TestClosingWaitsForNoCollectorThatHangs(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	environment(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+server.URL)
	log := &locked{}
	logger, err := telemetry.NewLogger(log, "json", "info")
	if err != nil {
		t.Fatal(err)
	}
	e, err := otlp.Start(t.Context(), otlp.Options{Metrics: telemetry.NewMetrics(""), Clock: time.Now, Random: rand.Reader, Logger: logger, FlushWithin: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ask(e.Tracing().Handler(http.NotFoundHandler(), "/x"))
	began := time.Now()
	e.Close()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("closing took %s", took)
	}
	if !strings.Contains(log.String(), "could not be sent") {
		t.Errorf("logged %s", log)
	}
}

// locked is a log that is written to while it is read.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
