package httpapi

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
)

func testParser(t testing.TB, faults *keypin.Faults) *parser {
	t.Helper()
	registry, err := keypin.NewRegistry(keypin.DefaultScopes())
	if err != nil {
		t.Fatal(err)
	}
	return &parser{registry: registry, now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), faults: faults}
}

// decodeAs reads a body as an operation does.
func decodeAs[D, T any, PD bodyOf[D, T]](t testing.TB, body string) (T, keypin.Faults) {
	t.Helper()
	var faults keypin.Faults
	var d D
	decodeBody([]byte(body), &d, &faults)
	return PD(&d).parse(testParser(t, &faults)), dedupe(faults)
}

func TestEveryFaultOfABodyIsNamedAtOnce(t *testing.T) {
	_, faults := decodeAs[createKeyBody, admin.NewKey](t, `{"name": " ", "scopes": ["workflows:read", "nope", 7], "rate_limit_per_min": 1.5,
		"key_type": "public", "prefix": "UP", "expires_at": "2020-01-01T00:00:00Z", "allowed_ips": ["10.0.0.1/8"], "metadata": {"a": 1}, "colour": "red"}`)
	want := []string{"body.scopes[2]", "body.rate_limit_per_min", "body.metadata", "body", "body.name", "body.key_type", "body.prefix", "body.expires_at", "body.allowed_ips[0]"}
	var got []string
	for _, d := range faults {
		got = append(got, d.Field)
		for _, sent := range []string{"nope", "public", "UP", "2020-01-01", "10.0.0.1", "colour", "red"} {
			if strings.Contains(d.Message, sent) && d.Field != "body.key_type" {
				t.Errorf("%s repeats what was sent: %s", d.Field, d.Message)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields at fault (-want +got):\n%s", diff)
	}
}

func TestMalformedJSONIsOneFaultThatSaysWhere(t *testing.T) {
	for name, body := range map[string]string{
		"empty":              ``,
		"truncated":          `{"name": "x"`,
		"not an object":      `[]`,
		"null":               `null`,
		"two values":         `{} {}`,
		"trailing rubbish":   `{"name": "x"} x`,
		"trailing delimiter": `{"name": "x"}}`,
		"duplicate name":     `{"name": "x", "name": "y"}`,
		"duplicate, escaped": `{"name": "x", "n\u0061me": "y"}`,
		"duplicate, nested":  `{"name": "x", "metadata": {"a": "1", "a": "2"}}`,
		"invalid UTF-8":      "{\"name\": \"\xff\"}",
		"raw control":        "{\"name\": \"a\x00b\"}",
		"deep":               `{"name": ` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		"deep, never closed": strings.Repeat(`{"a":`, 10_000),
		"single quotes":      `{'name': 'x'}`,
		"half a character":   `{"name": "a\ud800b"}`,
		"the other half":     `{"name": "a\udc00"}`,
		"halves swapped":     `{"name": "\udc00\ud800"}`,
		"NaN":                `{"rate_limit_per_min": NaN}`,
		"comment":            `{"name": "x" /* y */}`,
	} {
		t.Run(name, func(t *testing.T) {
			var faults keypin.Faults
			var d createKeyBody
			decodeBody([]byte(body), &d, &faults)
			if len(faults) != 1 || faults[0].Field != "body" {
				t.Errorf("got %v, want one fault of body", faults)
			}
		})
	}
}

func TestNullLeavesOrClearsAsTheFieldHasIt(t *testing.T) {
	patch, faults := decodeAs[updateKeyBody, admin.KeyPatch](t,
		`{"name": null, "scopes": null, "active": null, "rate_limit_per_min": null, "expires_at": null, "allowed_ips": null, "metadata": null}`)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if patch.Name != nil || patch.Scopes != nil || patch.Active != nil {
		t.Errorf("null changed a field that it must leave: %+v", patch)
	}
	if patch.RateLimit == nil || *patch.RateLimit != nil || patch.ExpiresAt == nil || *patch.ExpiresAt != nil {
		t.Errorf("null did not clear rate_limit_per_min and expires_at: %+v", patch)
	}
	if patch.AllowedIPs == nil || len(*patch.AllowedIPs) != 0 || patch.Metadata == nil || len(*patch.Metadata) != 0 {
		t.Errorf("null did not empty allowed_ips and metadata: %+v", patch)
	}
}

func TestAnEmptyPatchChangesNothing(t *testing.T) {
	patch, faults := decodeAs[updateKeyBody, admin.KeyPatch](t, `{}`)
	if diff := cmp.Diff(admin.KeyPatch{}, patch); diff != "" || len(faults) > 0 {
		t.Errorf("patch (-want +got):\n%s\nfaults: %v", diff, faults)
	}
}

func TestARateLimitIsAWholeNumberHoweverItIsWritten(t *testing.T) {
	for body, want := range map[string]int{`100`: 100, `1e2`: 100, `100.0`: 100, `1`: 1, `1000000`: 1_000_000} {
		n, faults := decodeAs[createKeyBody, admin.NewKey](t, `{"name": "x", "rate_limit_per_min": `+body+`}`)
		if len(faults) > 0 || n.RateLimit == nil || *n.RateLimit != want {
			t.Errorf("%s: got %v, %v", body, n.RateLimit, faults)
		}
	}
	for _, body := range []string{`0`, `-1`, `1.5`, `1e9`, `"100"`, `true`, `[]`, `1e400`, `9223372036854775808`} {
		if _, faults := decodeAs[createKeyBody, admin.NewKey](t, `{"name": "x", "rate_limit_per_min": `+body+`}`); len(faults) != 1 || faults[0].Field != "body.rate_limit_per_min" {
			t.Errorf("%s: got %v, want one fault of body.rate_limit_per_min", body, faults)
		}
	}
}

func TestACharacterMayBeEscapedInTwoHalves(t *testing.T) {
	for body, want := range map[string]string{`\ud83d\udd11`: "🔑", `\\ud800`: `\ud800`, `\\\ud83d\udd11`: `\🔑`} {
		n, faults := decodeAs[createKeyBody, admin.NewKey](t, `{"name": "`+body+`"}`)
		if len(faults) > 0 || n.Name != want {
			t.Errorf("%s: %q, %v", body, n.Name, faults)
		}
	}
}

func TestTimesAreThoseOfRFC3339(t *testing.T) {
	for at, ok := range map[string]bool{
		"2099-01-01T00:00:00Z": true, "2099-01-01t00:00:00z": true, "2099-01-01T00:00:00.123456789+23:59": true, "2099-01-01T00:00:00-00:00": true,
		"2099-01-01T00:00:00+24:00": false, "2099-01-01T00:00:00,5Z": false, "2099-01-01 00:00:00Z": false, "2099-13-01T00:00:00Z": false,
		"2099-02-30T00:00:00Z": false, "2099-01-01T24:00:00Z": false, "2099-01-01": false, "0000-01-01T00:00:00+23:59": false, "9999-12-31T23:59:59-23:59": false, "": false,
	} {
		if _, faults := decodeAs[createKeyBody, admin.NewKey](t, `{"name": "x", "expires_at": "`+at+`"}`); (len(faults) == 0) != ok {
			t.Errorf("%q: %v", at, faults)
		}
	}
}

func TestOnlyOurOwnETagsMatch(t *testing.T) {
	for header, want := range map[string][]int64{
		"": nil, "*": nil, `"v1"`: {1}, `"v1", "v22"`: {1, 22}, `W/"v1"`: {}, `"v01"`: {}, `"v+1"`: {}, `"v1`: {}, `v1`: {}, `"v99999999999999999999"`: {},
	} {
		if diff := cmp.Diff(want, IfMatchHeader{IfMatch: header}.versions()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", header, diff)
		}
	}
}

func TestNamesAreCountedInCodePointsAfterTrimming(t *testing.T) {
	for name, c := range map[string]struct {
		in string
		ok bool
	}{
		"emoji":                 {strings.Repeat("🔑", 120), true},
		"too many emoji":        {strings.Repeat("🔑", 121), false},
		"combining marks":       {strings.Repeat("e\u0301", 60), true},
		"too many marks":        {strings.Repeat("e\u0301", 61), false},
		"spaces around":         {"   x\u00a0\u2003", true},
		"long only with spaces": {strings.Repeat(" ", 60) + strings.Repeat("x", 120) + "  ", true},
		"spaces only":           {" \u3000 ", false},
		"a line break":          {"a\\nb", false},
		"NUL":                   {"a\\u0000b", false},
		"delete":                {"a\\u007fb", false},
		"a key":                 {"my op_live_0000000000000000000000000009BlC0 key", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, faults := decodeAs[createKeyBody, admin.NewKey](t, `{"name": "`+c.in+`"}`)
			if ok := len(faults) == 0; ok != c.ok {
				t.Errorf("accepted: %v, want %v (%v)", ok, c.ok, faults)
			}
		})
	}
}

func TestTheNumberOfFaultsInOneAnswerIsBounded(t *testing.T) {
	_, faults := decodeAs[createKeyBody, admin.NewKey](t, `{"name": "x", "scopes": [`+strings.Repeat(`"no",`, maxScopes-1)+`"no"]}`)
	if len(faults) != maxFaults {
		t.Errorf("got %d faults, want %d", len(faults), maxFaults)
	}
}

func FuzzUpdateKeyBody(f *testing.F) {
	seeds := []string{`{}`, `{"name": null}`, `{"name": "x", "scopes": ["voices:read"], "rate_limit_per_min": 5, "active": false}`,
		`{"expires_at": "2099-01-01T00:00:00+02:00", "allowed_ips": ["::1", "10.0.0.0/8"], "metadata": {"a": "b"}}`, `{"a": 1, "a": 2}`, `[`, "\xff"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var faults keypin.Faults
		var d updateKeyBody
		decodeBody(body, &d, &faults)
		patch := d.parse(testParser(t, &faults))
		if len(faults) > 0 {
			return
		}
		if patch.Name != nil {
			if again, err := keypin.ParseKeyName(*patch.Name); err != nil || again != *patch.Name {
				t.Errorf("accepted a name that does not read back the same: %q", *patch.Name)
			}
		}
		if patch.RateLimit != nil && *patch.RateLimit != nil && keypin.CheckRateLimit(int64(**patch.RateLimit)) != nil {
			t.Errorf("accepted a rate limit of %d", **patch.RateLimit)
		}
	})
}

