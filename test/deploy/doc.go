// Package deploy tests what operators are told to do to PostgreSQL, on a real one. The
// files that deploy Keypin are tested in Python, beside it.
package deploy
