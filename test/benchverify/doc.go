// Command benchverify measures what it costs to ask whether a key is good, next to a
// bare handler that answers the same bytes without looking, and to another product
// that answers the same question. It writes the ratios into docs/benchmarks.md. Run it
// in the project's folder, after scripts/install-bench.sh:
//
//	go run ./test/benchverify
//
// The load comes from wrk. It sends requests that were made before the clock ran, the
// same way to everybody, and looks at no answer but for its status: whatever it did
// more would be time that both sides of a ratio spend, and would bring them closer to
// one another. That every answer was the right one is told by the service's own
// counters instead, before and after each turn.
package main
