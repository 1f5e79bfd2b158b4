// Package nodes runs Keypin on many nodes on this machine: PostgreSQL and Redis of
// package engines, nodes of the built program that share them and one local issuer's
// key, and nginx in front. It is what `make cluster`, the chaos test and the benchmarks
// of many nodes stand on.
//
// Everything lies below one folder and listens on the loopback address; Stop ends and
// removes all of it.
package nodes
