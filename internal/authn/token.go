package authn

import (
	"encoding/base64"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// MaxTokenBytes is the length from which on a session token is refused unread.
// Clerk's fit a 4 KiB cookie.
const MaxTokenBytes = 8 << 10

// parsedToken is a token in its parts. Nothing about it has been verified.
type parsedToken struct {
	method    jwt.SigningMethod
	alg       string
	kid       string
	header    map[string]any
	claims    map[string]any
	signed    string // what the signature covers
	signature []byte
}

// parseToken reads a JWS in compact serialisation (RFC 7515, section 7.1). The
// algorithm is checked before the claims are looked at.
func parseToken(s string) (*parsedToken, error) {
	if len(s) > MaxTokenBytes {
		return nil, refuseSize
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return nil, refuseParts
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = decodeSegment(part); err != nil {
			return nil, err
		}
	}
	t := &parsedToken{signed: s[:len(parts[0])+1+len(parts[1])], signature: decoded[2]}
	var err error
	if t.header, err = decodeObject(decoded[0]); err != nil {
		return nil, err
	}
	if err := t.readHeader(); err != nil {
		return nil, err
	}
	if t.claims, err = decodeObject(decoded[1]); err != nil {
		return nil, err
	}
	return t, nil
}

// decodeSegment wants a non-empty base64url text without padding, stray bits or,
// which Go's decoder skips even when strict, line breaks.
func decodeSegment(s string) ([]byte, error) {
	if s == "" || strings.ContainsAny(s, "\r\n") {
		return nil, refuseBase64
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, refuseBase64
	}
	return b, nil
}

func (t *parsedToken) readHeader() error {
	t.alg, _ = t.header["alg"].(string)
	if t.method = signingMethod(t.alg); t.method == nil {
		return refuseAlgorithm
	}
	// A key that a token brings along, or the address of one, is never used; crit, b64,
	// zip and enc change how a token is read, in ways that no session token needs.
	for _, name := range []string{"crit", "jku", "jwk", "x5u", "x5c", "b64", "zip", "enc"} {
		if _, there := t.header[name]; there {
			return refuseHeader
		}
	}
	if t.kid, _ = t.header["kid"].(string); t.kid == "" {
		return refuseKeyID
	}
	return nil
}

// mediaType is the header's typ in lower case without the `application/` that may
// be left out (RFC 7515, section 4.1.9); "" when there is none.
func (t *parsedToken) mediaType() (string, error) {
	value, there := t.header["typ"]
	if !there {
		return "", nil
	}
	typ, ok := value.(string)
	if !ok {
		return "", refuseType
	}
	return strings.TrimPrefix(strings.ToLower(typ), "application/"), nil
}
