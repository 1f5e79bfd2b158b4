package authn

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	clerkIssuer = "https://clerk.your-site.com" // as in testdata
	oidcIssuer  = "https://login.example.org"
	party       = "https://example.com" // as in testdata
)

// documented is the instant of the documented examples.
var documented = time.Unix(1713158400, 0)

// rsaKeys and weakRSAKey are made once: making them is what takes time.
var (
	rsaKeys = sync.OnceValue(func() []*rsa.PrivateKey {
		keys := make([]*rsa.PrivateKey, 3)
		for i := range keys {
			keys[i] = must(rsa.GenerateKey(rand.Reader, 2048))
		}
		return keys
	})
	weakRSAKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 1024)) })
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func edKey(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func ecKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

// signer is a key of an issuer and the algorithm it signs with.
type signer struct {
	kid, alg string
	key      crypto.Signer
}

// jwk is the public half as the issuer publishes it, changed by extra.
func (s signer) jwk(extra map[string]any) map[string]any {
	options := jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: s.kid, ALG: jwkset.ALG(s.alg), USE: jwkset.UseSig}}
	text := must(json.Marshal(must(jwkset.NewJWKFromKey(s.key.Public(), options)).Marshal()))
	var member map[string]any
	if err := json.Unmarshal(text, &member); err != nil {
		panic(err)
	}
	for name, value := range extra {
		if member[name] = value; value == nil {
			delete(member, name)
		}
	}
	return member
}

type object = map[string]any

// token signs claims under a header of alg, kid and typ, changed by extra; a nil
// value removes a parameter.
func (s signer) token(claims object, extra object) string {
	header := object{"alg": s.alg, "kid": s.kid, "typ": "JWT"}
	for name, value := range extra {
		if header[name] = value; value == nil {
			delete(header, name)
		}
	}
	return s.sign(must(json.Marshal(header)), must(json.Marshal(claims)))
}

// sign signs any header and claims with s.alg, whatever they say.
func (s signer) sign(header, claims []byte) string {
	text := encode(header) + "." + encode(claims)
	signature, err := jwt.GetSigningMethod(s.alg).Sign(text, s.key)
	return text + "." + encode(must(signature, err))
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// keySetOf is the JWK Set that holds the members.
func keySetOf(members ...map[string]any) string {
	return string(must(json.Marshal(map[string]any{"keys": members})))
}

func published(signers ...signer) string {
	members := make([]map[string]any, len(signers))
	for i, s := range signers {
		members[i] = s.jwk(nil)
	}
	return keySetOf(members...)
}

// with copies claims with some changed; nil removes one.
func (c claimSet) with(changes object) object {
	changed := maps.Clone(object(c))
	for name, value := range changes {
		if changed[name] = value; value == nil {
			delete(changed, name)
		}
	}
	return changed
}

type claimSet object

// recorded reads documented claims.
func recorded(t testing.TB, name string) claimSet {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var claims claimSet
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// site is an HTTP server without a network, so that it can have any name and any
// clock: it answers with whatever answer is set, and counts.
type site struct {
	mu      sync.Mutex
	answers map[string]http.HandlerFunc // by URL
	fetches atomic.Int64
}

func newSite() *site { return &site{answers: map[string]http.HandlerFunc{}} }

func (s *site) handle(url string, answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[url] = answer
}

// serve publishes a body at a URL.
func (s *site) serve(url, body string) {
	s.handle(url, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
}

// RoundTrip answers a request; a URL without an answer is a refused connection.
func (s *site) RoundTrip(r *http.Request) (*http.Response, error) {
	s.fetches.Add(1)
	s.mu.Lock()
	answer := s.answers[r.URL.String()]
	s.mu.Unlock()
	if answer == nil {
		return nil, errors.New("connection refused")
	}
	recorder := httptest.NewRecorder()
	answer(recorder, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	response := recorder.Result()
	response.Request = r
	return response, nil
}

func (s *site) client() *http.Client { return &http.Client{Transport: s} }

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

const (
	clerkKeysURL = clerkIssuer + "/.well-known/jwks.json"
	oidcKeysURL  = oidcIssuer + "/keys"
)

func clerk() Issuer {
	return Issuer{Issuer: clerkIssuer, Kind: KindClerk, AuthorizedParties: []string{party}, Algorithms: algorithms()}
}

func oidc() Issuer {
	return Issuer{Issuer: oidcIssuer, Kind: KindOIDC, JWKSURL: oidcKeysURL, Algorithms: algorithms()}
}

// newVerifier trusts the issuers, whose keys are at the site, at a clock that
// stands still at the documented instant unless another is given.
func newVerifier(t testing.TB, s *site, clock keypin.Clock, issuers ...Issuer) *Verifier {
	t.Helper()
	if clock == nil {
		clock = func() time.Time { return documented }
	}
	v, err := New(Options{Issuers: issuers, Clock: clock, HTTPClient: s.client()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// logger writes to w.
func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func accepted(t *testing.T, v *Verifier, token string) *keypin.Identity {
	t.Helper()
	identity, err := v.Verify(context.Background(), token)
	if err != nil {
		t.Fatalf("a good token was refused: %v", err)
	}
	return identity
}

// refused wants a 401 for the reason, in the public words of all of them.
func refused(t *testing.T, v *Verifier, token string, reason refusal) {
	t.Helper()
	identity, err := v.Verify(context.Background(), token)
	var e *keypin.Error
	if !errors.As(err, &e) || e.Code != keypin.CodeUnauthorized || identity != nil {
		t.Fatalf("got %+v, %v; want CodeUnauthorized", identity, err)
	}
	if !errors.Is(err, reason) {
		t.Errorf("refused because %q, want %q", e.Cause, reason)
	}
	if e.Message != unauthorized(nil).Message || len(e.Details) > 0 || e.RetryAfter != 0 {
		t.Errorf("the public answer tells refusals apart: %+v", e)
	}
}

// unavailableNow wants a 503 and gives when to come back.
func unavailableNow(t *testing.T, v *Verifier, token string) (retryAfter time.Duration) {
	t.Helper()
	_, err := v.Verify(context.Background(), token)
	var e *keypin.Error
	if !errors.As(err, &e) || e.Code != keypin.CodeUnavailable {
		t.Fatalf("got %v; want CodeUnavailable", err)
	}
	if e.RetryAfter < time.Second || e.RetryAfter > fetchPause {
		t.Errorf("retry after %v, want 1 s to %v", e.RetryAfter, fetchPause)
	}
	return e.RetryAfter
}
