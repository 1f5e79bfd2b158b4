package proxies

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// eachProxy runs the test with each proxy.
func eachProxy(t *testing.T, test func(t *testing.T, f *front)) {
	t.Helper()
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			test(t, p.run(t, ""))
		})
	}
}

const (
	reader = `{"name":"Reader","scopes":["workflows:read"]}`
	anyKey = `{"name":"No scopes"}`
)

func TestAGoodKeyPassesAndStaysAtTheProxy(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		k := f.keypin.create(t, `{"name":"Reader","scopes":["workflows:read","workflows:run"]}`)
		for _, headers := range [][]string{
			{bearer(k)}, {"X-API-Key: " + k.Secret}, {"x-api-key: " + k.Secret}, {bearer(k), "X-API-Key: " + k.Secret},
		} {
			seen, _ := f.passes(t, call{path: "/v1/workflows/7?page=2", headers: headers})
			if seen.RequestURI != "/v1/workflows/7?page=2" {
				t.Errorf("the API was asked for %s", seen.RequestURI)
			}
			for name, want := range map[string]string{
				"X-Keypin-Key-Id": k.ID, "X-Keypin-Workspace-Id": k.WorkspaceID, "X-Keypin-User-Id": k.CreatedBy,
				"X-Keypin-Scopes": "workflows:read workflows:run", "X-Keypin-Code": "valid",
			} {
				if got := seen.Header.Values(name); !slices.Equal(got, []string{want}) {
					t.Errorf("the API got %s %q, want %q", name, got, want)
				}
			}
			for name, values := range seen.Header {
				if strings.Contains(strings.Join(values, " "), k.Secret) {
					t.Errorf("the API got the key in %s", name)
				}
			}
		}
	})
}

func TestARequestArrivesWithItsMethodAndBody(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		k := f.keypin.create(t, `{"name":"Runner","scopes":["workflows:run"]}`)
		body := strings.Repeat("a long body ", 10_000)
		for _, chunked := range []bool{false, true} {
			seen, _ := f.passes(t, call{method: http.MethodPost, path: "/v1/workflows", body: body, chunked: chunked, headers: []string{bearer(k)}})
			if seen.Method != http.MethodPost || seen.body != body {
				t.Errorf("the API got %s with %d bytes", seen.Method, len(seen.body))
			}
		}
	})
}

func TestARouteNeedsItsScopes(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		none, reads := f.keypin.create(t, anyKey), f.keypin.create(t, reader)
		both := f.keypin.create(t, `{"name":"Studio","scopes":["workflows:read","voices:read"]}`)
		f.passes(t, call{path: "/v1/me", headers: []string{bearer(none)}})
		f.passes(t, call{path: "/v1/studio/1", headers: []string{bearer(both)}})
		for _, c := range []call{
			{path: "/v1/workflows", headers: []string{bearer(none)}},
			{method: http.MethodPost, path: "/v1/workflows", headers: []string{bearer(reads)}},
			{method: http.MethodDelete, path: "/v1/workflows/7", headers: []string{bearer(reads)}},
			{path: "/v1/studio/1", headers: []string{bearer(reads)}},
			// A client's query is not Keypin's.
			{path: "/v1/workflows?scope=", headers: []string{bearer(none)}},
		} {
			f.refused(t, c, http.StatusForbidden, "insufficient_scope")
		}
	})
}

// However a path is written, it must not lead past the scope of what it names.
func TestNoWayOfWritingAPathLeadsPastItsScope(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		k := f.keypin.create(t, anyKey)
		for _, path := range []string{
			"//v1/workflows", "/v1//workflows", "/v1/me/../workflows", "/v1/./workflows", "/v1/%77orkflows", "/v1/me/%2e%2e/workflows",
			"/V1/WORKFLOWS", "/v1/workflows/", "/v1/workflows;x=1", "/status/../v1/workflows", "/status/%2e%2e/v1/workflows",
			"/v1/me%2f..%2fworkflows", "/v1/workflows%2f7", "/keypin-forward-auth", "/elsewhere",
		} {
			got := f.do(t, call{path: path, headers: []string{bearer(k)}})
			for _, seen := range f.api.take() {
				t.Errorf("%s is answered %d and reached the API as %s", path, got.status, seen.RequestURI)
			}
		}
	})
}

func TestWithoutAGoodKeyTheAnswerIs401(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		revoked := f.keypin.create(t, reader)
		f.passes(t, call{path: "/v1/workflows", headers: []string{bearer(revoked)}})
		f.keypin.revoke(t, revoked)
		for name, headers := range map[string][]string{
			"no key": nil, "a malformed one": {"Authorization: Bearer nonsense"}, "an unknown one": {"X-API-Key: op_live_0000000000000000000000000009BlC0"},
			"a revoked one": {bearer(revoked)}, "a session": {"Authorization: Bearer " + f.keypin.token}, "a password": {"Authorization: Basic YTpi"},
		} {
			got := f.refused(t, call{path: "/v1/workflows", headers: headers}, http.StatusUnauthorized, "unauthorized")
			if challenge := got.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "Bearer") {
				t.Errorf("%s: WWW-Authenticate is %q", name, challenge)
			}
			if got.header.Get("X-Keypin-Code") != "" {
				t.Errorf("%s: the client is told what is wrong with it", name)
			}
			if kind := got.header.Get("Content-Type"); kind != "application/json" {
				t.Errorf("%s: the answer is %s", name, kind)
			}
		}
	})
}

