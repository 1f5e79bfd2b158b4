// Package otlp sends traces and metrics to a collector, by the OpenTelemetry protocol.
//
// OpenTelemetry's own environment variables configure it, and nothing else does. Without
// an endpoint or an exporter among them it does nothing. A variable that is wrong is
// refused at the start, by its name; its value, which may hold a password, is not
// repeated. From then on nothing fails for the collector's sake: what cannot be sent is
// logged and dropped, and no request waits for it.
package otlp
