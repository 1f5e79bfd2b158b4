package authn

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// fakeClock is a clock that moves when told to.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// pass lets time pass in a synctest bubble, whose clock is not the wall's.
func pass(d time.Duration) { <-time.After(d) }

// longClaims are the documented ones with hours to live.
func longClaims(t testing.TB) object {
	t.Helper()
	return recorded(t, "clerk_v2.json").with(object{"exp": documented.Add(24 * time.Hour).Unix()})
}

// freshClaims are good at the bubble's or the wall clock's time.
func freshClaims(t testing.TB, now time.Time) claimSet {
	t.Helper()
	return recorded(t, "clerk_v2.json").with(object{
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(24 * time.Hour).Unix(),
	})
}

func TestANewKeyIsFetchedWhenATokenNamesIt(t *testing.T) {
	s, old := clerkSite()
	clock := &fakeClock{now: documented}
	v := newVerifier(t, s, clock.Now, clerk())
	accepted(t, v, old.token(longClaims(t), nil))

	rotated := signer{"ins_2", "RS256", rsaKeys()[1]}
	s.serve(clerkKeysURL, published(old, rotated))
	refused(t, v, rotated.token(longClaims(t), nil), refuseKey) // less than 5 s after the first fetch
	clock.advance(fetchPause)
	accepted(t, v, rotated.token(longClaims(t), nil))
	accepted(t, v, old.token(longClaims(t), nil))
	if n := s.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want 2", n)
	}
}

func TestAKeyThatTheIssuerDroppedIsRefused(t *testing.T) {
	s, old := clerkSite()
	clock := &fakeClock{now: documented}
	v := newVerifier(t, s, clock.Now, clerk())
	accepted(t, v, old.token(longClaims(t), nil))

	next := signer{"ins_2", "RS256", rsaKeys()[1]}
	s.serve(clerkKeysURL, published(next))
	clock.advance(fetchPause)
	accepted(t, v, next.token(longClaims(t), nil)) // refreshes
	refused(t, v, old.token(longClaims(t), nil), refuseKey)
}

func TestAKeyThatWasExchangedUnderItsIDIsExchangedHere(t *testing.T) {
	s, old := clerkSite()
	clock := &fakeClock{now: documented}
	v := newVerifier(t, s, clock.Now, clerk())
	accepted(t, v, old.token(longClaims(t), nil))
	next := signer{old.kid, old.alg, rsaKeys()[1]}
	s.serve(clerkKeysURL, published(next))
	clock.advance(fetchPause)
	refused(t, v, old.token(longClaims(t), object{"kid": "unknown"}), refuseKey) // refreshes
	refused(t, v, old.token(longClaims(t), nil), refuseSignature)
	accepted(t, v, next.token(longClaims(t), nil))
}

func TestTheBackgroundDropsADroppedKeyWithoutBeingAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, old := clerkSite()
		v := newVerifier(t, s, time.Now, clerk())
		ctx, stop := context.WithCancel(t.Context())
		v.Start(ctx)
		synctest.Wait()
		token := old.token(freshClaims(t, time.Now()), nil)
		accepted(t, v, token)
		s.serve(clerkKeysURL, published(signer{"ins_2", "RS256", rsaKeys()[1]}))
		pass(DefaultRefreshEvery - time.Second)
		accepted(t, v, token)
		pass(2 * time.Second)
		refused(t, v, token, refuseKey)

		stop()
		synctest.Wait()
		before := s.fetches.Load()
		pass(3 * DefaultRefreshEvery)
		if after := s.fetches.Load(); after != before {
			t.Errorf("%d fetches after the context ended", after-before)
		}
	})
}

func TestKeysAreKeptWhileTheIssuerIsDownOrAnswersRubbish(t *testing.T) {
	answers := rubbish()
	answers["down"] = nil
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			s, key := clerkSite()
			clock := &fakeClock{now: documented}
			v := newVerifier(t, s, clock.Now, clerk())
			accepted(t, v, key.token(longClaims(t), nil))
			s.handle(clerkKeysURL, answer)
			for range 3 {
				clock.advance(time.Hour)
				refused(t, v, key.token(longClaims(t), object{"kid": "unknown"}), refuseKey)
				accepted(t, v, key.token(longClaims(t), nil))
			}
			if n := s.fetches.Load(); n != 4 {
				t.Errorf("%d fetches, want 4", n)
			}
		})
	}
}