func FuzzIdempotencyKey(f *testing.F) {
	seeds := []string{"8e03978e-40d5-43dd-bc93-6894a57f9324", `"quoted-key"`, `"`, `""`, "short", strings.Repeat("k", 256), "naïve-key-1", "a b c d e f"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var faults keypin.Faults
		key := readIdempotencyKey(s, &faults)
		if len(faults) > 0 {
			if !key.IsZero() {
				t.Error("a refused key came back")
			}
			return
		}
		if v := key.Reveal(); len(v) < 8 || len(v) > 255 || (v != s && `"`+v+`"` != s) {
			t.Errorf("%q was read as %q", s, v)
		}
	})
}

func FuzzAddressRange(f *testing.F) {
	seeds := []string{"203.0.113.7", "203.0.113.0/24", "::1", "2001:db8::/32", "::ffff:10.0.0.1", "10.0.0.1/8", "fe80::1%eth0", "0.0.0.0/0", "/", "1.2.3.4/33"}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := keypin.ParseAddressRange(s)
		if err != nil {
			if p.IsValid() {
				t.Error("a refused range came back")
			}
			return
		}
		again, err := keypin.ParseAddressRange(keypin.FormatAddressRange(p))
		if err != nil || again != p {
			t.Errorf("%q prints as %q, which does not read back the same", s, keypin.FormatAddressRange(p))
		}
	})
}
