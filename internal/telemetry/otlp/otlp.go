package otlp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
)

// flushWithin bounds what Close waits for, by default.
const flushWithin = 5 * time.Second

// Options are what Start needs. Every field without a default is needed.
type Options struct {
	Metrics *telemetry.Metrics
	Version string
	Clock   keypin.Clock
	Random  io.Reader
	Logger  *slog.Logger
	// FlushWithin bounds what Close waits for; 0 = 5 s.
	FlushWithin time.Duration
}

// Export sends traces and metrics until it is closed.
type Export struct {
	logger  *slog.Logger
	within  time.Duration
	traces  *trace.TracerProvider // nil = off
	metrics *metric.MeterProvider // nil = off
	tracing *telemetry.Tracing    // nil = off
}

// Start begins to send what the environment says. It waits for no collector. The error
// names the variable that is wrong.
func Start(ctx context.Context, o Options) (*Export, error) {
	e := &Export{logger: o.Logger, within: cmp.Or(o.FlushWithin, flushWithin)}
	s, err := read()
	if err != nil {
		return nil, err
	}
	if !s.on() {
		return e, nil
	}
	// The SDK knows no other way to tell of errors than one for the whole process.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		o.Logger.Warn("traces or metrics could not be sent; they are dropped", slog.String("error", err.Error()))
	}))
	otel.SetLogger(logr.FromSlogHandler(wordless{o.Logger.Handler()}))
	id, err := keypin.NewID(o.Clock(), o.Random)
	if err != nil {
		return nil, fmt.Errorf("making an id for this process: %w", err)
	}
	// What comes later wins, so the operator's words do.
	about, err := resource.New(ctx,
		resource.WithSchemaURL(semconv.SchemaURL),
		resource.WithAttributes(semconv.ServiceName("keypin"), semconv.ServiceVersion(o.Version), semconv.ServiceInstanceID(id.String())),
		resource.WithHost(), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) && !errors.Is(err, resource.ErrSchemaURLConflict) {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: must be name=value pairs, percent-encoded, separated by commas: %w", err)
	}
	if s.traces != "" {
		exporter, err := s.spanExporter(ctx)
		if err != nil {
			return nil, fmt.Errorf("the exporter of traces (OTEL_EXPORTER_OTLP_*): %w", err)
		}
		e.traces = trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(about))
		e.tracing = telemetry.NewTracing(e.traces, o.Version)
	}
	if s.metrics != "" {
		exporter, err := s.metricExporter(ctx)
		if err != nil {
			e.Close()
			return nil, fmt.Errorf("the exporter of metrics (OTEL_EXPORTER_OTLP_*): %w", err)
		}
		from := bridge.NewMetricProducer(bridge.WithGatherer(o.Metrics.Gatherer()))
		e.metrics = metric.NewMeterProvider(metric.WithResource(about), metric.WithReader(metric.NewPeriodicReader(exporter, metric.WithProducer(from))))
	}
	return e, nil
}

// Tracing makes the spans that are sent; nil when no traces are.
func (e *Export) Tracing() *telemetry.Tracing { return e.tracing }

// Close sends what is left, within Options.FlushWithin. What cannot be sent by then is dropped, and
// logged.
func (e *Export) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), e.within)
	defer cancel()
	done := make(chan error, 2) // both at once, so that one does not take the other's time
	go func() {
		if e.traces == nil {
			done <- nil
			return
		}
		done <- e.traces.Shutdown(ctx)
	}()
	go func() {
		if e.metrics == nil {
			done <- nil
			return
		}
		done <- e.metrics.Shutdown(ctx)
	}()
	if err := errors.Join(<-done, <-done); err != nil {
		e.logger.Warn("the last traces or metrics could not be sent", slog.String("error", err.Error()))
	}
}

func (s *settings) spanExporter(ctx context.Context) (trace.SpanExporter, error) {
	if s.traces == protocolGRPC {
		return otlptracegrpc.New(ctx)
	}
	return otlptracehttp.New(ctx)
}

func (s *settings) metricExporter(ctx context.Context) (metric.Exporter, error) {
	if s.metrics == protocolGRPC {
		return otlpmetricgrpc.New(ctx)
	}
	return otlpmetrichttp.New(ctx)
}

// wordless drops the attributes of the SDK's own log lines: they repeat variables, such
// as OTEL_EXPORTER_OTLP_HEADERS with its passwords.
type wordless struct{ slog.Handler }

// Enabled implements slog.Handler. The SDK's warnings come as 1 below the level of
// information, and what is less as 4 below it and more.
func (w wordless) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo-1 && w.Handler.Enabled(ctx, slog.LevelWarn)
}

// Handle implements slog.Handler.
func (w wordless) Handle(ctx context.Context, r slog.Record) error {
	return w.Handler.Handle(ctx, slog.NewRecord(r.Time, slog.LevelWarn, "opentelemetry: "+r.Message, r.PC))
}

// WithAttrs implements slog.Handler.
func (w wordless) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup implements slog.Handler.
func (w wordless) WithGroup(string) slog.Handler { return w }
