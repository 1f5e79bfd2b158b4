// Command bench measures the program as it is shipped, over HTTP, next to something
// that is known, and writes the ratios into docs/benchmarks.md. Run it in the
// project's folder:
//
//	go run ./test/bench
//
// What is compared is measured in turns, many short ones, so that a slower moment of
// the machine meets both sides; a figure is the median of the turns, a ratio the
// median of the ratios within a turn.
package main
