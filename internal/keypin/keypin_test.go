package keypin

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestIDsSortByTheTimeTheyWereMade(t *testing.T) {
	early, err := NewID(noon, strings.NewReader(strings.Repeat("\xff", 10)))
	if err != nil {
		t.Fatal(err)
	}
	late, err := NewID(noon.Add(time.Millisecond), strings.NewReader(strings.Repeat("\x00", 10)))
	if err != nil {
		t.Fatal(err)
	}
	if early.String() >= late.String() {
		t.Errorf("%s does not sort before %s", early, late)
	}
	if v := early.String()[14]; v != '7' {
		t.Errorf("version %c, want 7", v)
	}
	if _, err := NewID(noon, strings.NewReader("short")); err == nil {
		t.Error("an id was made without enough randomness")
	}
}

func TestAnIDReadsBackWhatItPrints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var id ID
		copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		for _, s := range []string{id.String(), strings.ToUpper(id.String())} {
			if got, err := ParseID(s); err != nil || got != id {
				t.Fatalf("%s: %v, %v", s, got, err)
			}
		}
	})
	for _, s := range []string{"", "123", "3fa85f6457174562b3fc2c963f66afa6", "{3fa85f64-5717-4562-b3fc-2c963f66afa6}", "3fa85f64-5717-4562-b3fc-2c963f66afag", "3fa85f64-5717-4562-b3fc-2c963f66afa6 "} {
		if _, err := ParseID(s); err == nil {
			t.Errorf("%q was read as an id", s)
		}
	}
}

func TestASecretCannotBePrintedLoggedOrMarshalled(t *testing.T) {
	s := NewSecret("op_live_plain")
	holder := struct{ S Secret }{s}
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "s", s, "h", holder)
	j, err := json.Marshal(map[string]any{"s": s, "h": holder, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	b.Write(j)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&b, verb+" "+verb+" "+verb, s, holder, &s)
	}
	fmt.Fprint(&b, errors.New(fmt.Sprint(s)))
	if strings.Contains(b.String(), "plain") || strings.Contains(b.String(), fmt.Sprintf("%x", "plain")) {
		t.Errorf("the secret came out: %s", b.String())
	}
	if s.Reveal() != "op_live_plain" {
		t.Error("Reveal does not reveal")
	}
}

