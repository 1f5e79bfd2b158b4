package authn

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// maxRecent bounds the tokens that are remembered: about 8 MB.
const maxRecent = 1 << 13

// recent remembers tokens that were verified, by their hash, because a session
// sends the same one with every request and a signature takes a tenth of a
// millisecond. What can change between two requests is judged each time: the clock,
// and the issuer's keys, any change of which forgets what they had signed.
type recent struct {
	mu     sync.Mutex
	tokens map[[sha256.Size]byte]verified
}

// verified is what a token said.
type verified struct {
	identity *keypin.Identity // shared; nobody changes it
	issuer   string
	keys     *keySet // that held the key which signed it
	from     time.Time
	until    time.Time
}

// find is the identity that the token was verified to be of, nil when that is not
// known, or not certain any more.
func (r *recent) find(hash [sha256.Size]byte, now time.Time, current func(issuer string) *keySet) *keypin.Identity {
	r.mu.Lock()
	v, ok := r.tokens[hash]
	r.mu.Unlock()
	if !ok || now.Before(v.from) || !now.Before(v.until) || current(v.issuer) != v.keys {
		return nil
	}
	return v.identity
}

// add remembers a token. A full memory forgets an arbitrary eighth, which costs
// those sessions one verification.
func (r *recent) add(hash [sha256.Size]byte, v verified) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tokens == nil {
		r.tokens = map[[sha256.Size]byte]verified{}
	}
	if len(r.tokens) >= maxRecent {
		forget := maxRecent / 8
		for h := range r.tokens {
			if forget--; forget < 0 {
				break
			}
			delete(r.tokens, h)
		}
	}
	r.tokens[hash] = v
}
