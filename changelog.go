// Package keypin holds what lies in the repository's root and the program shows: the
// changelog, which is a page of its documentation.
package keypin

import _ "embed" // the file below

// Changelog is CHANGELOG.md.
//
//go:embed CHANGELOG.md
var Changelog []byte
