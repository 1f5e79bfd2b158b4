package authn

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
)

func openLocal(t testing.TB, dir string) *LocalIssuer {
	t.Helper()
	l, err := OpenLocalIssuer(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func localVerifier(t testing.TB, l *LocalIssuer, now time.Time) *Verifier {
	t.Helper()
	v, err := New(Options{Local: l, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func mint(t testing.TB, l *LocalIssuer, token LocalToken, now time.Time) string {
	t.Helper()
	secret, err := l.Mint(token, now)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Reveal()
}

func TestATokenOfTheLocalIssuerIsASession(t *testing.T) {
	l := openLocal(t, t.TempDir())
	v := localVerifier(t, l, documented)
	want := &keypin.Identity{Issuer: LocalIssuerName, Subject: "email:ada@example.com", IssuedAt: documented.UTC(), Email: "ada@example.com"}
	got := accepted(t, v, mint(t, l, LocalToken{Email: "Ada@Example.com", TTL: time.Hour}, documented))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without an organisation (-want +got):\n%s", diff)
	}
	for _, role := range []keypin.Role{keypin.RoleAdmin, keypin.RoleEditor, keypin.RoleViewer} {
		want.Org = &keypin.Org{ID: "org_dc01f0a68599abe3fce0f305", Slug: "acme-inc", Role: role}
		got := accepted(t, v, mint(t, l, LocalToken{Email: "ada@example.com", Org: "Acme, Inc.", Role: role, TTL: time.Hour}, documented))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("as %s (-want +got):\n%s", role, diff)
		}
	}
}

func TestOrganisationsOfDifferentNamesAreDifferent(t *testing.T) {
	l := openLocal(t, t.TempDir())
	v := localVerifier(t, l, documented)
	seen := map[string]string{}
	for _, name := range []string{"株式会社トヨタ", "Газпром", "acme inc", "acme-inc", strings.Repeat("x", 41), strings.Repeat("x", 42)} {
		id := accepted(t, v, mint(t, l, LocalToken{Email: "ada@example.com", Org: name, Role: keypin.RoleAdmin, TTL: time.Hour}, documented)).Org.ID
		if other, there := seen[id]; there {
			t.Errorf("%q and %q are the same organisation", name, other)
		}
		seen[id] = name
	}
}

func TestALocalTokenLivesAsLongAsItWasTold(t *testing.T) {
	l := openLocal(t, t.TempDir())
	for _, ttl := range []time.Duration{time.Nanosecond, time.Second, time.Hour, MaxLocalTTL} {
		token := mint(t, l, LocalToken{Email: "ada@example.com", TTL: ttl}, documented)
		end := documented.Add(max(ttl, time.Second) + leeway)
		accepted(t, localVerifier(t, l, end.Add(-time.Millisecond)), token)
		refused(t, localVerifier(t, l, end), token, refuseExpired)
	}
}

func TestNoTwoLocalTokensAreTheSame(t *testing.T) {
	l := openLocal(t, t.TempDir())
	what := LocalToken{Email: "ada@example.com", TTL: time.Hour}
	first, second := mint(t, l, what, documented), mint(t, l, what, documented)
	if first == second {
		t.Error("two sessions have one token")
	}
}

func TestAMalformedLocalTokenIsNotMinted(t *testing.T) {
	l := openLocal(t, t.TempDir())
	long := "a@" + strings.Repeat("a.", 124) + "org" // 253 characters
	for _, c := range []struct {
		token LocalToken
		field []string
	}{
		{LocalToken{Email: "nobody", TTL: time.Hour}, []string{"email"}},
		{LocalToken{Email: long, TTL: time.Hour}, []string{"email"}},
		{LocalToken{Email: "a@b.c"}, []string{"ttl"}},
		{LocalToken{Email: "a@b.c", TTL: -time.Hour}, []string{"ttl"}},
		{LocalToken{Email: "a@b.c", TTL: MaxLocalTTL + 1}, []string{"ttl"}},
		{LocalToken{Email: "a@b.c", TTL: time.Hour, Org: "Acme"}, []string{"role"}},
		{LocalToken{Email: "a@b.c", TTL: time.Hour, Org: "Acme", Role: "owner"}, []string{"role"}},
		{LocalToken{Email: "a@b.c", TTL: time.Hour, Org: " ", Role: "admin"}, []string{"org"}},
		{LocalToken{Email: "\n", Org: "\n", Role: "\n"}, []string{"email", "ttl", "org", "role"}},
	} {
		secret, err := l.Mint(c.token, documented)
		var e *keypin.Error
		if !errors.As(err, &e) || e.Code != keypin.CodeValidation || !secret.IsZero() {
			t.Errorf("%+v: got %v, %v", c.token, secret, err)
			continue
		}
		var fields []string
		for _, d := range e.Details {
			fields = append(fields, d.Field)
		}
		if diff := cmp.Diff(c.field, fields); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.token, diff)
		}
	}
}

func TestTheLocalKeySetVerifiesLocalTokensAndHoldsNoSecret(t *testing.T) {
	l := openLocal(t, t.TempDir())
	set, err := parseKeySet(l.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.keys, set, cmp.AllowUnexported(publicKey{})); diff != "" {
		t.Errorf("(-own +published):\n%s", diff)
	}
	var doc struct{ Keys []map[string]string }
	if err := json.Unmarshal(l.JWKS(), &doc); err != nil || len(doc.Keys) != 1 {
		t.Fatalf("%s: %v", l.JWKS(), err)
	}
	if d, there := doc.Keys[0]["d"]; there {
		t.Errorf("the set holds the private half %q", d)
	}
	l.JWKS()[0] = 'x'
	if l.JWKS()[0] != '{' {
		t.Error("a caller can change the set")
	}
}

func TestALocalTokenOfAnotherKeyOrAlgorithmIsRefused(t *testing.T) {
	l := openLocal(t, t.TempDir())
	v := localVerifier(t, l, documented)
	stranger := openLocal(t, t.TempDir())
	what := LocalToken{Email: "ada@example.com", TTL: time.Hour}
	refused(t, v, mint(t, stranger, what, documented), refuseKey)
	claims := object{"iss": LocalIssuerName, "sub": "email:ada@example.com", "iat": documented.Unix(), "exp": documented.Unix() + 60}
	refused(t, v, signer{l.kid, "EdDSA", stranger.key}.token(claims, nil), refuseSignature)
	refused(t, v, signer{l.kid, "RS256", rsaKeys()[0]}.token(claims, nil), refuseAlgorithm)
	own := signer{l.kid, "EdDSA", l.key}
	accepted(t, v, own.token(claims, nil))
	refused(t, v, own.token(claims, object{"typ": "at+jwt"}), refuseType)
	refused(t, v, own.token(claims, object{"typ": nil}), refuseType)
}

func TestTheLocalKeyOutlivesTheProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there", "yet")
	first := openLocal(t, dir)
	token := mint(t, first, LocalToken{Email: "ada@example.com", TTL: time.Hour}, documented)
	accepted(t, localVerifier(t, openLocal(t, dir), documented), token)
	info, err := os.Stat(filepath.Join(dir, localKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); mode != 0o600 {
		t.Errorf("mode %v, want 0600", mode)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v, %v; want the key only", entries, err)
	}
}

func TestAllWhoOpenAFreshFolderAtOnceHaveOneKey(t *testing.T) {
	for range 20 {
		dir := filepath.Join(t.TempDir(), "data")
		kids := make([]string, 16)
		begin := make(chan struct{})
		var openers sync.WaitGroup
		for i := range kids {
			openers.Go(func() {
				<-begin
				l, err := OpenLocalIssuer(dir, rand.Reader)
				if err != nil {
					t.Error(err)
					return
				}
				kids[i] = l.kid
			})
		}
		close(begin)
		openers.Wait()
		for _, kid := range kids {
			if kid != kids[0] || kid == "" {
				t.Fatalf("different keys: %v", kids)
			}
		}
	}
}

func TestALocalKeyThatIsNotSafeOrNotAKeyIsRefused(t *testing.T) {
	good := t.TempDir()
	openLocal(t, good)
	text, err := os.ReadFile(filepath.Join(good, localKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	rsaDER := must(x509.MarshalPKCS8PrivateKey(rsaKeys()[0]))
	for name, c := range map[string]struct {
		text []byte
		mode os.FileMode
		want string
	}{
		"read by the group": {text, 0o640, "chmod 600 issuer.key"},
		"read by all":       {text, 0o604, "chmod 600 issuer.key"},
		"written by others": {text, 0o602, "chmod 600 issuer.key"},
		"empty":             {nil, 0o600, "delete it"},
		"cut off":           {text[:len(text)/2], 0o600, "delete it"},
		"two keys":          {append(bytes.Clone(text), text...), 0o600, "delete it"},
		"an RSA key":        {pem.EncodeToMemory(&pem.Block{Type: localKeyBlock, Bytes: rsaDER}), 0o600, "delete it"},
		"another block":     {bytes.ReplaceAll(text, []byte("PRIVATE"), []byte("PUBLIC")), 0o600, "delete it"},
		"not a key":         {pem.EncodeToMemory(&pem.Block{Type: localKeyBlock, Bytes: []byte("x")}), 0o600, "delete it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, localKeyFile)
			if err := errors.Join(os.WriteFile(path, c.text, 0o600), os.Chmod(path, c.mode)); err != nil {
				t.Fatal(err)
			}
			_, err := OpenLocalIssuer(dir, rand.Reader)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got %v", err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, c.text) {
				t.Error("the file was changed")
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, localKeyFile), 0o700); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLocalIssuer(dir, rand.Reader); err == nil {
			t.Error("a folder was taken for a key")
		}
	})
}

func TestWithoutRandomnessNothingIsMade(t *testing.T) {
	dir := t.TempDir()
	broken := iotest.ErrReader(errors.New("no randomness"))
	if _, err := OpenLocalIssuer(dir, broken); err == nil {
		t.Error("a key was made of nothing")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
	openLocal(t, dir)
	l, err := OpenLocalIssuer(dir, broken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Mint(LocalToken{Email: "a@b.c", TTL: time.Hour}, documented); keypin.CodeOf(err) != keypin.CodeInternal {
		t.Errorf("got %v", err)
	}
}