func TestAKeyIsInExactlyOneState(t *testing.T) {
	past, future := noon.Add(-time.Second), noon.Add(time.Second)
	for name, c := range map[string]struct {
		key  APIKey
		want KeyState
	}{
		"plain":                       {APIKey{Active: true}, KeyUsable},
		"suspended":                   {APIKey{}, KeySuspended},
		"expires later":               {APIKey{Active: true, ExpiresAt: &future}, KeyUsable},
		"expires now":                 {APIKey{Active: true, ExpiresAt: &noon}, KeyExpired},
		"expired":                     {APIKey{Active: true, ExpiresAt: &past}, KeyExpired},
		"suspended and expired":       {APIKey{ExpiresAt: &past}, KeySuspended},
		"revoked":                     {APIKey{Active: true, RevokeAt: &past}, KeyRevoked},
		"revoked now":                 {APIKey{Active: true, RevokeAt: &noon}, KeyRevoked},
		"in grace":                    {APIKey{Active: true, RevokeAt: &future, ExpiresAt: &future}, KeyUsable},
		"revoked by a faster clock":   {APIKey{RevokeAt: &future, UpdatedAt: future}, KeyRevoked},
		"revoked, suspended, expired": {APIKey{RevokeAt: &past, ExpiresAt: &past}, KeyRevoked},
	} {
		if got := c.key.State(noon); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestAllowedAddresses(t *testing.T) {
	k := APIKey{AllowedIPs: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::1/128")}}
	for ip, want := range map[string]bool{"203.0.113.9": true, "::ffff:203.0.113.9": true, "203.0.114.1": false, "2001:db8::1": true, "2001:db8::2": false} {
		if got := k.AllowsIP(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %v, want %v", ip, got, want)
		}
	}
	if k.AllowsIP(netip.Addr{}) {
		t.Error("an unknown address was allowed")
	}
	if !(&APIKey{}).AllowsIP(netip.Addr{}) {
		t.Error("a key without a list refused an address")
	}
}

func TestScopesAreDeduplicatedInRegistryOrder(t *testing.T) {
	r, err := NewRegistry(DefaultScopes())
	if err != nil {
		t.Fatal(err)
	}
	got, unknown := r.Normalize([]Scope{"templates:read", "nope", "workflows:read", "voices:read", "workflows:read", "NOPE"})
	if diff := cmp.Diff([]Scope{"workflows:read", "voices:read", "templates:read"}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1, 5}, unknown); diff != "" {
		t.Error(diff)
	}
	if n := len(r.All()); n != 14 {
		t.Errorf("%d scopes, want the 11 of the product and Keypin's 3", n)
	}
}

func TestABadRegistryIsRefusedWithTheField(t *testing.T) {
	for want, infos := range map[string][]ScopeInfo{
		"scopes[0].name":        {{"Invoices:Read", "x"}},
		"scopes[1].name":        {{"invoices:read", "x"}, {"invoices:read", "y"}},
		"scopes[0].description": {{"invoices:read", " "}},
	} {
		if _, err := NewRegistry(infos); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want a fault of %s", err, want)
		}
	}
	if _, err := NewRegistry([]ScopeInfo{{ScopeKeysWrite, "x"}}); err == nil {
		t.Error("a deployment redefined one of Keypin's scopes")
	}
}

func TestPrefixesSlugsEmailsAndLanguages(t *testing.T) {
	for _, c := range []struct {
		name  string
		parse func(string) (string, error)
		good  []string
		bad   []string
	}{
		{"prefix", ParseKeyPrefix, []string{"op_live", "mkapi", "a1_b_c", "abcdefghijklmnop"},
			[]string{"", "a", "1a", "A", "op__live", "op_", "_op", "a1_b_c_d", "abcdefghijklmnopq", "op-live", "op_live\n"}},
		{"slug", ParseSlug, []string{"a", "acme", "acme-2", strings.Repeat("a", 50)}, []string{"", "-a", "a-", "a--b", "A", "a_b", strings.Repeat("a", 51), "a\n"}},
		{"e-mail", ParseEmail, []string{"ada@example.com", "a+b@x", "`a`@x"}, []string{"", "ada", "@x", "a@", "a b@x", "a@x y", "a@-x", strings.Repeat("a", 65) + "@x", "a@" + strings.Repeat("x.", 130) + "x"}},
		{"language", ParseLanguage, []string{"en", "pt-BR", "zh-Hant-TW"}, []string{"", "EN", "e", "en_US", "en-"}},
	} {
		for _, s := range c.good {
			if got, err := c.parse(s); err != nil || got != s {
				t.Errorf("%s %q: %q, %v", c.name, s, got, err)
			}
		}
		for _, s := range c.bad {
			if _, err := c.parse(s); err == nil {
				t.Errorf("%s %q was accepted", c.name, s)
			} else if s != "" && strings.Contains(err.Error(), s) && len(s) > 3 {
				t.Errorf("%s: the error repeats what was sent: %v", c.name, err)
			}
		}
	}
}

func TestASlugIsMadeOfAnyName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if s := SlugOf(rapid.String().Draw(t, "name")); s == "" || len(s) > MaxSlug {
			t.Fatalf("%q", s)
		} else if _, err := ParseSlug(s); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
	})
	if got := SlugOf("  Ada's Team — 2 "); got != "ada-s-team-2" {
		t.Error(got)
	}
}

func TestCodeOfFindsTheErrorInAChain(t *testing.T) {
	if got := CodeOf(fmt.Errorf("while x: %w", NotFound())); got != CodeNotFound {
		t.Error(got)
	}
	if got := CodeOf(errors.New("x")); got != CodeInternal {
		t.Error(got)
	}
	if got := CodeOf(nil); got != "" {
		t.Error(got)
	}
}
