package node

import "github.com/keypin/keypin/internal/keypin"

// Dialer is what a Node dials PostgreSQL with.
func Dialer(url keypin.Secret) (Dial, error) {
	dial, _, err := dialer(url, "database")
	return dial, err
}
