package token

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/keypin/keypin/internal/keypin"
)

// SecretLength is the number of characters behind the prefix and its underscore.
const SecretLength = randomLength + checksumLength

const (
	randomLength   = 26 // 26 × log2(62) = 154 bits
	checksumLength = 6  // 62⁶ > 2³²
	suffixLength   = 6  // of APIKey.Suffix

	minPrefix = 2
	maxPrefix = 48 // 16 + 2 × (1 + 15)
	maxKey    = maxPrefix + 1 + SecretLength

	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// New makes a key with the prefix, which keypin.ParseKeyPrefix must accept, of 154
// bits of random. It fails when the prefix is not right or random fails.
func New(prefix string, random io.Reader) (keypin.Secret, error) {
	if !validPrefix(prefix) {
		return keypin.Secret{}, errors.New("the prefix of a new key has not the form of one")
	}
	key := make([]byte, 0, maxKey)
	key = append(key, prefix...)
	key = append(key, '_')
	key, err := appendRandom(key, random)
	if err != nil {
		return keypin.Secret{}, fmt.Errorf("reading randomness for a key: %w", err)
	}
	sum := checksum(string(key))
	key = append(key, sum[:]...)
	return keypin.NewSecret(string(key)), nil
}

// appendRandom appends randomLength characters, each equally likely.
func appendRandom(key []byte, random io.Reader) ([]byte, error) {
	// A byte of 248 or more is thrown away: 248 is the largest multiple of 62 up to
	// 256, so that the remainder of the others is not biased.
	const fair = 256 / len(alphabet) * len(alphabet)
	// A working source rejects 1 byte in 32. One that still leaves characters
	// open after so many reads is broken, and must not hang the caller.
	const maxReads = 64
	want := len(key) + randomLength
	var buf [randomLength]byte
	for range maxReads {
		missing := buf[:want-len(key)]
		if _, err := io.ReadFull(random, missing); err != nil {
			return nil, err
		}
		for _, b := range missing {
			if int(b) < fair {
				key = append(key, alphabet[int(b)%len(alphabet)])
			}
		}
		if len(key) == want {
			return key, nil
		}
	}
	return nil, errors.New("the source repeats itself")
}

// Parsed is what a key tells about itself. Prefix and Suffix share the memory of
// the plaintext: who keeps them longer than the request clones them.
type Parsed struct {
	Prefix string // without the underscore that follows it
	Suffix string // the last 6 characters
	Hash   keypin.KeyHash
}

// Parse reads a key. It reports false, and nothing else, unless all of s is a key
// with the right checksum.
func Parse(s string) (Parsed, bool) {
	if !LooksLikeKey(s) || !ChecksumFits(s) {
		return Parsed{}, false
	}
	return Parsed{
		Prefix: s[:len(s)-SecretLength-1],
		Suffix: s[len(s)-suffixLength:],
		Hash:   hashOf(s),
	}, true
}

// Hash is Parse's of what has the form of a key, with any checksum; false for anything
// else. Who knows the hash knows that the checksum fits, too.
func Hash(s string) (keypin.KeyHash, bool) {
	if !LooksLikeKey(s) {
		return keypin.KeyHash{}, false
	}
	return hashOf(s), true
}

// hashOf is the SHA-256 of a key of at most maxKey bytes.
func hashOf(s string) keypin.KeyHash {
	var buf [maxKey]byte // on the stack; the plaintext is not copied to the heap
	return sha256.Sum256(buf[:copy(buf[:], s)])
}

// LooksLikeKey reports whether s has the form of a key, with any checksum. No
// session token has it: those hold dots.
func LooksLikeKey(s string) bool {
	if len(s) < minPrefix+1+SecretLength || len(s) > maxKey {
		return false
	}
	underscore := len(s) - SecretLength - 1
	return s[underscore] == '_' && allBase62(s[underscore+1:]) && validPrefix(s[:underscore])
}

// validPrefix is keypin.ParseKeyPrefix without its regular expression:
// ^[a-z][a-z0-9]{1,15}(_[a-z0-9]{1,15}){0,2}$.
func validPrefix(s string) bool {
	return len(s) >= minPrefix && len(s) <= maxPrefix &&
		anyPrefixBefore(s, len(s), func(start int) bool { return start == 0 })
}

// anyPrefixBefore reports whether accept takes one of the places at which a
// prefix that ends at end may start. It reads at most the maxPrefix+1 bytes before end.
func anyPrefixBefore(s string, end int, accept func(start int) bool) bool {
	word, words := 0, 1 // characters of the word being read backwards; words so far
	for i := end - 1; i >= 0; i-- {
		c := s[i]
		letter := c >= 'a' && c <= 'z'
		switch {
		case letter || c >= '0' && c <= '9':
			word++
			if word > 16 {
				return false
			}
			if letter && word >= 2 && accept(i) {
				return true
			}
		case c == '_' && word >= 1 && word <= 15 && words < 3:
			word, words = 0, words+1
		default:
			return false
		}
	}
	return false
}

// allBase62 reports whether s holds nothing but characters of the alphabet.
func allBase62(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// ChecksumFits reports whether the last characters of key, which LooksLikeKey, are the
// checksum of what stands before them.
func ChecksumFits(key string) bool {
	body := key[:len(key)-checksumLength]
	sum := checksum(body)
	return string(sum[:]) == key[len(body):]
}

// checksum is the CRC-32 (IEEE) of body in base 62. It steps through the table
// itself because crc32.ChecksumIEEE moves its argument to the heap.
func checksum(body string) [checksumLength]byte {
	crc := ^uint32(0)
	for i := range len(body) {
		crc = crc32.IEEETable[byte(crc)^body[i]] ^ crc>>8
	}
	crc = ^crc
	var out [checksumLength]byte
	for i := checksumLength - 1; i >= 0; i-- {
		out[i] = alphabet[crc%uint32(len(alphabet))]
		crc /= uint32(len(alphabet))
	}
	return out
}
