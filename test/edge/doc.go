// Package edge tests the Go client's Guard against the real data listener's handlers, in
// simulated time, with a network between them that stalls, breaks, reorders and repeats:
// the two promises hold, and its decisions are the service's.
package edge
