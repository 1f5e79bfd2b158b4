// Package engines starts the real PostgreSQL, PgBouncer and Redis for tests, benchmarks
// and the cluster on one machine: each in a folder of its own, on a free port of the
// loopback address, ended and removed by Stop. The programs come with
// scripts/install.sh.
package engines
