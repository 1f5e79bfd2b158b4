// Package telemetry is what the service tells its operator: a logger that cannot
// print a secret, and a registry of metrics.
//
// Invariants: no API key, session token or bearer value leaves through the logger,
// wherever in a record it stands, because each line is cleaned as it is written;
// every metric's labels are bounded, so that no caller can grow the registry. A
// line that cannot be written is dropped, as log/slog does; nothing else fails.
package telemetry
