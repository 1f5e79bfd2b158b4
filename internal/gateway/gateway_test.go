package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/gateway"
	"github.com/keypin/keypin/internal/httpapi"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/ratelimit"
	"github.com/keypin/keypin/internal/token"
	"github.com/keypin/keypin/internal/verify"
)

var testNow = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

// doors is a Gateway with keys of its own, which words its answers as the API does. It
// is a verify.KeySource, a verify.Freshness and an httpapi.Observer.
type doors struct {
	*gateway.Gateway
	cache    *verify.Cache
	feed     *verify.Feed
	log      *buffer
	stopping chan struct{}

	mu      sync.Mutex
	keys    map[keypin.KeyHash]*keypin.APIKey
	down    error         // what the source answers instead
	panics  any           // what the source panics with
	behind  time.Duration // how long ago the cache was fresh
	answers []string      // what was counted, as door and code
}

// buffer is a log that is written and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newDoors(t testing.TB, adapt ...func(*gateway.Options)) *doors {
	t.Helper()
	d := &doors{log: &buffer{}, stopping: make(chan struct{}), keys: map[keypin.KeyHash]*keypin.APIKey{}}
	o := gateway.Options{
		Clock: func() time.Time { return testNow }, Door: d.Door, Stopping: d.stopping,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")},
	}
	for _, f := range adapt {
		f(&o)
	}
	var err error
	if o.Registry, err = keypin.NewRegistry(keypin.DefaultScopes()); err != nil {
		t.Fatal(err)
	}
	if d.cache, err = verify.NewCache(verify.CacheOptions{Source: d, Freshness: d, Clock: o.Clock, MaxBytes: 1 << 20, ServeStale: time.Minute}); err != nil {
		t.Fatal(err)
	}
	random := rand.NewChaCha8([32]byte{1})
	if d.feed, err = verify.NewFeed(o.Clock, random, d); err != nil {
		t.Fatal(err)
	}
	o.Feed, o.Keys = d.feed, verify.New(verify.Options{Keys: d.cache, Limiter: ratelimit.NewMemory(o.Clock())})
	o.Wire = httpapi.New(httpapi.Options{
		Keys: o.Keys, Registry: o.Registry, Clock: o.Clock, Random: random, Observer: d,
		Logger: slog.New(slog.NewTextHandler(d.log, nil)),
	})
	d.Gateway = gateway.New(o)
	return d
}

func (d *doors) KeyByHash(_ context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.panics != nil {
		panic(d.panics)
	}
	if d.down != nil {
		return nil, d.down
	}
	if key, ok := d.keys[hash]; ok {
		return key, nil
	}
	return nil, keypin.NotFound()
}

func (d *doors) AsOf(now time.Time) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return now.Add(-d.behind)
}

func (d *doors) ObserveRequest(string, string, int, time.Duration) {}

func (d *doors) Door(name string) func(string, time.Duration) {
	return func(code string, _ time.Duration) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.answers = append(d.answers, name+" "+code)
	}
}

// counted is the latest check that was counted.
func (d *doors) counted() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.answers) == 0 {
		return ""
	}
	return d.answers[len(d.answers)-1]
}

// add makes a key that may be used by all but what change does to it.
func (d *doors) add(t testing.TB, change func(*keypin.APIKey)) string {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	n := byte(len(d.keys) + 1)
	secret, err := token.New("op_live", rand.NewChaCha8([32]byte{n}))
	if err != nil {
		t.Fatal(err)
	}
	key := &keypin.APIKey{
		ID: keypin.ID{15: n}, WorkspaceID: keypin.ID{14: 1, 15: n}, ChainID: keypin.ID{13: 1, 15: n}, CreatedBy: &keypin.ID{12: 1, 15: n},
		Name: "mine", Type: "live", Scopes: []keypin.Scope{"workflows:read", "voices:read"}, Active: true,
	}
	if change != nil {
		change(key)
	}
	d.keys[sha256.Sum256([]byte(secret.Reveal()))] = key
	return secret.Reveal()
}

// limited gives a key a limit of its own.
func limited(n int) func(*keypin.APIKey) { return func(k *keypin.APIKey) { k.RateLimit = &n } }

// within lets a key be used from the range alone.
func within(r string) func(*keypin.APIKey) {
	return func(k *keypin.APIKey) { k.AllowedIPs = []netip.Prefix{netip.MustParsePrefix(r)} }
}

// refusal is the API's answer to what it refuses.
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

func refusalOf(t testing.TB, body string) refusal {
	t.Helper()
	var r refusal
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v: %q", err, body)
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

// ask asks forward-auth. The headers are "Name: value"; Peer is the connection's
// address, Method the request's method.
func (d *doors) ask(t testing.TB, query string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, gateway.ForwardAuthPath+query, nil)
	for _, header := range headers {
		switch name, value, _ := strings.Cut(header, ": "); name {
		case "Peer":
			r.RemoteAddr = value
		case "Method":
			r.Method = value
		default:
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	d.ForwardAuth(w, r)
	return w
}

func newForwardRequest(t testing.TB, query, authorization string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, gateway.ForwardAuthPath+query, nil)
	r.Header.Set("Authorization", authorization)
	return r
}

// unread is a ResponseWriter that keeps nothing, so that only the handler is measured.
type unread struct{ header http.Header }

func (u *unread) Header() http.Header         { return u.header }
func (u *unread) Write(b []byte) (int, error) { return len(b), nil }
func (u *unread) WriteHeader(int)             {}
