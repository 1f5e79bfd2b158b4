package authn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

const (
	minRSABits = 2048
	// maxRSABits bounds the work that one signature can cause.
	maxRSABits = 8192
	// maxKeys is how many keys a set may hold. Issuers have two or three.
	maxKeys = 100
)

var errNoKeys = errors.New("the key set holds no usable key")

// keySet is an issuer's keys by their IDs. It does not change after it is made.
// Keys that share an ID are alternatives (RFC 7517, section 4.5).
type keySet map[string][]publicKey

// publicKey is a key and the only algorithm it may be used with, if it names one.
type publicKey struct {
	alg string // "" = any that fits its type
	key crypto.PublicKey
}

// find is the key of that ID that fits alg.
func (s keySet) find(kid, alg string) (crypto.PublicKey, bool) {
	for _, k := range s[kid] {
		if k.fits(alg) {
			return k.key, true
		}
	}
	return nil, false
}

// fits ties an algorithm to a type of key and, for elliptic curves, to the one
// curve that RFC 7518, section 3.4 names.
func (k publicKey) fits(alg string) bool {
	if k.alg != "" && k.alg != alg {
		return false
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return slices.Contains([]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}, alg)
	case *ecdsa.PublicKey:
		curves := map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
		return curves[alg] == key.Params().Name
	case ed25519.PublicKey:
		return alg == "EdDSA"
	default:
		return false
	}
}

// parseKeySet reads a JWK Set (RFC 7517, section 5). Keys that cannot verify a
// session token are left out; a set without any other is an error, as is one that
// does not look like a set.
func parseKeySet(body []byte) (keySet, error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, errors.New("the key set is not a JSON object with an array `keys`")
	}
	if len(raw.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set holds more than %d keys", maxKeys)
	}
	set := keySet{}
	for _, member := range raw.Keys {
		if kid, key, ok := parseKey(member); ok {
			set[kid] = append(set[kid], key)
		}
	}
	if len(set) == 0 {
		return nil, errNoKeys
	}
	return set, nil
}

// parseKey reads a public key for signatures that has an ID. A key whose private
// half is there for all to see is worth nothing.
func parseKey(member []byte) (kid string, key publicKey, ok bool) {
	var jwk jwkset.JWKMarshal
	if err := json.Unmarshal(member, &jwk); err != nil {
		return "", publicKey{}, false
	}
	switch {
	case jwk.KID == "",
		jwk.USE != "" && jwk.USE != jwkset.UseSig,
		len(jwk.KEYOPS) > 0 && !slices.Contains(jwk.KEYOPS, jwkset.KeyOpsVerify),
		jwk.ALG != "" && signingMethod(string(jwk.ALG)) == nil,
		jwk.KTY == jwkset.KtyOct,
		jwk.D != "" || jwk.P != "" || jwk.Q != "" || jwk.K != "":
		return "", publicKey{}, false
	}
	// The certificate is not asked for anything, and jwkset would fetch x5u.
	jwk.X5U, jwk.X5C, jwk.X5T, jwk.X5TS256 = "", nil, "", ""
	// jwkset refuses operations it does not know; those were looked at above.
	parsed, err := jwkset.NewJWKFromMarshal(jwk, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipKeyOps: true})
	if err != nil {
		return "", publicKey{}, false
	}
	if public, isRSA := parsed.Key().(*rsa.PublicKey); isRSA && !soundRSA(public) {
		return "", publicKey{}, false
	}
	key = publicKey{alg: string(jwk.ALG), key: parsed.Key()}
	if !slices.ContainsFunc(algorithms(), key.fits) {
		return "", publicKey{}, false
	}
	return jwk.KID, key, true
}

func soundRSA(key *rsa.PublicKey) bool {
	bits := key.N.BitLen()
	return bits >= minRSABits && bits <= maxRSABits && key.N.Bit(0) == 1 && key.E >= 3 && key.E%2 == 1
}