func TestALimitIsToldAndKept(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		k := f.keypin.create(t, `{"name":"Limited","scopes":["workflows:read"],"rate_limit_per_min":2}`)
		c := call{path: "/v1/workflows", headers: []string{bearer(k)}}
		for _, remaining := range []string{"1", "0"} {
			_, got := f.passes(t, c)
			if got.header.Get("X-RateLimit-Limit") != "2" || got.header.Get("X-RateLimit-Remaining") != remaining || got.header.Get("X-RateLimit-Reset") == "" {
				t.Errorf("the client is told %v, want that %s of 2 remain", got.header, remaining)
			}
		}
		got := f.refused(t, c, http.StatusTooManyRequests, "rate_limited")
		if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
			t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
		}
		if got.header.Get("X-RateLimit-Limit") != "2" || got.header.Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("the client is told %v, want that 0 of 2 remain", got.header)
		}
	})
}

func TestAnAnswerAboutAKeyWithoutALimitSaysNothingOfOne(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		k := f.keypin.create(t, reader)
		_, got := f.passes(t, call{path: "/v1/workflows", headers: []string{bearer(k), "X-RateLimit-Limit: 5"}})
		for name := range got.header {
			if strings.Contains(strings.ToLower(name), "ratelimit") || name == "Retry-After" {
				t.Errorf("the client is told %s: %q", name, got.header[name])
			}
		}
	})
}

func TestNobodyButKeypinSaysWhoIsCalling(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		k := f.keypin.create(t, reader)
		claims := []string{
			"X-Keypin-Key-Id: forged", "x-keypin-workspace-id: forged", "X-Keypin-User-Id: forged", "X-Keypin-Scopes: forged",
			"X-Keypin-Code: forged", "X-Keypin-Token: forged", "X-Keypin-Stale: forged", "X_Keypin_Key_Id: forged", "Forwarded: for=forged",
		}
		for path, headers := range map[string][]string{"/v1/workflows": append(slices.Clone(claims), bearer(k)), "/status": claims} {
			seen, _ := f.passes(t, call{path: path, headers: headers})
			for name, values := range seen.Header {
				if strings.Contains(strings.Join(values, " "), "forged") {
					t.Errorf("%s: the API got %s: %q", path, name, values)
				}
			}
		}
	})
}

// Keypin names no user when the key's maker is gone.
func TestAKeyOfNobodyIsNobodys(t *testing.T) {
	t.Parallel()
	keypin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Keypin-Key-Id", "018f0000-0000-7000-8000-000000000000")
		w.Header().Set("X-Keypin-Code", "valid")
	}))
	t.Cleanup(keypin.Close)
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			f := p.before(t, keypin.Listener.Addr().String(), "")
			seen, _ := f.passes(t, call{path: "/v1/me", headers: []string{"X-API-Key: any", "X-Keypin-User-Id: 018f0000-0000-7000-8000-000000000001"}})
			if got := seen.Header.Values("X-Keypin-User-Id"); len(got) > 0 {
				t.Errorf("the API is told that the user is %q", got)
			}
		})
	}
}

func TestAnOpenRouteNeedsNoKeyAndHandsOnNone(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		seen, _ := f.passes(t, call{path: "/status", headers: []string{"Authorization: Bearer abc", "X-API-Key: abc"}})
		if seen.Header.Get("Authorization") != "" || seen.Header.Get("X-API-Key") != "" {
			t.Errorf("the API got %v", seen.Header)
		}
	})
}

func TestAKeyIsHeldToItsAddressesBehindAProxy(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		k := f.keypin.create(t, `{"name":"Office","scopes":["workflows:read"],"allowed_ips":["127.0.0.2"]}`)
		ask := func(from string, headers ...string) call {
			return call{path: "/v1/workflows", from: from, headers: append(headers, bearer(k))}
		}
		for _, c := range []call{
			ask("127.0.0.2"), ask("127.0.0.2", "X-Forwarded-For: 127.0.0.9"), ask("127.0.0.2", "Forwarded: for=127.0.0.9"),
		} {
			seen, _ := f.passes(t, c)
			if got := seen.Header.Values("X-Forwarded-For"); !slices.Equal(got, []string{"127.0.0.2"}) {
				t.Errorf("the API is told that the client is %q", got)
			}
		}
		for _, c := range []call{
			ask("127.0.0.3"), ask("127.0.0.1"), ask("127.0.0.3", "X-Forwarded-For: 127.0.0.2"), ask("127.0.0.3", "Forwarded: for=127.0.0.2"),
			ask("127.0.0.3", "X-Real-IP: 127.0.0.2"),
		} {
			f.refused(t, c, http.StatusForbidden, "")
		}
	})
}

func TestWithoutKeypinNobodyPasses(t *testing.T) {
	t.Parallel()
	eachProxy(t, func(t *testing.T, f *front) {
		k := f.keypin.create(t, reader)
		c := call{path: "/v1/workflows", headers: []string{bearer(k)}}
		f.passes(t, c)
		if err := f.keypin.stop(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			f.refused(t, c, f.away, "")
		}
		f.refused(t, call{path: "/v1/workflows"}, f.away, "")
		f.passes(t, call{path: "/status"})
	})
}

func TestAProxyShowsTheDataToken(t *testing.T) {
	t.Parallel()
	const token = "a-token-for-the-data-listener"
	for _, p := range proxies() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			f := p.run(t, token)
			k := f.keypin.create(t, reader)
			seen, _ := f.passes(t, call{path: "/v1/workflows", headers: []string{bearer(k), "X-Keypin-Token: wrong"}})
			if seen.Header.Get("X-Keypin-Token") != "" {
				t.Error("the API got the data token")
			}
			f.refused(t, call{path: "/v1/workflows", headers: []string{"X-Keypin-Token: " + token}}, http.StatusUnauthorized, "unauthorized")
		})
	}
}
