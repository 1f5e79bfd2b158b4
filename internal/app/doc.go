// Package app is the composition root: it joins the adapters to the ports, runs
// the two listeners, and ends both in good order. The command and the end-to-end
// tests start the same App.
//
// Invariants: nothing listens with a configuration that is not valid; /ready turns
// 503 before a listener closes; the store is closed after the last request that
// uses it and after the pending uses of keys are written. What fails on the way down
// does not keep the rest from being closed: all errors are returned together.
package app
