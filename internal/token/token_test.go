package token_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

// The published vectors: a key, its parts, and its SHA-256.
var vectors = []struct{ key, prefix, suffix, hash string }{
	{"op_live_0000000000000000000000000009BlC0", "op_live", "09BlC0", "b6921fd9e7bcda1f9d55528807bbad28daba95cd1a3e53e89803314cf6c9ddf7"},
	{"op_test_zZ9aB8cC7dD6eE5fF4gG3hH2iI2Pylo5", "op_test", "2Pylo5", "c352034f1c552f06d03bba20e918e3866212070508693313b16aa3185d15bcf4"},
	{"mkapi_7Qm2XcV9sLk4TnB1pWy8RzE3uA0WEUpB", "mkapi", "0WEUpB", "f15491761b32b8245e52f0a1f9b93d07b437b8ed741c711dbbe59deeb35cf56d"},
}

// withChecksum completes prefix_random by the contract's words, with other means
// than the package's.
func withChecksum(body string) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	n, base, digit := big.NewInt(int64(crc32.ChecksumIEEE([]byte(body)))), big.NewInt(62), new(big.Int)
	sum := ""
	for range 6 {
		n.DivMod(n, base, digit)
		sum = string(alphabet[digit.Int64()]) + sum
	}
	return body + sum
}

var keyForm = regexp.MustCompile(`^(.*)_([0-9A-Za-z]{26})([0-9A-Za-z]{6})$`)

// isKey decides by the contract's words whether s is a key.
func isKey(s string) bool {
	m := keyForm.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	_, err := keypin.ParseKeyPrefix(m[1])
	return err == nil && withChecksum(m[1]+"_"+m[2]) == s
}

func TestThePublishedVectorsParse(t *testing.T) {
	for _, v := range vectors {
		got, ok := token.Parse(v.key)
		if !ok {
			t.Errorf("%s: refused", v.key)
			continue
		}
		want := token.Parsed{Prefix: v.prefix, Suffix: v.suffix}
		if _, err := hex.Decode(want.Hash[:], []byte(v.hash)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.key, diff)
		}
		if !token.LooksLikeKey(v.key) || !token.Contains(v.key) {
			t.Errorf("%s: not recognised", v.key)
		}
	}
}

func TestANewKeyParsesAndIsUnlikeTheOneBefore(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	seen := map[string]bool{}
	for _, prefix := range []string{"op_live", "op_read", "mkapi", "a1", "abcdefghijklmnop_abcdefghijklmno_123456789012345"} {
		for range 100 {
			secret, err := token.New(prefix, random)
			if err != nil {
				t.Fatal(err)
			}
			key := secret.Reveal()
			parsed, ok := token.Parse(key)
			if !ok || parsed.Prefix != prefix || len(key) != len(prefix)+1+token.SecretLength || !isKey(key) {
				t.Fatalf("%q with prefix %q: parsed %+v, %t", key, prefix, parsed, ok)
			}
			if seen[key] {
				t.Fatalf("%q was made twice", key)
			}
			seen[key] = true
		}
	}
}

func TestANewKeyIsRefusedABadPrefix(t *testing.T) {
	for _, prefix := range badPrefixes {
		if secret, err := token.New(prefix, rand.NewChaCha8([32]byte{})); err == nil || !secret.IsZero() {
			t.Errorf("%q: accepted", prefix)
		}
	}
}

func TestNoKeyIsMadeWhenRandomnessFails(t *testing.T) {
	broken := errors.New("broken")
	for name, random := range map[string]io.Reader{
		"fails at once":      iotest.ErrReader(broken),
		"fails in between":   io.MultiReader(bytes.NewReader(make([]byte, 10)), iotest.ErrReader(broken)),
		"ends":               bytes.NewReader(make([]byte, 25)),
		"only unusable":      repeat(0xff),
		"nothing but the no": repeat(248),
	} {
		if secret, err := token.New("op_live", random); err == nil || !secret.IsZero() {
			t.Errorf("%s: a key was made", name)
		}
	}
}

// repeat is an endless source of one byte.
type repeat byte

func (r repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r)
	}
	return len(p), nil
}

