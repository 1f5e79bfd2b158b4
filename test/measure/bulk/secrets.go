package bulk

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/keypin/keypin/internal/token"
)

// Prefix is what all the keys begin with, so that all have the same length.
const Prefix = "op_live"

// BlockSize is how many keys a block of secrets holds.
const BlockSize = 1000

// Stream is a sequence of secrets. Two streams share none.
type Stream byte

// The streams.
const (
	Stored  Stream = 1 // the keys that Fill stores
	Unknown Stream = 2 // keys of the right form that no database holds
)

// Block makes the plaintexts of a block, the same ones each time. They are as good as
// public: they are for measuring only.
func (s Stream) Block(block int) ([]string, error) {
	var seed [32]byte
	seed[0] = byte(s)
	binary.BigEndian.PutUint64(seed[8:], uint64(block))
	random := rand.NewChaCha8(seed)
	secrets := make([]string, BlockSize)
	for i := range secrets {
		secret, err := token.New(Prefix, random)
		if err != nil {
			return nil, err
		}
		secrets[i] = secret.Reveal()
	}
	return secrets, nil
}
