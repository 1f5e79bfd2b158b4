// Package token is the form of an API key's plaintext: it makes keys, reads them,
// and finds them in other text so that they can be refused or blacked out.
//
// A key is `<prefix>_<26 random base62><6 base62 CRC-32>`. The alphabet is 0-9A-Za-z
// in that order; the checksum is the CRC-32 (IEEE) of everything before it,
// big-endian, padded with 0. The random part holds 154 bits; the checksum only
// catches typing errors and strangers' strings before a look-up, and proves nothing.
//
// Everything here is a pure function and linear in its input, whatever that is. What
// is not a key, to the byte, is reported as none; nothing panics. The one failure is
// New's, when its source of randomness fails: then there is no key at all.
package token