func TestWithoutAnyKeysTheAnswerIsUnavailableUntilTheIssuerIsBack(t *testing.T) {
	answers := rubbish()
	answers["down"] = nil
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			s, key := clerkSite()
			s.handle(clerkKeysURL, answer)
			clock := &fakeClock{now: documented}
			var log bytes.Buffer
			v, err := New(Options{Issuers: []Issuer{clerk()}, Clock: clock.Now, HTTPClient: s.client(), Logger: logger(&log)})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			token := key.token(longClaims(t), nil)
			unavailableNow(t, v, token)
			clock.advance(time.Second)
			if after := unavailableNow(t, v, token); after != 4*time.Second {
				t.Errorf("retry after %v, want 4s", after)
			}
			if n := s.fetches.Load(); n != 1 {
				t.Errorf("%d fetches, want 1", n)
			}
			refused(t, v, key.token(claimSet(longClaims(t)).with(object{"exp": 1}), nil), refuseExpired)
			s.serve(clerkKeysURL, published(key))
			clock.advance(4 * time.Second)
			accepted(t, v, token)
			v.Close()
			if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, clerkIssuer) {
				t.Errorf("logged:\n%s", text)
			}
		})
	}
}

func TestAFloodOfUnknownKeysFetchesOncePerFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, key := clerkSite()
		v := newVerifier(t, s, time.Now, clerk())
		claims := freshClaims(t, time.Now())
		accepted(t, v, key.token(claims, nil))
		const seconds = 60
		var flood sync.WaitGroup
		for sender := range 8 {
			flood.Go(func() {
				for i := range seconds * 5 {
					token := forge(jsonOf(object{"alg": "RS256", "kid": fmt.Sprintf("%d-%d", sender, i)}), jsonOf(claims), []byte{1})
					if _, err := v.Verify(t.Context(), token); keypin.CodeOf(err) != keypin.CodeUnauthorized {
						t.Errorf("got %v", err)
					}
					pass(time.Second / 5)
				}
			})
		}
		flood.Wait()
		if n := s.fetches.Load(); n < 2 || n > 1+seconds/5 {
			t.Errorf("%d fetches in %d s", n, seconds)
		}
		accepted(t, v, key.token(claims, nil))
	})
}

func TestManyRequestsShareOneFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, key := clerkSite()
		release := make(chan struct{})
		s.handle(clerkKeysURL, func(w http.ResponseWriter, _ *http.Request) {
			<-release
			_, _ = fmt.Fprint(w, published(key))
		})
		v := newVerifier(t, s, time.Now, clerk())
		token := key.token(freshClaims(t, time.Now()), nil)
		var requests sync.WaitGroup
		for range 100 {
			requests.Go(func() {
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		close(release)
		requests.Wait()
		if n := s.fetches.Load(); n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
	})
}

func TestAnIssuerThatHangsHoldsARequestForABoundedTimeAndNoOtherIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, key := clerkSite()
		other := signer{"other", "ES256", ecKey(elliptic.P256())}
		s.serve(oidcKeysURL, published(other))
		s.handle(clerkKeysURL, hang)
		v := newVerifier(t, s, time.Now, clerk(), oidc())
		v.Start(t.Context())
		began := time.Now()
		token := key.token(freshClaims(t, began), nil)
		synctest.Wait()

		accepted(t, v, other.token(freshClaims(t, began).with(object{"iss": oidcIssuer}), nil))
		if took := time.Since(began); took != 0 {
			t.Errorf("the other issuer's token waited %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := v.Verify(ctx, token); keypin.CodeOf(err) != keypin.CodeUnavailable || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller that gave up got %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("a caller that gave up after 1 s waited %v", took)
		}
		unavailableNow(t, v, token)
		if took := time.Since(began); took != fetchTimeout {
			t.Errorf("the request ended after %v, want %v", took, fetchTimeout)
		}
		unavailableNow(t, v, token) // at once: the fetch just failed
		if took := time.Since(began); took != fetchTimeout {
			t.Errorf("the second request ended after %v", took)
		}
		s.serve(clerkKeysURL, published(key))
		pass(retryEvery + time.Second) // the background tries again
		before := s.fetches.Load()
		accepted(t, v, token)
		if s.fetches.Load() != before {
			t.Error("the background did not try again")
		}
	})
}

