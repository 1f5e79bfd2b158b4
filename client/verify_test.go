package client

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestAVerificationAsksForWhatItIsGiven(t *testing.T) {
	for name, c := range map[string]struct {
		params VerifyParams
		want   string
	}{
		"a key alone":     {VerifyParams{Key: NewSecret("k")}, `{"key":"k"}`},
		"an empty key":    {VerifyParams{}, `{"key":""}`},
		"a cost of 0":     {VerifyParams{Key: NewSecret("k"), Cost: new(0)}, `{"key":"k","cost":0}`},
		"everything":      {VerifyParams{NewSecret("k"), []string{"a:read"}, netip.MustParseAddr("203.0.113.7"), new(5), 400 * time.Millisecond, "curl/8"}, `{"key":"k","scopes":["a:read"],"client_ip":"203.0.113.7","cost":5,"hold_ms":400,"user_agent":"curl/8"}`},
		"a mapped IPv4":   {VerifyParams{Key: NewSecret("k"), ClientIP: netip.MustParseAddr("::ffff:203.0.113.7")}, `{"key":"k","client_ip":"203.0.113.7"}`},
		"an address zone": {VerifyParams{Key: NewSecret("k"), ClientIP: netip.MustParseAddr("fe80::1%eth0")}, `{"key":"k","client_ip":"fe80::1"}`},
		"part of a ms":    {VerifyParams{Key: NewSecret("k"), Hold: time.Microsecond}, `{"key":"k","hold_ms":1}`},
		"a long agent":    {VerifyParams{Key: NewSecret("k"), UserAgent: strings.Repeat("é", 600)}, `{"key":"k","user_agent":"` + strings.Repeat("é", 512) + `"}`},
	} {
		kp, s := scripted(t, nil, answers(200, `{"data":{"valid":true,"code":"valid"}}`))
		if v, err := kp.Keys.Verify(t.Context(), c.params); err != nil || !v.Valid || s.sent[0] != c.want {
			t.Errorf("%s: sent %s, want %s; %v", name, s.sent[0], c.want, err)
		}
	}
}

func TestOnlyAWholeYesIsAYes(t *testing.T) {
	for body, want := range map[string]bool{
		`{"data":{"valid":true,"code":"valid","api_key":{"id":"` + testID + `","allowed_ips":["10.0.0.0/8"]},"rate_limit":{"limit":5,"remaining":4,"reset_at":"2026-04-25T12:01:00Z"}}}`: true,
		`{"data":{"valid":false,"code":"revoked","api_key":null,"rate_limit":null}}`:                                                                                                     false,
		`{"data":{"valid":true,"code":"revoked"}}`: false,
		`{"data":{"valid":false,"code":"valid"}}`:  false,
		`{"data":{"valid":true}}`:                  false,
		`{"data":{}}`:                              false,
	} {
		kp, _ := scripted(t, nil, answers(200, body))
		v, err := kp.Keys.Verify(t.Context(), VerifyParams{Key: NewSecret("k")})
		if err != nil || v.Valid != want {
			t.Errorf("%s: %+v, %v", body, v, err)
		}
		if want && (v.APIKey.AllowedIPs[0] != "10.0.0.0/8" || v.RateLimit.Remaining != 4) {
			t.Errorf("%+v", v)
		}
	}
}
