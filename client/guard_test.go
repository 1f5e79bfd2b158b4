package client

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// knownKey is a key of the API's documentation.
const knownKey = "op_live_0000000000000000000000000009BlC0"

// idleGuard remembers nothing, follows nothing, and reaches nobody.
func idleGuard(t testing.TB, options ...GuardOption) *Guard {
	t.Helper()
	c, err := New("http://127.0.0.1:1", WithMaxRetries(0), WithHTTPClient(&http.Client{Transport: nobody{}}))
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewGuard(c, options...)
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	return g
}

type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

// knowing remembers the key, freshly.
func knowing(t testing.TB, k *guardedKey, options ...GuardOption) *Guard {
	t.Helper()
	g := idleGuard(t, options...)
	g.keys.Set(hashOf(knownKey), k)
	until := time.Now().Add(time.Hour)
	g.trust.Store(&until)
	return g
}

func validKey() *guardedKey {
	return &guardedKey{answer: &Verification{Valid: true, Code: OutcomeValid, APIKey: &VerifiedKey{
		ID: "3fa85f64-5717-4562-b3fc-2c963f66afa6", Name: "Nightly export", Scopes: []string{"workflows:read", "voices:read"},
	}}}
}

func TestProtectAnswersAsTheServiceWould(t *testing.T) {
	for name, c := range map[string]struct {
		key       func(*guardedKey)
		header    http.Header
		fresh     bool
		status    int
		code      string
		challenge string
		retry     string
	}{
		"a valid key":             {fresh: true, status: 200},
		"the key in X-API-Key":    {fresh: true, header: http.Header{"X-Api-Key": {knownKey}}, status: 200},
		"the same key in both":    {fresh: true, header: http.Header{"Authorization": {"bearer " + knownKey}, "X-Api-Key": {knownKey}}, status: 200},
		"Basic and the key":       {fresh: true, header: http.Header{"Authorization": {"Basic eDp5"}, "X-Api-Key": {knownKey}}, status: 200},
		"none":                    {fresh: true, header: http.Header{}, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin"`},
		"Basic alone":             {fresh: true, header: http.Header{"Authorization": {"Basic eDp5"}}, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin"`},
		"an empty one":            {fresh: true, header: http.Header{"Authorization": {"Bearer "}}, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin", error="invalid_token"`},
		"two different":           {fresh: true, header: http.Header{"Authorization": {"Bearer x"}, "X-Api-Key": {knownKey}}, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin", error="invalid_token"`},
		"two Authorizations":      {fresh: true, header: http.Header{"Authorization": {"Bearer " + knownKey, "Bearer " + knownKey}}, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin", error="invalid_token"`},
		"two X-API-Keys":          {fresh: true, header: http.Header{"X-Api-Key": {knownKey, knownKey}}, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin", error="invalid_token"`},
		"not the form of one":     {fresh: true, header: http.Header{"X-Api-Key": {"x"}}, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin", error="invalid_token"`},
		"a wrong checksum":        {fresh: true, header: http.Header{"X-Api-Key": {knownKey[:39] + "1"}}, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin", error="invalid_token"`},
		"a revoked one":           {fresh: true, key: func(k *guardedKey) { k.answer = &Verification{Code: OutcomeRevoked, APIKey: k.answer.APIKey} }, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin", error="invalid_token"`},
		"an expired one":          {fresh: true, key: func(k *guardedKey) { k.expires = time.Now() }, status: 401, code: "unauthorized", challenge: `Bearer realm="keypin", error="invalid_token"`},
		"from elsewhere":          {fresh: true, key: func(k *guardedKey) { k.allowed = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")} }, status: 403, code: "forbidden"},
		"from an allowed address": {fresh: true, key: func(k *guardedKey) { k.allowed = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }, status: 200},
		"without a scope":         {fresh: true, key: func(k *guardedKey) { k.answer.APIKey.Scopes = []string{"voices:read"} }, status: 403, code: "insufficient_scope", challenge: `Bearer realm="keypin", error="insufficient_scope", scope="workflows:read"`},
		"over its limit": {fresh: true, key: func(k *guardedKey) {
			k.limit = 1000
			k.lease.refusedUntil.Store(time.Now().Add(29500 * time.Millisecond).UnixNano())
		}, status: 429, code: "rate_limited", retry: "30"},
		"when the memory is too old":     {status: 503, code: "unavailable", retry: "1"},
		"when an admission is not to be": {fresh: true, key: func(k *guardedKey) { k.limit = 1000 }, status: 503, code: "unavailable", retry: "1"},
		"when its limit is not known":    {fresh: true, key: func(k *guardedKey) { k.limit = -1 }, status: 503, code: "unavailable", retry: "1"},
	} {
		t.Run(name, func(t *testing.T) {
			k := validKey()
			if c.key != nil {
				c.key(k)
			}
			g := knowing(t, k)
			if !c.fresh {
				g.trust.Store(nil)
			}
			reached := false
			protected := g.Protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				reached = true
				if p, ok := PrincipalFrom(r.Context()); !ok || p.Name != "Nightly export" {
					t.Errorf("the principal is %+v, %t", p, ok)
				}
			}), Scopes("workflows:read"))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header = c.header
			if r.Header == nil {
				r.Header = http.Header{"Authorization": {"Bearer " + knownKey}}
			}
			w := httptest.NewRecorder()
			protected.ServeHTTP(w, r)
			if w.Code != c.status || reached != (c.status == 200) {
				t.Fatalf("answered %d, reached %t: %s", w.Code, reached, w.Body)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != c.challenge {
				t.Errorf("the challenge is %q", got)
			}
			if got := w.Header().Get("Retry-After"); got != c.retry {
				t.Errorf("Retry-After is %q", got)
			}
			if c.code != "" && !strings.HasPrefix(w.Body.String(), `{"error":{"code":"`+c.code+`","message":"`) {
				t.Errorf("the body is %s", w.Body)
			}
			if strings.Contains(w.Body.String(), knownKey[8:]) {
				t.Error("the key comes back")
			}
		})
	}
}

func TestAnOwnRefusalAnswersInPlaceOfOurs(t *testing.T) {
	var got *Refusal
	g := idleGuard(t, WithRefusal(func(w http.ResponseWriter, _ *http.Request, r *Refusal) {
		got = r
		w.WriteHeader(http.StatusTeapot)
	}), WithClientIP(func(*http.Request) netip.Addr { return netip.Addr{} }))
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("X-API-Key", knownKey)
	g.Protect(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusTeapot || got.Status != http.StatusServiceUnavailable || got.Err == nil {
		t.Errorf("%d, %+v", w.Code, got)
	}
}

func TestGuardOptionsAreChecked(t *testing.T) {
	c, err := New("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	for name, option := range map[string]GuardOption{
		"WithMaxKeys": WithMaxKeys(0), "WithClientIP": WithClientIP(nil), "WithRefusal": WithRefusal(nil), "WithGuardLogger": WithGuardLogger(nil),
	} {
		if _, err := NewGuard(c, option); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A follower whose stream began at 0 of our clock and at 100 s of the service's.
func TestWhatAStreamProves(t *testing.T) {
	start := time.Now()
	for name, c := range map[string]struct {
		now   time.Duration // by the clock that measures
		step  time.Duration // by how much the clock on the wall moved besides
		asOf  time.Duration // by the service's clock
		last  uint64
		until time.Duration // 0 = nothing
		fails bool
	}{
		"at once":                         {now: 0, asOf: 100 * time.Second, until: time.Second},
		"a second later":                  {now: time.Second, asOf: 101 * time.Second, until: 2*time.Second - time.Millisecond},
		"an event that lay in a queue":    {now: 10 * time.Second, asOf: 101 * time.Second, until: 2*time.Second - 10*time.Millisecond},
		"a node that is behind":           {now: 0, asOf: 99700 * time.Millisecond, until: 700 * time.Millisecond},
		"a change is missing":             {asOf: 100 * time.Second, last: 6, fails: true},
		"said before what is known":       {asOf: 100 * time.Second, last: 4},
		"the clock on the wall set on":    {now: time.Second, step: time.Minute, asOf: 101 * time.Second, fails: true},
		"the clock on the wall set back":  {now: time.Second, step: -time.Minute, asOf: 101 * time.Second, fails: true},
		"both clocks stood still a while": {now: time.Second, asOf: 110 * time.Second, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := idleGuard(t)
			g.c.now = func() time.Time { return start.Add(c.now) }
			g.wall = func(t time.Time) int64 { return t.Add(c.step).UnixNano() }
			f := &follower{g: g, epoch: "e", last: 5, began: start, beganTheir: 100 * time.Second, bound: time.Second}
			last := c.last
			if last == 0 {
				last = 5
			}
			if err := f.prove(c.asOf, last); (err != nil) != c.fails {
				t.Errorf("%v", err)
			}
			switch until := g.trust.Load(); {
			case c.until == 0 && until != nil:
				t.Errorf("trusted until %v", until.Sub(start))
			case c.until != 0 && (until == nil || until.Sub(start) != c.until):
				t.Errorf("trusted until %v, want %v", until, c.until)
			}
		})
	}
}

func TestAClockThatIsSetOnEndsTheTrust(t *testing.T) {
	g := knowing(t, validKey())
	if !g.Fresh() {
		t.Fatal("not fresh")
	}
	g.wall = func(t time.Time) int64 { return t.Add(2 * time.Hour).UnixNano() }
	if g.Fresh() {
		t.Error("a machine that slept for two hours trusts its memory")
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	limited := validKey()
	limited.limit = 1_000_000
	b := &leaseBatch{until: time.Now().Add(time.Hour)}
	b.left.Store(1 << 40)
	limited.lease.batch.Store(b)
	revoked := validKey()
	revoked.answer = &Verification{Code: OutcomeRevoked, APIKey: revoked.answer.APIKey}
	for name, k := range map[string]*guardedKey{"valid": validKey(), "limited": limited, "revoked": revoked} {
		g, ctx := knowing(t, k), context.Background()
		p := VerifyParams{Key: NewSecret(knownKey), Scopes: []string{"workflows:read"}}
		if n := testing.AllocsPerRun(1000, func() {
			if v, err := g.Verify(ctx, p); err != nil || v.Code != k.answer.Code {
				t.Errorf("%+v, %v", v, err)
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// BenchmarkGuard compares a check in memory with one SHA-256 of the key, in the same run:
// go test -run '^$' -bench Guard -cpu 1,2 ./client
func BenchmarkGuard(b *testing.B) {
	limited := validKey()
	limited.limit = 1_000_000
	batch := &leaseBatch{until: time.Now().Add(time.Hour)}
	batch.left.Store(1 << 60)
	limited.lease.batch.Store(batch)
	revoked := validKey()
	revoked.answer = &Verification{Code: OutcomeRevoked, APIKey: revoked.answer.APIKey}
	for _, c := range []struct {
		name string
		key  *guardedKey
	}{{"valid", validKey()}, {"limited", limited}, {"revoked", revoked}} {
		b.Run(c.name, func(b *testing.B) {
			g, ctx := knowing(b, c.key), context.Background()
			p := VerifyParams{Key: NewSecret(knownKey), Scopes: []string{"workflows:read"}}
			hash := perOp(func() { _ = sha256.Sum256([]byte(knownKey)) })
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if v, err := g.Verify(ctx, p); err != nil || v.Code != c.key.answer.Code {
						b.Error(v, err)
					}
				}
			})
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/hash, "×sha256")
		})
	}
}

// perOp is how many nanoseconds one call takes when all processors make them.
func perOp(do func()) float64 {
	const calls = 1 << 20
	workers := runtime.GOMAXPROCS(0)
	began := time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range calls {
				do()
			}
		})
	}
	wg.Wait()
	return float64(time.Since(began).Nanoseconds()) / float64(calls*workers)
}

func TestACostThatIsNoneIsTheServicesToJudge(t *testing.T) {
	g := knowing(t, validKey())
	for _, cost := range []int{-1, 1001} {
		if v, err := g.Verify(t.Context(), VerifyParams{Key: NewSecret(knownKey), Cost: &cost}); err == nil {
			t.Errorf("a cost of %d: %+v", cost, v)
		}
	}
	zero := 0
	if v, err := g.Verify(t.Context(), VerifyParams{Key: NewSecret(knownKey), Cost: &zero}); err != nil || !v.Valid {
		t.Errorf("a cost of 0: %+v, %v", v, err)
	}
}
