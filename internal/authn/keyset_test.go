package authn

import (
	"crypto/elliptic"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestAKeyThatIsNotForThisUseIsLeftOut(t *testing.T) {
	good := signer{"good", "RS256", rsaKeys()[0]}
	key := signer{"key", "RS256", rsaKeys()[1]}
	private := object{"d": "AQAB", "p": "AQAB", "q": "AQAB"}
	for name, member := range map[string]object{
		"for encryption":            key.jwk(object{"use": "enc"}),
		"of an unknown use":         key.jwk(object{"use": "x"}),
		"not to verify":             key.jwk(object{"key_ops": []string{"sign", "encrypt"}}),
		"for another algorithm":     key.jwk(object{"alg": "PS256"}),
		"for a symmetric algorithm": key.jwk(object{"alg": "HS256"}),
		"for no algorithm":          key.jwk(object{"alg": "none"}),
		"without an ID":             key.jwk(object{"kid": nil}),
		"with its private half":     key.jwk(private),
		"of another type":           key.jwk(object{"kty": "EC"}),
		"of an unknown type":        key.jwk(object{"kty": "AKP"}),
		"symmetric":                 {"kty": "oct", "k": "AQAB", "kid": "key", "alg": "RS256"},
		"short RSA":                 signer{"key", "RS256", weakRSAKey()}.jwk(nil),
		"RSA without a modulus":     key.jwk(object{"n": ""}),
		"RSA with exponent 1":       key.jwk(object{"e": "AQ"}),
		"RSA with an even exponent": key.jwk(object{"e": "BA"}),
		"RSA with a huge exponent":  key.jwk(object{"e": strings.Repeat("A", 40) + "Q"}),
		"RSA with a huge modulus":   key.jwk(object{"n": strings.Repeat("_", 4000)}),
		"not base64url":             key.jwk(object{"n": "+/+/"}),
		"a number for a text":       key.jwk(object{"n": 1}),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite()
			s.serve(clerkKeysURL, keySetOf(good.jwk(nil), member))
			v := newVerifier(t, s, nil, clerk())
			accepted(t, v, good.token(recorded(t, "clerk_v2.json"), nil))
			refused(t, v, key.token(recorded(t, "clerk_v2.json"), nil), refuseKey)
		})
	}
}

func TestAKeyThatSaysLittleIsUsedByItsType(t *testing.T) {
	key := signer{"key", "RS256", rsaKeys()[1]}
	for name, extra := range map[string]object{
		"no alg":                   {"alg": nil},
		"no use":                   {"use": nil},
		"key_ops with verify":      {"key_ops": []string{"verify", "futureOp"}},
		"an x5u, which is ignored": {"x5u": "https://evil.example/cert"},
		"an x5c, which is ignored": {"x5c": []string{"AAAA"}},
		"an unknown member":        {"ext": true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite()
			s.serve(clerkKeysURL, keySetOf(key.jwk(extra)))
			accepted(t, newVerifier(t, s, nil, clerk()), key.token(recorded(t, "clerk_v2.json"), nil))
			if n := s.fetches.Load(); n != 1 {
				t.Errorf("%d fetches, want 1", n)
			}
		})
	}
}

func TestKeysThatShareAnIDAreAlternatives(t *testing.T) {
	a, b := signer{"key", "RS256", rsaKeys()[0]}, signer{"key", "ES256", ecKey(elliptic.P256())}
	s := newSite()
	s.serve(clerkKeysURL, published(a, b))
	v := newVerifier(t, s, nil, clerk())
	accepted(t, v, a.token(recorded(t, "clerk_v2.json"), nil))
	accepted(t, v, b.token(recorded(t, "clerk_v2.json"), nil))
}

func TestACurveThatIsNotTheAlgorithmsIsRefused(t *testing.T) {
	key := signer{"key", "ES256", ecKey(elliptic.P256())}
	off := key.jwk(object{"x": key.jwk(nil)["y"]})
	set := keySetOf(off)
	if _, err := parseKeySet([]byte(set)); err == nil {
		t.Error("a point that is not on its curve was taken")
	}
	set = keySetOf(signer{"key", "ES384", ecKey(elliptic.P384())}.jwk(object{"alg": "ES256"}))
	if _, err := parseKeySet([]byte(set)); err == nil {
		t.Error("a P-384 key was taken for ES256")
	}
}

// rubbish is what an issuer in trouble may answer instead of its keys.
func rubbish() map[string]http.HandlerFunc {
	text := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}
	}
	many := strings.TrimSuffix(strings.Repeat(`{"kty":"RSA"},`, maxKeys+1), ",")
	return map[string]http.HandlerFunc{
		"500":           text(http.StatusInternalServerError, `{"keys":[]}`),
		"404":           text(http.StatusNotFound, ""),
		"204":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"HTML":          text(http.StatusOK, "<!doctype html><title>Maintenance</title>"),
		"nothing":       text(http.StatusOK, ""),
		"empty object":  text(http.StatusOK, "{}"),
		"empty set":     text(http.StatusOK, `{"keys":[]}`),
		"null":          text(http.StatusOK, "null"),
		"keys null":     text(http.StatusOK, `{"keys":null}`),
		"keys a string": text(http.StatusOK, `{"keys":"x"}`),
		"no usable key": text(http.StatusOK, `{"keys":[{"kty":"oct","k":"AQAB","kid":"rsa"},7,null,{}]}`),
		"cut off":       text(http.StatusOK, `{"keys":[{"kty":`),
		"too many keys": text(http.StatusOK, `{"keys":[`+many+`]}`),
		"huge":          text(http.StatusOK, `{"keys":[],"x":"`+strings.Repeat("x", maxBody)+`"}`),
		"nested":        text(http.StatusOK, strings.Repeat("[", 200_000)),
	}
}

func FuzzKeySet(f *testing.F) {
	f.Add([]byte(published(signer{"a", "RS256", rsaKeys()[0]}, signer{"b", "EdDSA", edKey(1)})))
	f.Add([]byte(published(signer{"c", "ES512", ecKey(elliptic.P521())})))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		set, err := parseKeySet(body)
		if (err == nil) != (len(set) > 0) {
			t.Errorf("a set of %d keys with error %v", len(set), err)
		}
		for kid, keys := range set {
			for _, key := range keys {
				if kid == "" || key.fits("HS256") || key.fits("none") {
					t.Errorf("key %q fits what it must not", kid)
				}
			}
		}
	})
}
