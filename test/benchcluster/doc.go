// Command benchcluster measures Keypin on many nodes: what a verification costs when
// there are more of them, how soon a revocation holds on all, how often Redis is asked,
// and whether a limit is kept, neither more nor less. It writes what it finds into
// docs/benchmarks.md. Run it in the project's folder, after scripts/install.sh:
//
//	go run ./test/benchcluster
//
// PostgreSQL, Redis, three nodes and the client run on one machine. The client looks at
// every answer. It sends at times that were fixed before, so that a slow answer does
// not lower the load.
package main
