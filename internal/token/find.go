package token

import "strings"

const redacted = "[redacted]"

// Contains reports whether a key with the right checksum stands anywhere in s,
// whatever stands before and behind it.
func Contains(s string) bool { return nextSecret(s, 0) >= 0 }

// Redact replaces every key in s by `<prefix>_[redacted]`. Afterwards
// Contains is false. A text without a key is returned as it is.
//
// Only the part behind the underscore is replaced, so that of two keys that
// overlap (the end of one is the prefix of the next) both secrets go.
func Redact(s string) string {
	at := nextSecret(s, 0)
	if at < 0 {
		return s
	}
	var b strings.Builder
	b.Grow(len(s))
	from := 0
	for ; at >= 0; at = nextSecret(s, from) {
		b.WriteString(s[from:at])
		b.WriteString(redacted)
		from = at + SecretLength
	}
	b.WriteString(s[from:])
	return b.String()
}

// nextSecret is the index, at or after from, at which the first secret part of a
// key begins; -1 when there is none. The key's prefix may lie before from.
//
// It is linear: secrets hold no underscore, so no byte is read as part of two
// of them, and each has a bounded number of prefixes to try.
func nextSecret(s string, from int) int {
	for {
		next := strings.IndexByte(s[from:], '_')
		if next < 0 {
			return -1
		}
		underscore := from + next
		from = underscore + 1
		end := from + SecretLength
		if end > len(s) {
			return -1
		}
		if allBase62(s[from:end]) &&
			anyPrefixBefore(s, underscore, func(start int) bool { return ChecksumFits(s[start:end]) }) {
			return from
		}
	}
}