func TestAHangingRefreshDoesNotHoldTokensWithAKnownKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, key := clerkSite()
		v := newVerifier(t, s, time.Now, clerk())
		claims := freshClaims(t, time.Now())
		accepted(t, v, key.token(claims, nil))
		s.handle(clerkKeysURL, hang)
		pass(fetchPause)
		go func() { _, _ = v.Verify(t.Context(), key.token(claims, object{"kid": "unknown"})) }()
		synctest.Wait()
		began := time.Now()
		accepted(t, v, key.token(claims, nil))
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v", took)
		}
	})
}

func TestACloseEndsFetchesAndKeepsKnownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, key := clerkSite()
		v := newVerifier(t, s, time.Now, clerk(), oidc())
		claims := freshClaims(t, time.Now())
		accepted(t, v, key.token(claims, nil))
		s.handle(oidcKeysURL, hang)
		v.Start(t.Context())
		synctest.Wait()
		v.Close()
		v.Close()
		accepted(t, v, key.token(claims, nil))
		unavailableNow(t, v, key.token(claims.with(object{"iss": oidcIssuer}), nil))
	})
}

func TestOIDCKeysAreFoundByDiscovery(t *testing.T) {
	const discovery = oidcIssuer + "/.well-known/openid-configuration"
	key := signer{"key", "RS256", rsaKeys()[0]}
	for name, c := range map[string]struct {
		document string
		good     bool
	}{
		"right":              {`{"issuer":"` + oidcIssuer + `","jwks_uri":"https://keys.example.net/jwks","more":{}}`, true},
		"another issuer":     {`{"issuer":"https://evil.example","jwks_uri":"https://keys.example.net/jwks"}`, false},
		"with a slash":       {`{"issuer":"` + oidcIssuer + `/","jwks_uri":"https://keys.example.net/jwks"}`, false},
		"no issuer":          {`{"jwks_uri":"https://keys.example.net/jwks"}`, false},
		"no jwks_uri":        {`{"issuer":"` + oidcIssuer + `"}`, false},
		"plain http":         {`{"issuer":"` + oidcIssuer + `","jwks_uri":"http://keys.example.net/jwks"}`, false},
		"our loopback":       {`{"issuer":"` + oidcIssuer + `","jwks_uri":"http://127.0.0.1/jwks"}`, false},
		"a file":             {`{"issuer":"` + oidcIssuer + `","jwks_uri":"file:///etc/passwd"}`, false},
		"with a password":    {`{"issuer":"` + oidcIssuer + `","jwks_uri":"https://a:b@keys.example.net/jwks"}`, false},
		"HTML":               {`<html>`, false},
		"issuer not a text":  {`{"issuer":["` + oidcIssuer + `"],"jwks_uri":"https://keys.example.net/jwks"}`, false},
		"jwks_uri elsewhere": {`{"issuer":"` + oidcIssuer + `","jwks_uri":"https://nobody.example.net/jwks"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite()
			s.serve(discovery, c.document)
			for _, url := range []string{"https://keys.example.net/jwks", "http://keys.example.net/jwks", "http://127.0.0.1/jwks", "https://a:b@keys.example.net/jwks"} {
				s.serve(url, published(key))
			}
			v := newVerifier(t, s, nil, Issuer{Issuer: oidcIssuer, Kind: KindOIDC})
			token := key.token(recorded(t, "clerk_v1.json").with(object{"iss": oidcIssuer}), nil)
			if c.good {
				accepted(t, v, token)
			} else {
				unavailableNow(t, v, token)
			}
		})
	}
}

func TestTheDiscoveryOfAnIssuerThatEndsInASlashHasOneSlash(t *testing.T) {
	if got, want := (Issuer{Issuer: "https://a.example.com/x/"}).discoveryURL(), "https://a.example.com/x/.well-known/openid-configuration"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOverARealConnection(t *testing.T) {
	key := signer{"key", "RS256", rsaKeys()[0]}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, published(key))
	}))
	defer elsewhere.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, published(key)) })
	mux.Handle("/same", http.RedirectHandler("/good", http.StatusFound))
	mux.Handle("/loop", http.RedirectHandler("/loop", http.StatusFound))
	mux.Handle("/other", http.RedirectHandler(elsewhere.URL, http.StatusFound))
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, `{"keys":[`)
		for r.Context().Err() == nil {
			if _, err := fmt.Fprint(w, strings.Repeat(" ", 1<<16)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Fill", strings.Repeat("x", 128<<10))
		_, _ = fmt.Fprint(w, published(key))
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, server.URL, server.URL+"/good")
	})
	for path, good := range map[string]bool{
		"": true, "/good": true, "/same": true, "/other": false, "/loop": false, "/endless": false, "/headers": false, "/missing": false,
	} {
		t.Run("at "+path, func(t *testing.T) {
			issuer := Issuer{Issuer: server.URL, Kind: KindOIDC}
			if path != "" {
				issuer.JWKSURL = server.URL + path
			}
			v, err := New(Options{Issuers: []Issuer{issuer}})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			token := key.token(freshClaims(t, time.Now()).with(object{"iss": server.URL}), nil)
			if good {
				accepted(t, v, token)
			} else {
				unavailableNow(t, v, token)
			}
		})
	}
}

func TestVerificationGoesOnWhileKeysRotate(t *testing.T) {
	s := newSite()
	a, b := signer{"a", "EdDSA", edKey(1)}, signer{"b", "EdDSA", edKey(2)}
	steady := signer{"steady", "EdDSA", edKey(3)}
	clock := &fakeClock{now: documented}
	s.serve(clerkKeysURL, published(steady, a))
	v := newVerifier(t, s, clock.Now, clerk())
	tokens := []string{a.token(longClaims(t), nil), b.token(longClaims(t), nil)}
	always := steady.token(longClaims(t), nil)
	done := make(chan struct{})
	var workers sync.WaitGroup
	for n := range 16 {
		workers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := v.Verify(t.Context(), always); err != nil {
					t.Errorf("a key that stayed was refused: %v", err)
					return
				}
				if _, err := v.Verify(t.Context(), tokens[n%2]); err != nil && keypin.CodeOf(err) != keypin.CodeUnauthorized {
					t.Error(err)
					return
				}
			}
		})
	}
	for round := range 100 {
		s.serve(clerkKeysURL, published(steady, []signer{a, b}[round%2]))
		clock.advance(fetchPause)
		if _, err := v.Verify(t.Context(), tokens[round%2]); err != nil && keypin.CodeOf(err) != keypin.CodeUnauthorized {
			t.Error(err)
		}
	}
	close(done)
	workers.Wait()
	s.serve(clerkKeysURL, published(steady, b))
	clock.advance(fetchPause)
	refused(t, v, steady.token(longClaims(t), object{"kid": "unknown"}), refuseKey) // refreshes
	accepted(t, v, tokens[1])
	refused(t, v, tokens[0], refuseKey)
}

func TestAnIssuerIsAskedByWhatTraces(t *testing.T) {
	t.Parallel()
	s, key := clerkSite()
	var asked []string
	v, err := New(Options{Issuers: []Issuer{clerk()}, Clock: func() time.Time { return documented }, HTTPClient: s.client(),
		Traced: func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.String())
				return next.RoundTrip(r)
			})
		}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	accepted(t, v, key.token(longClaims(t), nil))
	if len(asked) != 1 || asked[0] != clerkKeysURL {
		t.Errorf("asked for %q", asked)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
