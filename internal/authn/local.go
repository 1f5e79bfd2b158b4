package authn

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keypin/keypin/internal/keypin"
)

// LocalIssuerName is the `iss` of the local issuer's tokens.
const LocalIssuerName = "urn:keypin:local"

// MaxLocalTTL is the longest life of a local issuer's token.
const MaxLocalTTL = 24 * time.Hour

const subjectPrefix = "email:"

// LocalIssuer signs session tokens with an Ed25519 key in the data folder, for a
// deployment that has no other issuer. It is safe for concurrent use if its source
// of randomness is.
type LocalIssuer struct {
	key    ed25519.PrivateKey
	kid    string
	keys   keySet
	jwks   []byte
	random io.Reader
}

// LocalToken is what a token of the local issuer says.
type LocalToken struct {
	Email string
	// Org is an organisation's name; "" = none, and then Role says nothing.
	Org  string
	Role keypin.Role
	TTL  time.Duration // more than 0, at most MaxLocalTTL; rounded up to a second
}

// OpenLocalIssuer loads the signing key from issuer.key in dataDir, and makes both
// if they are not there. Of several processes that open a fresh folder at once, one
// makes the key and all load it. A key that others can read is refused.
func OpenLocalIssuer(dataDir string, random io.Reader) (*LocalIssuer, error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	root, err := os.OpenRoot(dataDir)
	if err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	defer func() { _ = root.Close() }()
	key, err := loadKey(root)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(root, random); err != nil {
			return nil, fmt.Errorf("making the local issuer's key: %w", err)
		}
		key, err = loadKey(root)
	}
	if err != nil {
		return nil, fmt.Errorf("loading the local issuer's key from %s: %w", dataDir, err)
	}
	return newLocalIssuer(key, random)
}

func newLocalIssuer(key ed25519.PrivateKey, random io.Reader) (*LocalIssuer, error) {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("the local issuer's key has no Ed25519 public half")
	}
	x := base64.RawURLEncoding.EncodeToString(public)
	// The key's ID is its thumbprint (RFC 7638; its members for OKP are RFC 8037's).
	sum := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + x + `"}`))
	l := &LocalIssuer{key: key, kid: base64.RawURLEncoding.EncodeToString(sum[:]), random: random}
	jwks, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "OKP", "crv": "Ed25519", "x": x, "kid": l.kid, "use": "sig", "alg": "EdDSA",
	}}})
	if err != nil {
		return nil, fmt.Errorf("writing the local issuer's key set: %w", err)
	}
	l.jwks = jwks
	l.keys = keySet{l.kid: {{alg: "EdDSA", key: public}}}
	return l, nil
}

// JWKS is the issuer's key set as JSON (RFC 7517), public keys only.
func (l *LocalIssuer) JWKS() []byte { return append([]byte(nil), l.jwks...) }

func (l *LocalIssuer) find(_ context.Context, kid, alg string) (any, error) {
	if key, ok := l.keys.find(kid, alg); ok {
		return key, nil
	}
	return nil, refuseKey
}

func (l *LocalIssuer) current() *keySet { return &l.keys }

// Mint signs a token that is valid from now for t.TTL. The error is a
// *keypin.Error: CodeValidation with the fields that are wrong (email, org, role,
// ttl), or CodeInternal when there is no randomness.
func (l *LocalIssuer) Mint(t LocalToken, now time.Time) (keypin.Secret, error) {
	claims, err := t.claims()
	if err != nil {
		return keypin.Secret{}, err
	}
	var sid [16]byte
	if _, err := io.ReadFull(l.random, sid[:]); err != nil {
		return keypin.Secret{}, keypin.Wrap(keypin.CodeInternal, "The token could not be made.", err)
	}
	seconds := int64((t.TTL + time.Second - 1) / time.Second)
	claims["sid"] = "sess_" + hex.EncodeToString(sid[:])
	claims["iat"] = now.Unix()
	claims["nbf"] = now.Unix()
	claims["exp"] = now.Unix() + seconds
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	unsigned.Header["kid"] = l.kid
	signed, err := unsigned.SignedString(l.key)
	if err != nil {
		return keypin.Secret{}, keypin.Wrap(keypin.CodeInternal, "The token could not be made.", err)
	}
	return keypin.NewSecret(signed), nil
}

// claims checks every field and gives the claims that do not depend on time or
// chance.
func (t LocalToken) claims() (jwt.MapClaims, error) {
	var faults keypin.Faults
	email, err := keypin.ParseEmail(t.Email)
	if err == nil && len(subjectPrefix+email) > maxSubject {
		err = fmt.Errorf("must be at most %d characters", maxSubject-len(subjectPrefix))
	}
	if err != nil {
		faults.Add("email", err.Error())
	}
	if t.TTL <= 0 || t.TTL > MaxLocalTTL {
		faults.Add("ttl", "must be more than 0 and at most 24h")
	}
	claims := jwt.MapClaims{"iss": LocalIssuerName, "sub": subjectPrefix + email, "email": email}
	if t.Org != "" {
		name, err := keypin.ParseWorkspaceName(t.Org)
		if err != nil {
			faults.Add("org", err.Error())
		}
		role, err := keypin.ParseRole(string(t.Role))
		if err != nil {
			faults.Add("role", err.Error())
		}
		// Named by all of its name, in any letter case: slugs of different names collide.
		sum := sha256.Sum256([]byte(strings.ToLower(name)))
		claims["v"] = 2
		claims["o"] = map[string]string{"id": "org_" + hex.EncodeToString(sum[:12]), "slg": keypin.SlugOf(name), "rol": string(role)}
	}
	return claims, faults.Err()
}
