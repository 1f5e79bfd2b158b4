package httpapi

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/ratelimit"
	"github.com/keypin/keypin/internal/token"
	"github.com/keypin/keypin/internal/verify"
)

const testEpoch = "00112233445566778899aabb"

var testNow = time.Date(2026, 5, 6, 7, 8, 9, 123456789, time.UTC)

// dataDoor is DataVerify with keys of its own. It is a verify.KeySource, a
// verify.Freshness and an Observer.
type dataDoor struct {
	http.Handler
	log *bytes.Buffer

	mu      sync.Mutex
	keys    map[keypin.KeyHash]*keypin.APIKey
	down    error         // what the source answers instead
	behind  time.Duration // how long ago the cache was fresh
	answers []string      // the codes that were counted
}

func newDataDoor(t testing.TB) *dataDoor {
	t.Helper()
	d := &dataDoor{log: &bytes.Buffer{}, keys: map[keypin.KeyHash]*keypin.APIKey{}}
	registry, err := keypin.NewRegistry(keypin.DefaultScopes())
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return testNow }
	cache, err := verify.NewCache(verify.CacheOptions{Source: d, Freshness: d, Clock: clock, MaxBytes: 1 << 20, ServeStale: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	d.Handler = New(Options{
		Keys:     verify.New(verify.Options{Keys: cache, Limiter: ratelimit.NewMemory(testNow)}),
		Registry: registry, Clock: clock, Random: rand.NewChaCha8([32]byte{1}), Observer: d, Epoch: testEpoch,
		Logger: slog.New(slog.NewTextHandler(d.log, nil)),
	}).DataVerify()
	return d
}

func (d *dataDoor) KeyByHash(_ context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.down != nil {
		return nil, d.down
	}
	if key, ok := d.keys[hash]; ok {
		return key, nil
	}
	return nil, keypin.NotFound()
}

func (d *dataDoor) AsOf(now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Add(-d.behind)
}

func (d *dataDoor) ObserveRequest(string, string, int, time.Duration) {}

func (d *dataDoor) Door(name string) func(string, time.Duration) {
	return func(code string, took time.Duration) {
		d.mu.Lock()
		defer d.mu.Unlock()
		if name == "verify" && took >= 0 {
			d.answers = append(d.answers, code)
		}
	}
}

// add makes a key that may be used by all but what change does to it.
func (d *dataDoor) add(t testing.TB, change func(*keypin.APIKey)) string {
	t.Helper()
	n := byte(len(d.keys) + 1)
	secret, err := token.New("op_live", rand.NewChaCha8([32]byte{n}))
	if err != nil {
		t.Fatal(err)
	}
	key := &keypin.APIKey{
		ID: keypin.ID{15: n}, WorkspaceID: keypin.ID{14: 1, 15: n}, ChainID: keypin.ID{13: 1, 15: n},
		Name: "it's \"mine\"", Type: "live", Scopes: []keypin.Scope{"workflows:read", "voices:read"}, Active: true,
	}
	if change != nil {
		change(key)
	}
	d.keys[sha256.Sum256([]byte(secret.Reveal()))] = key
	return secret.Reveal()
}

// post sends a body with headers, "Name: value".
func (d *dataDoor) post(t testing.TB, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, VerifyPath, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if r.Header.Del(name); value != "" {
			r.Header.Set(name, value)
		}
	}
	return d.serve(r)
}

func (d *dataDoor) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

// refusal is an error's answer.
type refusal struct {
	Error struct {
		Code    string
		Message string
		Details []struct{ Field, Message string }
	}
	Meta struct {
		RequestID string `json:"request_id"`
		Timestamp time.Time
	}
}

func refusalOf(t testing.TB, body []byte) refusal {
	t.Helper()
	var r refusal
	if err := strictly(body, &r); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return r
}

func (r refusal) fields() []string {
	var out []string
	for _, d := range r.Error.Details {
		out = append(out, d.Field)
	}
	return out
}

