// Package cli is the keypin command: it reads arguments and the environment, and
// hands over to package app.
//
// Invariants: standard output holds what was asked for and nothing else; errors go
// to standard error and say what happened, which setting or flag it was, and what to
// do. The exit code is 0 when it worked, 1 when it failed, 2 when the command line
// was wrong; only the last points at --help.
package cli
