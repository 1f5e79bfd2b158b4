// Package telemetry is what the service tells its operator: a logger that cannot print a
// secret, a registry of metrics, spans of requests, and Go's profiles. Package otlp sends
// metrics and spans to a collector; package dbtrace makes the spans of the engines.
//
// Invariants: no API key, session token or bearer value leaves through the logger,
// wherever in a record it stands, because each line is cleaned as it is written; none
// leaves in a span, because what a span holds is chosen one by one; every metric's labels
// are bounded, so that no caller can grow the registry. Where tracing is off, a request
// passes nothing of it. A line that cannot be written is dropped, as log/slog does;
// nothing else fails.
package telemetry
