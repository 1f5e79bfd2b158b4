// Package cli is the keypin command. The commands that run the service are here: they
// read arguments and the environment, and hand over to package app. Those that work with
// a service are in package console; profile knows which service and as whom, ask puts
// questions, show and problem are how it looks, manual describes it all.
//
// Invariants: standard output holds what was asked for and nothing else; errors go
// to standard error and say what happened, which setting or flag it was, and what to
// do. The exit code is 0 when it worked, 1 when it failed, 2 when the command line
// was wrong, 4 when one is not signed in or not allowed, 130 after Ctrl-C.
package cli
