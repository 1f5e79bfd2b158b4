// Package gateway is the data listener's doors for proxies and for caches at the edge:
// forward-auth over HTTP, Envoy's ext_authz over gRPC, the stream of what to forget,
// and the reports of what an edge let through. It asks verify and decides nothing.
//
// Invariants:
//   - What cannot be checked is refused: 503, never a guess.
//   - A scope that does not exist is the operator's mistake, told as 422 by its place
//     in the request; it lets nobody in.
//   - The key does not go on to the service behind: ext_authz has the proxy remove it,
//     forward-auth's examples in docs/examples do.
//   - A stream tells a change before the change is answered, or ends.
package gateway
