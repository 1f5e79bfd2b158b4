package bulk

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Keys are what is stored: all usable, in one workspace, made a second after one another.
type Keys struct {
	Workspace, User keypin.ID // which must be there
	N               int       // a multiple of BlockSize
	// RateLimit is each key's limit per minute; 0 = none.
	RateLimit int
}

// row is what differs from key to key.
type row struct {
	id                     keypin.ID
	name, suffix, metadata string
	hash                   [sha256.Size]byte
	at                     time.Time
}

// rows makes the rows from … to, of which from begins a block.
func (k Keys) rows(from, to int) iter.Seq2[row, error] {
	// The first key is as many seconds old as there are keys.
	first := keypin.Timestamp(time.Now().Add(-time.Duration(k.N) * time.Second))
	random := rand.NewChaCha8([32]byte{byte(from), byte(from >> 8), byte(from >> 16), byte(from >> 24)})
	return func(yield func(row, error) bool) {
		var secrets []string
		for i := from; i < to; i++ {
			var err error
			if i%BlockSize == 0 {
				if secrets, err = Stored.Block(i / BlockSize); err != nil {
					yield(row{}, err)
					return
				}
			}
			secret := secrets[i%BlockSize]
			r := row{
				name: fmt.Sprintf("%s %08d", team(i), i), suffix: secret[len(secret)-6:], metadata: metadata(i),
				hash: sha256.Sum256([]byte(secret)), at: first.Add(time.Duration(i) * time.Second),
			}
			if r.id, err = keypin.NewID(r.at, random); !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func (k Keys) limit() any {
	if k.RateLimit == 0 {
		return nil
	}
	return k.RateLimit
}

func team(i int) string {
	return [...]string{"checkout", "billing", "search", "deploy", "mobile", "partners", "support", "analytics", "mail", "internal"}[i%10]
}

func metadata(i int) string {
	return `{"environment":"production","team":"` + team(i) + `"}`
}
