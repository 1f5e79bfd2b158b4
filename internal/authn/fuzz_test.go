package authn

import (
	"context"
	"crypto/elliptic"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// seeds are good tokens of every type of key, and all the attacks on them.
func seeds(t testing.TB) (v *Verifier, good map[string]bool, all []string) {
	t.Helper()
	x := newTarget(t)
	v = newVerifier(t, x.site, nil, clerk(), oidc())
	good = map[string]bool{}
	for _, key := range []signer{x.rsa, x.ec, x.ed} {
		for _, claims := range []object{x.claims, recorded(t, "clerk_v1.json")} {
			token := key.token(claims, nil)
			good[token] = true
			all = append(all, token)
		}
	}
	for _, attacks := range []map[string]attack{
		x.algorithmAttacks(), x.headerAttacks(), x.keyAttacks(), x.signatureAttacks(), x.formAttacks(), x.claimAttacks(),
	} {
		for _, a := range attacks {
			if len(a.token) <= 2*MaxTokenBytes {
				all = append(all, a.token)
			}
		}
	}
	return v, good, all
}

func TestTheSeedsOfFuzzVerifyAreThereAndSomeAreGood(t *testing.T) {
	v, good, all := seeds(t)
	if len(good) < 6 || len(all) < 100 {
		t.Fatalf("%d seeds, %d of them good", len(all), len(good))
	}
	for token := range good {
		accepted(t, v, token)
	}
}

// FuzzVerify: nothing panics, and nothing is accepted but the good seeds. Besides
// any text it tries each good token with some bytes exchanged.
func FuzzVerify(f *testing.F) {
	v, good, all := seeds(f)
	for i, token := range all {
		f.Add(token, uint(i), byte(i))
	}
	tokens := all[:len(good)]
	try := func(t *testing.T, token string) {
		t.Helper()
		identity, err := v.Verify(context.Background(), token)
		switch code := keypin.CodeOf(err); {
		case code == "" && (!good[token] || identity == nil):
			t.Errorf("accepted %q", token)
		case code != "" && (good[token] || code != keypin.CodeUnauthorized || identity != nil):
			t.Errorf("got %v for %q", err, token)
		}
	}
	f.Fuzz(func(t *testing.T, token string, at uint, with byte) {
		try(t, token)
		mutated := []byte(tokens[at%uint(len(tokens))])
		mutated[at/7%uint(len(mutated))] = with
		try(t, string(mutated))
	})
}

func FuzzObject(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"\ud800"}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte(`[{}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if object, err := decodeObject(data); (err == nil) != (object != nil) {
			t.Errorf("got %v, %v", object, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	s := newSite()
	signers := []signer{
		{"rsa", "RS256", rsaKeys()[0]}, {"ec", "ES256", ecKey(elliptic.P256())}, {"ed", "EdDSA", edKey(1)},
	}
	s.serve(clerkKeysURL, published(signers...))
	v := newVerifier(b, s, func() time.Time { return documented }, clerk())
	for _, key := range signers {
		token := key.token(recorded(b, "clerk_v2.json"), nil)
		b.Run(key.alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
