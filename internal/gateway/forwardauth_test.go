package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/gateway"
	"github.com/keypin/keypin/internal/keypin"
)

func TestForwardAuthTellsWhoWasLetIn(t *testing.T) {
	d := newDoors(t)
	want := func(n byte, more ...string) http.Header {
		h := http.Header{
			"Cache-Control":          {"no-store"},
			"X-Content-Type-Options": {"nosniff"},
			"X-Keypin-Code":          {"valid"},
			"X-Keypin-Key-Id":        {keypin.ID{15: n}.String()},
			"X-Keypin-Workspace-Id":  {keypin.ID{14: 1, 15: n}.String()},
			"X-Keypin-User-Id":       {keypin.ID{12: 1, 15: n}.String()},
			"X-Keypin-Scopes":        {"workflows:read voices:read"},
		}
		for i := 0; i+1 < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		return h
	}
	plain := d.add(t, nil)
	limit := d.add(t, limited(10))
	orphan := d.add(t, func(k *keypin.APIKey) { k.CreatedBy = nil })
	bare := d.add(t, func(k *keypin.APIKey) { k.Scopes = nil })
	ofOrphan, ofBare := want(3), want(4, "X-Keypin-Scopes", "")
	ofOrphan.Del("X-Keypin-User-Id")
	for name, c := range map[string]struct {
		query, header string
		want          http.Header
	}{
		"Bearer":           {"", "Authorization: Bearer " + plain, want(1)},
		"X-API-Key":        {"?scope=voices:read&scope=workflows%3aread&scope=voices:read", "X-API-Key: " + plain, want(1)},
		"deny":             {"?deny=403", "X-API-Key: " + plain, want(1)},
		"a deleted user":   {"", "X-API-Key: " + orphan, ofOrphan},
		"a key for naught": {"", "X-API-Key: " + bare, ofBare},
		"a limit": {"", "X-API-Key: " + limit, want(2, "X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "9", "X-RateLimit-Reset", fmt.Sprint(testNow.Add(time.Minute).Unix()),
			"RateLimit-Policy", `"default";q=10;w=60`, "RateLimit", `"default";r=9;t=60`)},
	} {
		w := d.ask(t, c.query, c.header)
		if w.Code != http.StatusOK || w.Body.Len() > 0 || d.counted() != "forward_auth valid" {
			t.Errorf("%s: %d %q, counted as %q", name, w.Code, w.Body, d.counted())
		}
		if id := w.Header().Get("X-Request-Id"); len(id) != 40 {
			t.Errorf("%s: the request id is %q", name, id)
		}
		w.Header().Del("X-Request-Id")
		if diff := cmp.Diff(c.want, w.Header()); diff != "" {
			t.Errorf("%s: headers (-want +got):\n%s", name, diff)
		}
	}
	if d.log.String() != "" {
		t.Errorf("it was logged: %s", d.log)
	}
}

func TestForwardAuthSaysNoInTheAPIsWords(t *testing.T) {
	d := newDoors(t)
	past := testNow.Add(-time.Hour)
	plain, one, far := d.add(t, nil), d.add(t, limited(1)), d.add(t, within("10.0.0.0/8"))
	revoked := d.add(t, func(k *keypin.APIKey) { k.RevokeAt = &past })
	inactive := d.add(t, func(k *keypin.APIKey) { k.Active = false })
	expired := d.add(t, func(k *keypin.APIKey) { k.ExpiresAt = &past })
	const invalid = `Bearer realm="keypin", error="invalid_token"`
	if w := d.ask(t, "", "X-API-Key: "+one); w.Code != http.StatusOK {
		t.Fatalf("answered %d", w.Code)
	}
	for i, c := range []struct {
		query, header string
		status        int
		code, outcome string // of the body, and of the header
		challenge     string
	}{
		{"", "X-Unknown: " + plain, 401, "unauthorized", "unauthorized", `Bearer realm="keypin"`},
		{"", "Authorization: Basic " + plain, 401, "unauthorized", "unauthorized", `Bearer realm="keypin"`},
		{"", "Authorization: Bearer " + plain + "x", 401, "unauthorized", "malformed", invalid},
		{"", "Authorization: Bearer " + plain + ",", 401, "unauthorized", "unauthorized", invalid},
		{"", "Authorization: Bearer op_live_0000000000000000000000000009BlC0", 401, "unauthorized", "not_found", invalid},
		{"", "X-API-Key: " + revoked, 401, "unauthorized", "revoked", invalid},
		{"", "X-API-Key: " + inactive, 401, "unauthorized", "inactive", invalid},
		{"", "X-API-Key: " + expired, 401, "unauthorized", "expired", invalid},
		{"?deny=403", "X-API-Key: " + expired, 401, "unauthorized", "expired", invalid},
		{"", "X-API-Key: " + far, 403, "forbidden", "ip_not_allowed", ""},
		{"?scope=voices:read&scope=voices:write&scope=voices:write&scope=uploads:write", "X-API-Key: " + plain, 403, "insufficient_scope", "insufficient_scope",
			`Bearer realm="keypin", error="insufficient_scope", scope="voices:write uploads:write"`},
		{"", "X-API-Key: " + one, 429, "rate_limited", "rate_limited", ""},
		{"?deny=403&scope=voices:read", "X-API-Key: " + one, 403, "rate_limited", "rate_limited", ""},
	} {
		w := d.ask(t, c.query, c.header)
		got := refusalOf(t, w.Body.String())
		if w.Code != c.status || got.Error.Code != c.code || w.Header().Get("X-Keypin-Code") != c.outcome || d.counted() != "forward_auth "+c.outcome {
			t.Errorf("%d: %d %s %v, counted as %q", i, w.Code, w.Body, w.Header(), d.counted())
		}
		if challenge := w.Header().Get("WWW-Authenticate"); challenge != c.challenge {
			t.Errorf("%d: the challenge is %s, want %s", i, challenge, c.challenge)
		}
		limits := map[bool]string{true: "60 1 0"}[c.code == "rate_limited"]
		if h := w.Header(); strings.TrimSpace(h.Get("Retry-After")+" "+h.Get("X-Ratelimit-Limit")+" "+h.Get("X-Ratelimit-Remaining")) != limits {
			t.Errorf("%d: the limit is told as %v", i, h)
		}
		for _, header := range []string{"X-Keypin-Key-Id", "X-Keypin-Workspace-Id", "X-Keypin-User-Id", "X-Keypin-Scopes"} {
			if w.Header()[header] != nil {
				t.Errorf("%d: who is refused is told by %s", i, header)
			}
		}
		if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Request-Id") != got.Meta.RequestID || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%d: headers %v", i, w.Header())
		}
		for _, sent := range []string{plain[8:30], one[8:30], far[8:30], revoked[8:30]} {
			if strings.Contains(fmt.Sprint(w.Body, w.Header()), sent) {
				t.Errorf("%d: a key comes back", i)
			}
		}
	}
	if d.log.String() != "" {
		t.Errorf("a client's faults are logged: %s", d.log)
	}
}

