package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/keypin/keypin/internal/token"
)

// secret is a value that must be found in the one answer that may hold it, and
// nowhere else.
type secret struct {
	name, value string
	// text says that nothing tells the value from any other word, so that a caller who
	// names a key after it gets what they asked for. It is not planted where people
	// write what they like, unless beside a character that no field takes.
	text bool

	plain map[string]string // how it can be written, by what that is; in lower case
	hash  map[string]string // how its SHA-256 can be written; in lower case
}

// newSecret knows a secret by its value and by heart, the part of it that is secret
// and without which the value is not there either.
func newSecret(name, value, heart string, text bool) secret {
	s := secret{name: name, value: value, text: text, plain: map[string]string{}, hash: map[string]string{}}
	s.plain["as it is"] = heart
	s.plain["in hex"] = hex.EncodeToString([]byte(heart))
	s.plain["in UTF-16LE"] = wide(heart, 0)
	s.plain["in UTF-16BE"] = wide(heart, 1)
	s.plain["backwards"] = backwards(heart)
	for shift := range 3 { // what stands before it moves it within base64's groups
		for kind, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			coded := e.EncodeToString([]byte(strings.Repeat("\x00", shift) + heart))
			s.plain["in "+kind+", shifted by "+strconv.Itoa(shift)] = coded[[]int{0, 2, 3}[shift] : len(coded)-4]
		}
	}
	sum := sha256.Sum256([]byte(value))
	s.hash["its SHA-256"] = string(sum[:])
	s.hash["its SHA-256 in hex"] = hex.EncodeToString(sum[:])
	s.hash["its SHA-256 in base64"] = base64.RawStdEncoding.EncodeToString(sum[:])
	s.hash["its SHA-256 in base64url"] = base64.RawURLEncoding.EncodeToString(sum[:])
	for _, ways := range []map[string]string{s.plain, s.hash} {
		for way, what := range ways {
			ways[way] = lower(what)
		}
	}
	return s
}

// lower is text in lower case, byte by byte: what is searched need not be UTF-8.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

func wide(s string, high int) string {
	b := make([]byte, 0, 2*len(s))
	for _, u := range utf16.Encode([]rune(s)) {
		pair := []byte{byte(u), byte(u >> 8)}
		b = append(b, pair[high], pair[1-high])
	}
	return string(b)
}

func backwards(s string) string {
	b := []byte(s)
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
	return string(b)
}

// searched is text in lower case: hex and addresses are written as one likes.
type searched string

func search(text string) searched { return searched(lower(text)) }

// plain lists the ways in which the secret itself is there.
func (s searched) plain(x secret) []string { return s.any(x.name, x.plain) }

// all lists the ways in which the secret or its hash is there.
func (s searched) all(x secret) []string { return append(s.plain(x), s.any(x.name, x.hash)...) }

func (s searched) any(name string, ways map[string]string) []string {
	var found []string
	for way, what := range ways {
		if strings.Contains(string(s), what) {
			found = append(found, name+" "+way)
		}
	}
	return found
}

// readFolder reads every file of a service's data folder, by its name.
func readFolder(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		files[entry.Name()] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A search that finds nothing proves something only if it would find.
func TestLeakSearchFindsASecretHoweverItIsWritten(t *testing.T) {
	const key, random = "op_live_0Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8Ii9ABCDEF", "0Aa1Bb2Cc3Dd4Ee5Ff6Gg7Hh8I"
	s := newSecret("key", key, random, false)
	sum := sha256.Sum256([]byte(key))
	var folder bytes.Buffer
	for shift := range 7 {
		before := strings.Repeat("x", shift)
		for name, c := range map[string]struct {
			text string
			hash bool
		}{
			"as it is":        {text: before + key + "."},
			"its random part": {text: before + random},
			"in capitals":     {text: before + strings.ToUpper(key)},
			"in hex":          {text: before + strings.ToUpper(hex.EncodeToString([]byte(key)))},
			"in base64":       {text: base64.StdEncoding.EncodeToString([]byte(before + key + "}"))},
			"in base64url":    {text: base64.URLEncoding.EncodeToString([]byte(before + key))},
			"in UTF-16":       {text: before + wide(key, 0)},
			"the hash":        {text: before + string(sum[:]), hash: true},
			"the hash in hex": {text: before + hex.EncodeToString(sum[:]), hash: true},
		} {
			folder.WriteString(c.text)
			if got := search(c.text).all(s); len(got) == 0 {
				t.Errorf("%s, behind %d others: not found", name, shift)
			}
			if got := search(c.text).plain(s); c.hash && len(got) > 0 {
				t.Errorf("%s is taken for the secret: %v", name, got)
			}
		}
	}
	if got := search("op_live_ and 0Aa1Bb2Cc3Dd").all(s); got != nil {
		t.Errorf("found %v where nothing is", got)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x-wal"), folder.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, content := range readFolder(t, dir) {
		if len(search(string(content)).plain(s)) == 0 || name != "x-wal" {
			t.Error("a secret in a file is not found")
		}
	}
	if token.Contains(key) {
		t.Error("the sample is a real key")
	}
}