func TestEveryOutcomeOfACheckIsAnsweredOnTheDataListener(t *testing.T) {
	d := newDataDoor(t)
	past, minute := testNow.Add(-time.Hour), testNow.Add(time.Minute)
	limited := func(n int) func(*keypin.APIKey) { return func(k *keypin.APIKey) { k.RateLimit = &n } }
	good := d.add(t, limited(10))
	away := d.add(t, func(k *keypin.APIKey) { k.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")} })
	for i, c := range []struct {
		code, body string
		limit      string
		key        bool
	}{
		{"valid", `{"key":"` + good + `","scopes":["voices:read"],"cost":3,"hold_ms":1000,"user_agent":"curl/8"}`, `{"limit":10,"remaining":7,"reset_at":"2026-05-06T07:09:09.123456Z"}`, true},
		{"valid", `{"key":"` + good + `","cost":0,"user_agent":"` + strings.Repeat("é", 512) + `"}`, `{"limit":10,"remaining":7,"reset_at":"2026-05-06T07:09:09.123456Z"}`, true},
		{"rate_limited", `{"key":"` + good + `","cost":8}`, `{"limit":10,"remaining":7,"reset_at":"2026-05-06T07:09:09.123456Z"}`, true},
		{"insufficient_scope", `{"key":"` + good + `","scopes":["workflows:read","voices:write"]}`, "null", true},
		{"valid", `{"key":"` + d.add(t, nil) + `"}`, "null", true},
		{"valid", `{"key":"` + away + `","client_ip":"10.1.2.3"}`, "null", true},
		{"valid", `{"key":"` + away + `","client_ip":"::ffff:10.1.2.3"}`, "null", true},
		{"ip_not_allowed", `{"key":"` + away + `","client_ip":"2001:db8::1"}`, "null", true},
		{"ip_not_allowed", `{"key":"` + away + `","client_ip":null}`, "null", true},
		{"revoked", `{"key":"` + d.add(t, func(k *keypin.APIKey) { k.RevokeAt = &past }) + `"}`, "null", true},
		{"valid", `{"key":"` + d.add(t, func(k *keypin.APIKey) { k.RevokeAt = &minute }) + `"}`, "null", true},
		{"inactive", `{"key":"` + d.add(t, func(k *keypin.APIKey) { k.Active = false }) + `"}`, "null", true},
		{"expired", `{"key":"` + d.add(t, func(k *keypin.APIKey) { k.ExpiresAt = &past }) + `"}`, "null", true},
		{"not_found", `{"key":"op_live_0000000000000000000000000009BlC0"}`, "null", false},
		{"malformed", `{"key":"op_live_0000000000000000000000000009BlC1"}`, "null", false},
		{"malformed", `{"key":""}`, "null", false},
		{"malformed", `{"key":"` + strings.Repeat("é", 4096) + `"}`, "null", false},
	} {
		w := d.post(t, c.body)
		var got struct {
			Data struct {
				Valid     bool
				Code      string
				APIKey    *struct{ Name string } `json:"api_key"`
				RateLimit json.RawMessage        `json:"rate_limit"`
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		if w.Code != http.StatusOK || got.Data.Code != c.code || got.Data.Valid != (c.code == "valid") {
			t.Errorf("%d: answered %d %s, want %s", i, w.Code, w.Body, c.code)
		}
		if (got.Data.APIKey != nil) != c.key || c.key && got.Data.APIKey.Name != `it's "mine"` || string(got.Data.RateLimit) != c.limit {
			t.Errorf("%d: %s is answered with %s", i, c.code, w.Body)
		}
		if d.answers[len(d.answers)-1] != c.code {
			t.Errorf("%d: counted as %v", i, d.answers)
		}
		want := http.Header{
			"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"},
			"X-Keypin-Epoch": {testEpoch}, "X-Request-Id": w.Header()["X-Request-Id"],
		}
		if diff := cmp.Diff(want, w.Header()); diff != "" {
			t.Errorf("%d: headers (-want +got):\n%s", i, diff)
		}
	}
	if d.log.Len() > 0 {
		t.Errorf("it was logged: %s", d.log)
	}
}

func TestABadCheckIsToldAllThatIsWrongWithIt(t *testing.T) {
	d := newDataDoor(t)
	key := d.add(t, nil)
	for _, c := range []struct {
		body, query string
		fields      []string
	}{
		{`{"key":7,"scopes":["workflows:read","Nope",1],"client_ip":"Nope","cost":1001,"hold_ms":-1,"user_agent":"` + strings.Repeat("Nope", 129) + `","Nope":1}`,
			"Nope=1", []string{"query", "body.key", "body.scopes[2]", "body", "body.client_ip", "body.cost", "body.hold_ms", "body.user_agent"}},
		{`{"scopes":["Nope","workflows:read","Nope"],"client_ip":"fe80::1%Nope"}`, "", []string{"body.key", "body.scopes[0]", "body.scopes[2]", "body.client_ip"}},
		{`{"key":null}`, "", []string{"body.key"}},
		{`{"key":"` + key + `","cost":1.5,"hold_ms":1001}`, "", []string{"body.cost", "body.hold_ms"}},
		{`{"key":"` + key + `","cost":"1","hold_ms":true}`, "", []string{"body.cost", "body.hold_ms"}},
		{`{"key":"` + key + `","hold_ms":999999999}`, "", []string{"body.hold_ms"}},
		{`{"key":"` + key + `","client_ip":"10.0.0.0/8"}`, "", []string{"body.client_ip"}},
		{`{"key":"` + key + `","client_ip":"10.0.0.1:80"}`, "", []string{"body.client_ip"}},
		{`{"key":"` + key + `","client_ip":""}`, "", []string{"body.client_ip"}},
		{`{"key":"` + key + `","scopes":[` + strings.Repeat(`"voices:read",`, 256) + `"voices:read"]}`, "", []string{"body.scopes"}},
		{`{"key":"` + key + `","scopes":"voices:read"}`, "", []string{"body.scopes"}},
		{`{"key":"` + strings.Repeat("N", 4097) + `"}`, "", []string{"body.key"}},
		{`{"key":"` + key + `","key":"` + key + `"}`, "", []string{"body"}},
		{`{"key":"` + key + `","k\u0065y":"` + key + `"}`, "", []string{"body"}},
		{`{"key":"` + key + `","Nope":"` + key + `"}`, "", []string{"body"}},
		{`{"key":"` + key + `"`, "", []string{"body"}},
		{`["` + key + `"]`, "", []string{"body"}},
		{`{"key":"` + key + `"}{}`, "Nope", []string{"query", "body"}},
		{"", "", []string{"body"}},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, VerifyPath+"?"+c.query, strings.NewReader(c.body))
		w := d.serve(r)
		got := refusalOf(t, w.Body.Bytes())
		if w.Code != http.StatusUnprocessableEntity || got.Error.Code != "validation_error" {
			t.Errorf("%s: answered %d %s", c.body, w.Code, w.Body)
		}
		if diff := cmp.Diff(c.fields, got.fields()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.body, diff)
		}
		for _, sent := range []string{key, "Nope", "NNN"} {
			if strings.Contains(w.Body.String()+fmt.Sprint(w.Header()), sent) {
				t.Errorf("%s: what was sent comes back: %s %v", c.body, w.Body, w.Header())
			}
		}
		if w.Header()["X-Keypin-Epoch"] != nil || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", c.body, w.Header())
		}
	}
	if d.log.Len() > 0 {
		t.Errorf("a client's faults are logged: %s", d.log)
	}
}