func TestWhatTheOperatorGotWrongIsToldByItsPlaceAndLetsNobodyIn(t *testing.T) {
	d := newDoors(t)
	key := d.add(t, nil)
	for query, want := range map[string][]string{
		"?scope=Nope":                                {"query.scope[0]"},
		"?scope=voices:read&scope=Nope&scope=":       {"query.scope[1]", "query.scope[2]"},
		"?scope=voices:read,workflows:read":          {"query.scope[0]"},
		"?scope=voices:read+workflows:read":          {"query.scope[0]"},
		"?scope":                                     {"query.scope[0]"},
		"?deny=429":                                  {"query.deny"},
		"?deny=":                                     {"query.deny"},
		"?deny=403&deny=403":                         {"query.deny"},
		"?Nope=1":                                    {"query"},
		"?scope=%zz&deny=Nope":                       {"query", "query.deny"},
		"?scope=voices:read;deny=403":                {"query"},
		"?SCOPE=voices:read":                         {"query"},
		"?scope=Nope&deny=Nope&Nope=Nope":            {"query.scope[0]", "query.deny", "query"},
		"?" + strings.Repeat("scope=Nope&", 100):     nil, // 64 of them
		"?scope=voices:read&" + "scope=%00voices%ff": {"query.scope[1]"},
	} {
		for range 2 { // nor the second time
			w := d.ask(t, query, "X-API-Key: "+key)
			got := refusalOf(t, w.Body.String())
			if w.Code != http.StatusUnprocessableEntity || got.Error.Code != "validation_error" || w.Header().Get("X-Keypin-Code") != "validation_error" {
				t.Errorf("%s: %d %s %v", query, w.Code, w.Body, w.Header())
			}
			if diff := cmp.Diff(want, got.fields()); want != nil && diff != "" || want == nil && len(got.fields()) != 64 {
				t.Errorf("%s (-want +got):\n%s", query, diff)
			}
			if strings.Contains(fmt.Sprint(w.Body, w.Header()), "Nope") {
				t.Errorf("%s: what was sent comes back: %s", query, w.Body)
			}
		}
	}
}

