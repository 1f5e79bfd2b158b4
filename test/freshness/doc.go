// Package freshness looks for one acceptance past the bound. Its tests simulate a
// PostgreSQL with or without a standby, the network, and nodes with the real
// internal/store/postgres/node and the real verify.Cache, on a clock that costs nothing,
// with random delays, stalls, breaks, steps of clocks and failovers.
package freshness
