// Command benchcli measures how soon the keypin command is there, beside the program
// true and beside a Go program that does nothing, and writes the ratios into
// docs/benchmarks.md. Run it in the project's folder:
//
//	go run ./test/benchcli
//
// The programs are started in turns, so that a slower moment of the machine meets all.
package main
