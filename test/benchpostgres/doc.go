// Command benchpostgres measures the program on PostgreSQL: its management calls beside
// bare inserts, a workspace of ten million keys beside one of ten thousand, and a move of
// a million keys from SQLite. It writes all of it into docs/benchmarks.md. Run it in the
// project's folder, after scripts/install.sh:
//
//	go run ./test/benchpostgres
//
// PostgreSQL has the settings of a new server, the durable ones among them.
package main