func TestASlowReaderMakesTheSameKey(t *testing.T) {
	whole, err := token.New("op_live", rand.NewChaCha8([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	slow, err := token.New("op_live", iotest.OneByteReader(rand.NewChaCha8([32]byte{7})))
	if err != nil {
		t.Fatal(err)
	}
	if whole.Reveal() != slow.Reveal() {
		t.Error("the key depends on how the randomness arrives")
	}
}

func TestEveryCharacterIsEquallyLikelyAtEveryPlace(t *testing.T) {
	const keys, places, letters = 20_000, 26, 62
	random := rand.NewChaCha8([32]byte{42})
	var perPlace [places][256]int
	var total [256]int
	for range keys {
		secret, err := token.New("op_live", random)
		if err != nil {
			t.Fatal(err)
		}
		for i, c := range []byte(secret.Reveal()[len("op_live_"):][:places]) {
			perPlace[i][c]++
			total[c]++
		}
	}
	// The 99.99 % point of chi-square with 61 degrees of freedom is 110.6. The seed is
	// fixed, so this either holds for ever or never.
	const critical = 110.6
	if x := chiSquare(total, keys*places, letters); x > critical {
		t.Errorf("over all places: chi-square %.1f > %.1f", x, critical)
	}
	for i := range perPlace {
		if x := chiSquare(perPlace[i], keys, letters); x > critical {
			t.Errorf("at place %d: chi-square %.1f > %.1f", i, x, critical)
		}
	}
}

func TestTheDistributionTestSeesABias(t *testing.T) {
	// byte % 62 without rejection: eight letters come 5 times in 256, not 4.
	const n = 500_000
	var counts [256]int
	random := rand.New(rand.NewChaCha8([32]byte{42}))
	for range n {
		counts[random.IntN(256)%62]++
	}
	if x := chiSquare(counts, n, 62); x < 1000 {
		t.Errorf("chi-square of a biased source is only %.1f", x)
	}
}

func chiSquare(counts [256]int, n, letters int) float64 {
	expected := float64(n) / float64(letters)
	sum, seen := 0.0, 0
	for _, c := range counts {
		if c > 0 {
			seen++
			sum += (float64(c) - expected) * (float64(c) - expected) / expected
		}
	}
	return sum + float64(letters-seen)*expected
}

var badPrefixes = []string{
	"", "a", "_", "op_", "_op", "op__live", "Op", "oP", "1p", "op-live", "op live", "öp",
	"a_b", "op_live_x_y", strings.Repeat("a", 17), "op_" + strings.Repeat("a", 16), "op\n", "\x00op",
}

func TestWhatIsNotAKeyDoesNotParse(t *testing.T) {
	good := vectors[0].key
	bad := []string{
		"", "_", good + "\n", " " + good, good + "0", good[1:], good[:len(good)-1],
		strings.ToUpper(good), strings.Replace(good, "C0", "C1", 1), "op_test" + good[len("op_live"):],
		strings.Replace(good, "_0", "-0", 1), strings.Replace(good, "_000", "_0é", 1), good + good,
		strings.Repeat("_", 40), strings.Repeat("a", 40), "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl",
	}
	for _, prefix := range badPrefixes {
		bad = append(bad, withChecksum(prefix+"_"+strings.Repeat("0", 26)))
	}
	for _, s := range bad {
		if got, ok := token.Parse(s); ok || got != (token.Parsed{}) {
			t.Errorf("%q: parsed as %+v", s, got)
		}
	}
}

func TestEveryMistypedCharacterIsNoticed(t *testing.T) {
	good := vectors[1].key
	for i := range len(good) {
		for _, c := range "0aZz_" {
			if s := good[:i] + string(c) + good[i+1:]; s != good {
				if _, ok := token.Parse(s); ok {
					t.Errorf("%q: parsed", s)
				}
			}
		}
	}
}

func TestAKeyWithAWrongChecksumStillLooksLikeOne(t *testing.T) {
	for s, want := range map[string]bool{
		"op_live_" + strings.Repeat("x", 32):                true,
		"op_live_" + strings.Repeat("x", 31):                false,
		"op_live_" + strings.Repeat("x", 33):                false,
		"oplive." + strings.Repeat("x", 32):                 false,
		"Bearer op_" + strings.Repeat("x", 32):              false,
		strings.Repeat("x", 1<<16):                          false,
		"eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1In0.c2lnbmF0dXJl": false,
	} {
		if got := token.LooksLikeKey(s); got != want {
			t.Errorf("LooksLikeKey(%.60q) = %t", s, got)
		}
	}
}

func TestReadingAKeyAllocatesNothing(t *testing.T) {
	key, text := vectors[0].key, "user agent 1.0 ("+vectors[0].key[:20]+") of_"+strings.Repeat("z", 40)
	if n := testing.AllocsPerRun(100, func() {
		_, ok := token.Parse(key)
		if !ok || token.Contains(text) || token.Redact(text) != text {
			t.Error("misread")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	seeds := 0
	add := func(s string) { f.Add(s); seeds++ }
	for _, v := range vectors {
		add(v.key)
		add(v.key[:len(v.key)-1] + "x")
	}
	for _, prefix := range badPrefixes {
		add(withChecksum(prefix + "_" + strings.Repeat("0", 26)))
	}
	if seeds < len(vectors)*2 {
		f.Fatal("the seed corpus is empty")
	}
	f.Fuzz(func(t *testing.T, s string) {
		// As it is, and completed to a key, so that the fuzzer gets past the checksum.
		for _, s := range []string{s, withChecksum(s)} {
			got, ok := token.Parse(s)
			if ok != isKey(s) {
				t.Fatalf("Parse(%q) = %t", s, ok)
			}
			if !ok {
				if got != (token.Parsed{}) {
					t.Fatalf("Parse(%q) failed and returned %+v", s, got)
				}
				continue
			}
			printed := withChecksum(got.Prefix + "_" + s[len(got.Prefix)+1:len(s)-6])
			if printed != s || got.Suffix != s[len(s)-6:] || got.Hash != sha256.Sum256([]byte(s)) {
				t.Fatalf("Parse(%q) = %+v, which prints as %q", s, got, printed)
			}
			if !token.LooksLikeKey(s) || !token.Contains(s) || token.Redact(s) != got.Prefix+"_[redacted]" {
				t.Fatalf("%q parses and is not recognised: %q", s, token.Redact(s))
			}
		}
	})
}

func ExampleRedact() {
	fmt.Println(token.Redact("curl -H 'X-API-Key: op_live_0000000000000000000000000009BlC0'"))
	// Output: curl -H 'X-API-Key: op_live_[redacted]'
}
