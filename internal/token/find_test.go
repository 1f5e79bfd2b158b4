package token_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/token"
)

func TestKeysAreFoundAndRedactedWhereverTheyStand(t *testing.T) {
	a, b, c := vectors[0].key, vectors[1].key, vectors[2].key
	// Two keys that overlap: the secret of the first ends in the prefix of the second.
	var inner, outer string
	for i := range 1000 {
		outer = withChecksum(fmt.Sprintf("op_%026d", i))
		if end := outer[len(outer)-2:]; end == strings.ToLower(end) && end[0] >= 'a' {
			inner = withChecksum(end + "_" + strings.Repeat("z", 26))
			break
		}
	}
	if inner == "" {
		t.Fatal("no overlapping pair was found")
	}
	for _, c := range []struct{ name, text, want string }{
		{"alone", a, "op_live_[redacted]"},
		{"in a sentence", "my key is " + a + ".", "my key is op_live_[redacted]."},
		{"in a URL", "https://x.test/?key=" + b + "&x=1", "https://x.test/?key=op_test_[redacted]&x=1"},
		{"glued to capitals", "XX" + a + "YY", "XXop_live_[redacted]YY"},
		{"glued to small letters", "xx" + c + "yy", "xxmkapi_[redacted]yy"},
		{"behind more words than a prefix has", "aa_bb_cc_" + a, "aa_bb_cc_op_live_[redacted]"},
		{"after a false start", "op_" + a, "op_op_live_[redacted]"},
		{"two, glued", a + b, "op_live_[redacted]op_test_[redacted]"},
		{"two, joined by an underscore", a + "_" + b, "op_live_[redacted]_op_test_[redacted]"},
		{"three", a + "," + b + "\n" + c, "op_live_[redacted],op_test_[redacted]\nmkapi_[redacted]"},
		{"in text that is not UTF-8", "\xff" + a + "\xfe", "\xffop_live_[redacted]\xfe"},
		{"overlapping", outer + inner[2:], "op_[redacted]_[redacted]"},
	} {
		if !token.Contains(c.text) {
			t.Errorf("%s: not found", c.name)
		}
		if got := token.Redact(c.text); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTextWithoutAKeyStaysAsItIs(t *testing.T) {
	a := vectors[0].key
	for _, s := range []string{
		"", "_", "hello", "op_live_", a[:len(a)-1], strings.Replace(a, "C0", "C1", 1), "op-live-xxxxxx-09BlC0",
		"op_test" + a[len("op_live"):], "[redacted]", "op_live_[redacted]", strings.Repeat("_", 100),
	} {
		if token.Contains(s) || token.Redact(s) != s {
			t.Errorf("%q: a key was found", s)
		}
	}
}

func TestHostileTextIsReadInLinearTime(t *testing.T) {
	word := strings.Repeat("a", 15)
	for name, piece := range map[string]string{
		"underscores":            "_",
		"letters":                "a",
		"letters in between":     "a_",
		"false keys":             "op_live_" + strings.Repeat("0", 32),
		"longest prefixes":       "a" + word + "_" + word + "_" + word + "_" + strings.Repeat("a", 16),
		"prefixes in the secret": "_" + strings.Repeat("a", 32),
		"runs one too short":     "aa_" + strings.Repeat("a", 31),
	} {
		const size = 64 << 10
		s := strings.Repeat(piece, size/len(piece))
		// Generous for a slow machine under the race detector; reading it in quadratic
		// time would take minutes. The best of three, so that a pause does not count.
		best := time.Hour
		for range 3 {
			began := time.Now()
			if token.Contains(s) || token.Redact(s) != s {
				t.Errorf("%s: a key was found", name)
			}
			best = min(best, time.Since(began))
		}
		if best > time.Second {
			t.Errorf("%s: %v for 64 KiB", name, best)
		}
	}
}

func FuzzRedact(f *testing.F) {
	seeds := 0
	add := func(before, body, behind string) { f.Add(before, body, behind); seeds++ }
	for _, v := range vectors {
		add("", v.key[:len(v.key)-6], "")
		add("x", v.key[:len(v.key)-6], "_"+v.key)
		add(v.key, v.key[:len(v.key)-6], v.key)
	}
	add("op_", "op_00000000000000000000000000", "_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")
	if seeds == 0 {
		f.Fatal("the seed corpus is empty")
	}
	f.Fuzz(func(t *testing.T, before, body, behind string) {
		key := withChecksum(body)
		s := before + key + behind
		got := token.Redact(s)
		if token.Contains(got) {
			t.Fatalf("Redact(%q) = %q still contains a key", s, got)
		}
		if token.Redact(got) != got {
			t.Fatalf("Redact(%q) = %q changes again", s, got)
		}
		if found := token.Contains(s); found != (got != s) || !found && isKey(key) {
			t.Fatalf("Redact(%q) = %q, but Contains is %t", s, got, found)
		}
	})
}
