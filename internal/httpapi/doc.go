// Package httpapi is the wire: the operations under /api/v1, the probes and the
// OpenAPI document. It parses a request into what the use cases take, and turns
// what they answer, or the one domain error, into the one envelope.
//
// Invariants:
//   - Every answer carries its request id, in the header and in the body's meta.
//   - Nothing that a caller sent comes back in an error: huma's error model, which
//     would echo the offending value, is replaced.
//   - All faults of a request are answered together. Bodies are decoded by this
//     package, not by huma, because duplicate names, unknown fields and the
//     difference between null and absent matter here (see docs/adr/0007).
//   - A panic becomes a 500 and a log line, and takes no other request with it.
package httpapi
