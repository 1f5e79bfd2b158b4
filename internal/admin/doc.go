// Package admin is the control plane: one use case per method of Service, each of
// which authorises its caller, makes the change and writes the audit row in one
// transaction of the Store. After the commit it has the changed keys dropped from
// every cache, and only then returns.
//
// Invariants: what a caller may do is judged inside the transaction of the change,
// by the membership or the calling key as it is there; nobody grants or reveals a
// scope that they could not use; a plaintext is in what a use case returns and,
// sealed under the caller's Idempotency-Key, in the stored answer, and nowhere else.
//
// When something fails before the commit nothing has changed. When the invalidation
// after it fails, the change stays and the caller gets CodeUnavailable, because the
// revocation bound is not given yet; asking again is harmless and invalidates again.
package admin