func TestForwardAuthBelievesTrustedProxiesAlone(t *testing.T) {
	d := newDoors(t)
	key := d.add(t, within("203.0.113.0/24"))
	for name, c := range map[string]struct {
		headers []string
		want    int
	}{
		"the client itself":                 {[]string{"Peer: 203.0.113.7:1"}, 200},
		"another client":                    {[]string{"Peer: 198.51.100.1:1"}, 403},
		"another that claims to be it":      {[]string{"Peer: 198.51.100.1:1", "X-Forwarded-For: 203.0.113.7"}, 403},
		"a proxy":                           {[]string{"Peer: 192.0.2.1:1"}, 403},
		"a proxy that tells":                {[]string{"Peer: 192.0.2.1:1", "X-Forwarded-For: 203.0.113.7"}, 200},
		"a proxy that tells of a liar":      {[]string{"Peer: 192.0.2.1:1", "X-Forwarded-For: 203.0.113.7, 198.51.100.1"}, 403},
		"a proxy that tells of another one": {[]string{"Peer: 192.0.2.1:1", "X-Forwarded-For: 203.0.113.7, 192.0.2.9"}, 200},
		"a proxy that passes a header on":   {[]string{"Peer: 192.0.2.1:1", "X-Forwarded-For: 198.51.100.1", "Forwarded: for=203.0.113.7"}, 403},
		"no address":                        {[]string{"Peer: @"}, 403},
	} {
		if w := d.ask(t, "", append(c.headers, "X-API-Key: "+key)...); w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

func TestAnyMethodIsAskedAboutAlike(t *testing.T) {
	d := newDoors(t)
	key := d.add(t, nil)
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "PROPFIND"} {
		if w := d.ask(t, "", "X-API-Key: "+key, "Method: "+method); w.Code != http.StatusOK || w.Header().Get("X-Keypin-Code") != "valid" {
			t.Errorf("%s: %d %v", method, w.Code, w.Header())
		}
		if w := d.ask(t, "", "Method: "+method); w.Code != http.StatusUnauthorized {
			t.Errorf("%s without a key: %d", method, w.Code)
		}
	}
}

func TestWhatAClientSaysThatWeSaidIsNotInTheAnswer(t *testing.T) {
	d := newDoors(t)
	key := d.add(t, func(k *keypin.APIKey) { k.CreatedBy = nil })
	spoofed := []string{"X-Keypin-Key-Id: spoofed", "X-Keypin-Workspace-Id: spoofed", "X-Keypin-User-Id: spoofed", "X-Keypin-Scopes: spoofed", "X-Keypin-Code: spoofed",
		"X-Keypin-Stale: spoofed", "X-Keypin-Token: spoofed", "X-Request-Id: spoofed", "X-RateLimit-Limit: spoofed"}
	for _, bearer := range []string{key, key + "x"} {
		w := d.ask(t, "", append(spoofed, "X-API-Key: "+bearer)...)
		if strings.Contains(fmt.Sprint(w.Body, w.Header()), "spoofed") || w.Header()["X-Keypin-User-Id"] != nil {
			t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
		}
	}
}

func TestACheckWhoseAskerWentAwayIsNoOutage(t *testing.T) {
	d := newDoors(t)
	key := d.add(t, nil)
	d.down = context.Canceled
	ctx, leave := context.WithCancel(t.Context())
	leave()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, gateway.ForwardAuthPath, nil)
	r.Header.Set("X-API-Key", key)
	d.ForwardAuth(httptest.NewRecorder(), r)
	if got := d.counted(); got != "" {
		t.Errorf("counted as %q", got)
	}
}

func TestWithoutAStoreForwardAuthRefusesOrSaysHowStaleItIs(t *testing.T) {
	d := newDoors(t)
	known, unseen := d.add(t, nil), d.add(t, nil)
	d.ask(t, "", "X-API-Key: "+known)
	d.down = errors.New("no such table")
	for _, query := range []string{"", "?deny=403"} { // what is not known is not forbidden
		w := d.ask(t, query, "X-API-Key: "+unseen)
		got := refusalOf(t, w.Body.String())
		if w.Code != http.StatusServiceUnavailable || got.Error.Code != "unavailable" || w.Header().Get("Retry-After") != "1" || w.Header().Get("X-Keypin-Code") != "unavailable" {
			t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
		}
		if strings.Contains(w.Body.String(), "table") || !strings.Contains(d.log.String(), got.Meta.RequestID) || !strings.Contains(d.log.String(), "no such table") {
			t.Errorf("answered %s, logged %s", w.Body, d.log)
		}
	}
	if w := d.ask(t, "", "X-API-Key: "+known); w.Code != http.StatusOK || w.Header()["X-Keypin-Stale"] != nil {
		t.Errorf("a key that is known: %d %v", w.Code, w.Header())
	}
	d.behind = 1500 * time.Millisecond
	if w := d.ask(t, "", "X-API-Key: "+known); w.Code != http.StatusOK || w.Header().Get("X-Keypin-Stale") != "2" {
		t.Errorf("a key that may be stale: %d %v", w.Code, w.Header())
	}
	// The scopes are judged by what is known, too.
	if w := d.ask(t, "?scope=voices:write", "X-API-Key: "+known); w.Code != http.StatusForbidden || w.Header().Get("X-Keypin-Stale") != "2" {
		t.Errorf("a key that may be stale, and lacks a scope: %d %v", w.Code, w.Header())
	}
}

func TestForwardAuthOfAHitAllocatesLittle(t *testing.T) {
	d := newDoors(t)
	key := d.add(t, limited(1_000_000))
	r := newForwardRequest(t, "?scope=voices:read", "Bearer "+key)
	w := &unread{header: http.Header{}}
	got := testing.AllocsPerRun(1000, func() {
		clear(w.header)
		d.answers = d.answers[:0]
		d.ForwardAuth(w, r)
	})
	const measured = 8 // one of them is how this test counts
	if got > measured {
		t.Errorf("%v allocations, want at most %d", got, measured)
	}
}
