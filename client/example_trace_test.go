package client_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/keypin/keypin/client"
)

// Calls are part of the caller's trace when the HTTP client carries it on, as
// OpenTelemetry's otelhttp does.
func ExampleWithHTTPClient_trace() {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("Traceparent"))
		_, _ = w.Write([]byte(`{"data": {"auth_kind": "api_key"}}`))
	}))
	defer service.Close()

	traced := &http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport, otelhttp.WithPropagators(propagation.TraceContext{}))}
	keypin, err := client.New(service.URL, client.WithToken("a-session-token-or-an-api-key"), client.WithHTTPClient(traced))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{ // your own span's
		TraceID: trace.TraceID{0x0a, 0xf7}, SpanID: trace.SpanID{0xb7}, TraceFlags: trace.FlagsSampled,
	}))
	if _, err := keypin.WhoAmI(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: 00-0af70000000000000000000000000000-b700000000000000-01
}
