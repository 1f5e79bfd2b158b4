package e2e

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

const keys = "/api/v1/api-keys"

// The example of the published API's own page.
func TestTheMarketingKeyOfTheDocumentation(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	a := s.call(t, admin, "POST", keys, object{"name": "Marketing API Key", "key_type": "read-only", "prefix": "mkapi",
		"scopes": []string{"templates:read", "workflows:read", "voices:read"}, "rate_limit_per_min": 100}).must(t, 201)
	secret := a.str("data", "api_key")
	if !regexp.MustCompile(`^mkapi_[0-9A-Za-z]{32}$`).MatchString(secret) {
		t.Errorf("the key does not have its form")
	}
	if _, ok := token.Parse(secret); !ok {
		t.Error("the key's checksum is wrong")
	}
	for path, want := range map[string]any{
		"name": "Marketing API Key", "key_type": "read-only", "key_prefix": "mkapi", "key_suffix": secret[len(secret)-6:], "active": true,
		"last_used_at": nil, "rate_limit_per_min": 100.0, "revoked_at": nil, "preview": "mkapi-xxxxxx-" + secret[len(secret)-6:],
		"scopes": []any{"workflows:read", "voices:read", "templates:read"},
	} {
		if diff := cmp.Diff(want, a.get("data", path)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("the answer that holds the plaintext has Cache-Control %q", got)
	}
	if got, want := a.Header.Get("Location"), keys+"/"+a.str("data", "id"); got != want {
		t.Errorf("Location %q, want %q", got, want)
	}
	patched := s.call(t, admin, "PATCH", keys+"/"+a.str("data", "id"), "{}").must(t, 200)
	if strings.Contains(patched.Body, secret) || strings.Contains(patched.Body, `"api_key"`) {
		t.Error("the plaintext came out a second time")
	}
	if diff := cmp.Diff(a.get("data", "updated_at"), patched.get("data", "updated_at")); diff != "" {
		t.Error("an empty patch moved updated_at")
	}
}

func TestEveryAnswerCarriesItsRequestID(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	const id = "123e4567-e89b-12d3-a456-426614174000"
	for name, c := range map[string]struct{ given, want string }{
		"none":           {"", ""},
		"a UUID":         {id, id},
		"req_ and UUID":  {"req_" + id, "req_" + id},
		"anything else":  {"my-request", ""},
		"markup":         {"<script>", ""},
		"almost a UUID":  {id + "0", ""},
		"a prefix alone": {"req_", ""},
	} {
		for _, path := range []string{keys, "/nowhere", "/health", keys + "/no-uuid"} {
			var headers []string
			if c.given != "" {
				headers = append(headers, "X-Request-Id: "+c.given)
			}
			a := s.call(t, admin, "GET", path, nil, headers...)
			got := a.Header.Get("X-Request-Id")
			if c.want != "" && got != c.want || c.want == "" && (got == c.given || !regexp.MustCompile(`^req_[0-9a-f-]{36}$`).MatchString(got)) {
				t.Errorf("%s, %s: X-Request-Id %q", name, path, got)
			}
			if path != "/health" && a.str("meta", "request_id") != got {
				t.Errorf("%s, %s: meta.request_id %q, header %q", name, path, a.str("meta", "request_id"), got)
			}
		}
	}
	if ts := s.call(t, admin, "GET", keys, nil).str("meta", "timestamp"); !strings.HasSuffix(ts, "Z") {
		t.Errorf("timestamp %q is not UTC", ts)
	}
}

func TestAKeysLife(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	id, secret := s.createKey(t, admin, object{"name": "life"})
	verdict := func(secret string) string {
		t.Helper()
		return s.call(t, admin, "POST", keys+"/verify", object{"key": secret}).must(t, 200).str("data", "code")
	}
	path := keys + "/" + id
	if got := verdict(secret); got != "valid" {
		t.Fatalf("new: %s", got)
	}
	s.call(t, admin, "PATCH", path, object{"active": false}).must(t, 200)
	if got := verdict(secret); got != "inactive" {
		t.Errorf("suspended: %s", got)
	}
	s.call(t, admin, "PATCH", path+"/rotate", nil).must(t, 409)
	s.call(t, admin, "PATCH", path, object{"active": true}).must(t, 200)
	rotated := s.call(t, admin, "PATCH", path+"/rotate", nil).must(t, 200)
	if got := verdict(secret); got != "revoked" {
		t.Errorf("rotated without grace: %s", got)
	}
	next := rotated.str("data", "new_key", "api_key")
	if got := verdict(next); got != "valid" {
		t.Errorf("the new key: %s", got)
	}
	if rotated.str("data", "new_key", "rotated_from") != id || rotated.str("data", "old_key", "rotated_to") != rotated.str("data", "new_key", "id") {
		t.Error("the chain is not linked")
	}
	newPath := keys + "/" + rotated.str("data", "new_key", "id")
	graced := s.call(t, admin, "PATCH", newPath+"/rotate", object{"grace_period_seconds": 3600}).must(t, 200)
	if got := verdict(next); got != "valid" {
		t.Errorf("in grace: %s", got)
	}
	if graced.get("data", "old_key", "revoked_at") != nil || graced.get("data", "old_key", "expires_at") == nil {
		t.Error("a key in grace must expire and not be revoked yet")
	}
	last := keys + "/" + graced.str("data", "new_key", "id")
	revoked := s.call(t, admin, "DELETE", last, nil).must(t, 200)
	if revoked.get("data", "active") != false || revoked.get("data", "revoked_at") == nil {
		t.Errorf("revoked: %s", revoked.Body)
	}
	again := s.call(t, admin, "DELETE", last, nil).must(t, 200)
	if diff := cmp.Diff(revoked.get("data"), again.get("data")); diff != "" {
		t.Errorf("revoking again changed something:\n%s", diff)
	}
	a := s.call(t, admin, "PATCH", last, object{"name": "x"}).must(t, 409)
	if a.str("error", "code") != "api_key_revoked" {
		t.Errorf("patching a revoked key: %s", a.Body)
	}
	a = s.call(t, admin, "PATCH", last+"/rotate", nil).must(t, 409)
	if a.str("error", "code") != "api_key_revoked" {
		t.Errorf("rotating a revoked key: %s", a.Body)
	}
}

func TestEveryKeyIsInOneHalfOfTheList(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	ids := map[string]string{}
	for _, name := range []string{"alpha", "bravo", "charlie", "delta"} {
		ids[name], _ = s.createKey(t, admin, object{"name": name})
	}
	s.call(t, admin, "DELETE", keys+"/"+ids["bravo"], nil).must(t, 200)
	s.call(t, admin, "PATCH", keys+"/"+ids["charlie"], object{"active": false}).must(t, 200)
	names := func(query string) (names []string, total float64, a answer) {
		a = s.call(t, admin, "GET", keys+query, nil).must(t, 200)
		list, _ := a.get("data").([]any)
		for _, k := range list {
			names = append(names, k.(object)["name"].(string))
		}
		total, _ = a.get("pagination", "total").(float64)
		return names, total, a
	}
	for query, want := range map[string][]string{
		"":                               {"delta", "alpha"},
		"?status=revoked":                {"charlie", "bravo"},
		"?status=all":                    {"delta", "charlie", "bravo", "alpha"},
		"?status=all&sort=name":          {"alpha", "bravo", "charlie", "delta"},
		"?status=all&sort=created_at":    {"alpha", "bravo", "charlie", "delta"},
		"?status=all&q=HARLI":            {"charlie"},
		"?status=all&q=%25":              nil,
		"?status=all&key_type=test":      nil,
		"?status=all&limit=1&offset=1":   {"charlie"},
		"?status=all&limit=100&offset=9": nil,
	} {
		got, total, _ := names(query)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
		if !strings.Contains(query, "offset") && int(total) != len(want) {
			t.Errorf("%s: total %v, want %d", query, total, len(want))
		}
	}
	_, _, a := names("?status=all&limit=1&offset=1")
	next, err := url.Parse(a.str("pagination", "next"))
	if err != nil || !next.IsAbs() || next.Query().Get("status") != "all" || next.Query().Get("offset") != "2" || next.Query().Get("limit") != "1" {
		t.Errorf("next %v, %v", next, err)
	}
	if got := s.call(t, admin, "GET", strings.TrimPrefix(a.str("pagination", "prev"), s.URL), nil).must(t, 200); got.get("pagination", "prev") != nil {
		t.Errorf("the first page has a page before: %s", got.Body)
	}
}

func TestAnotherWorkspacesKeyLooksLikeNoKey(t *testing.T) {
	s := start(t)
	ada, bob := s.session(t, "ada@example.com", "", ""), s.session(t, "bob@example.com", "", "")
	id, _ := s.createKey(t, ada, object{"name": "hers"})
	const nobody = "0190a0b0-0000-7000-8000-000000000000"
	const request = "X-Request-Id: 123e4567-e89b-12d3-a456-426614174000"
	for _, c := range []struct{ method, suffix, body string }{
		{"GET", "", ""}, {"PATCH", "", `{"name":"x"}`}, {"DELETE", "", ""}, {"PATCH", "/rotate", "{}"},
	} {
		var body any
		if c.body != "" {
			body = c.body
		}
		theirs := s.call(t, bob, c.method, keys+"/"+id+c.suffix, body, request).must(t, 404)
		none := s.call(t, bob, c.method, keys+"/"+nobody+c.suffix, body, request).must(t, 404)
		strip := regexp.MustCompile(`"timestamp":"[^"]*"`)
		if a, b := strip.ReplaceAllString(theirs.Body, ""), strip.ReplaceAllString(none.Body, ""); a != b {
			t.Errorf("%s%s: the answers differ:\n%s\n%s", c.method, c.suffix, a, b)
		}
	}
	a := s.call(t, bob, "GET", keys, nil, "X-Workspace-Id: "+s.call(t, ada, "GET", "/api/v1/auth/whoami", nil).str("data", "workspace_id")).must(t, 403)
	b := s.call(t, bob, "GET", keys, nil, "X-Workspace-Id: "+nobody).must(t, 403)
	if a.str("error", "code") != "workspace_forbidden" || a.str("error", "message") != b.str("error", "message") {
		t.Errorf("a workspace that exists answers otherwise: %s %s", a.Body, b.Body)
	}
}

func TestTheCredentialsAreChallengedAsRFC6750Says(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	_, secret := s.createKey(t, admin, object{"name": "narrow"})
	for name, c := range map[string]struct {
		headers   []string
		status    int
		challenge string
	}{
		"nothing sent":       {nil, 401, `Bearer realm="keypin"`},
		"basic":              {[]string{"Authorization: Basic YTpi"}, 401, `Bearer realm="keypin"`},
		"rubbish":            {[]string{"Authorization: Bearer rubbish"}, 401, `Bearer realm="keypin", error="invalid_token"`},
		"empty":              {[]string{"Authorization: Bearer "}, 401, `Bearer realm="keypin", error="invalid_token"`},
		"two headers":        {[]string{"Authorization: Bearer " + admin, "Authorization: Bearer " + admin}, 401, `Bearer realm="keypin", error="invalid_token"`},
		"two in one":         {[]string{"Authorization: Bearer " + admin + ", Bearer x"}, 401, `Bearer realm="keypin", error="invalid_token"`},
		"a bad checksum":     {[]string{"Authorization: Bearer op_live_00000000000000000000000000000000"}, 401, `Bearer realm="keypin", error="invalid_token"`},
		"an unknown key":     {[]string{"Authorization: Bearer op_live_0000000000000000000000000009BlC0"}, 401, `Bearer realm="keypin", error="invalid_token"`},
		"a broken signature": {[]string{"Authorization: Bearer " + admin[:len(admin)-4] + "AAAA"}, 401, `Bearer realm="keypin", error="invalid_token"`},
		"too few scopes":     {[]string{"Authorization: Bearer " + secret}, 403, `Bearer realm="keypin", error="insufficient_scope", scope="api-keys:read"`},
		"lower-case scheme":  {[]string{"Authorization: bearer " + admin}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.call(t, "", "GET", keys, nil, c.headers...).must(t, c.status)
			if got := a.Header.Get("WWW-Authenticate"); got != c.challenge {
				t.Errorf("challenge %q, want %q", got, c.challenge)
			}
		})
	}
}

func TestALimitedKeyIsToldItsLimit(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	_, secret := s.createKey(t, admin, object{"name": "limited", "rate_limit_per_min": 2})
	whoami := "/api/v1/auth/whoami"
	first := s.call(t, secret, "GET", whoami, nil).must(t, 200)
	if first.Header.Get("X-RateLimit-Limit") != "2" || first.Header.Get("X-RateLimit-Remaining") != "1" || first.Header.Get("RateLimit-Policy") != `"default";q=2;w=60` {
		t.Errorf("headers: %v", first.Header)
	}
	if first.str("data", "auth_kind") != "api_key" || first.str("data", "api_key_id") == "" {
		t.Errorf("whoami: %s", first.Body)
	}
	s.call(t, secret, "GET", whoami, nil).must(t, 200)
	refused := s.call(t, secret, "GET", whoami, nil).must(t, 429)
	if refused.str("error", "code") != "rate_limited" || refused.Header.Get("X-RateLimit-Remaining") != "0" {
		t.Errorf("refused: %v %s", refused.Header, refused.Body)
	}
	if after := refused.Header.Get("Retry-After"); !regexp.MustCompile(`^([1-9]|[1-5][0-9]|60)$`).MatchString(after) {
		t.Errorf("Retry-After %q", after)
	}
	if !regexp.MustCompile(`^[0-9]{10}$`).MatchString(refused.Header.Get("X-RateLimit-Reset")) {
		t.Errorf("X-RateLimit-Reset %q", refused.Header.Get("X-RateLimit-Reset"))
	}
	// The window belongs to the chain: rotating does not refill it.
	id := first.str("data", "api_key_id")
	// What is not there spends nothing, whatever it is near.
	_, other := s.createKey(t, admin, object{"name": "other", "rate_limit_per_min": 1})
	for range 3 {
		s.call(t, other, "GET", whoami+"%2f", nil).must(t, 404)
		s.call(t, other, "GET", "//api/v1/auth/whoami", nil).must(t, 404)
	}
	s.call(t, other, "GET", whoami, nil).must(t, 200)
	next := s.call(t, admin, "PATCH", keys+"/"+id+"/rotate", nil).must(t, 200).str("data", "new_key", "api_key")
	s.call(t, next, "GET", whoami, nil).must(t, 429)
}

func TestARepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	const idem = "Idempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324"
	first := s.call(t, admin, "POST", keys, object{"name": "once"}, idem).must(t, 201)
	again := s.call(t, admin, "POST", keys, object{"name": "once"}, idem).must(t, 201)
	quoted := s.call(t, admin, "POST", keys, object{"name": "once"}, `Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324"`).must(t, 201)
	for _, a := range []answer{again, quoted} {
		if diff := cmp.Diff(first.get("data"), a.get("data")); diff != "" {
			t.Errorf("the repeated answer differs:\n%s", diff)
		}
		if a.Header.Get("Idempotent-Replayed") != "true" {
			t.Error("the repeated answer is not marked")
		}
	}
	if first.Header.Get("Idempotent-Replayed") != "" {
		t.Error("the first answer is marked as repeated")
	}
	other := s.call(t, admin, "POST", keys, object{"name": "twice"}, idem).must(t, 422)
	if !slices.Contains(other.fields(), "header.Idempotency-Key") {
		t.Errorf("another request under the key: %s", other.Body)
	}
	path := keys + "/" + first.str("data", "id") + "/rotate"
	one := s.call(t, admin, "PATCH", path, nil, "Idempotency-Key: rotate-it-once").must(t, 200)
	two := s.call(t, admin, "PATCH", path, nil, "Idempotency-Key: rotate-it-once").must(t, 200)
	if diff := cmp.Diff(one.get("data"), two.get("data")); diff != "" {
		t.Errorf("rotating again under the same key differs:\n%s", diff)
	}
	if total := s.call(t, admin, "GET", keys+"?status=all", nil).get("pagination", "total"); total != 2.0 {
		t.Errorf("%v keys, want 2", total)
	}
}

func TestIfMatchMakesAChangeStrict(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	id, _ := s.createKey(t, admin, object{"name": "strict"})
	path := keys + "/" + id
	tag := s.call(t, admin, "GET", path, nil).Header.Get("ETag")
	changed := s.call(t, admin, "PATCH", path, object{"name": "a"}, "If-Match: "+tag).must(t, 200)
	if changed.Header.Get("ETag") == tag {
		t.Error("a change kept the ETag")
	}
	a := s.call(t, admin, "PATCH", path, object{"name": "b"}, "If-Match: "+tag).must(t, 412)
	if a.str("error", "code") != "precondition_failed" {
		t.Errorf("%s", a.Body)
	}
	s.call(t, admin, "PATCH", path, object{"name": "b"}, "If-Match: *").must(t, 200)
	s.call(t, admin, "DELETE", path, nil, `If-Match: "v999", W/"v3", rubbish`).must(t, 412)
}

func TestVerifyAnswersEveryOutcomeWith200(t *testing.T) {
	s := start(t)
	admin, bob := s.session(t, "ada@example.com", "", ""), s.session(t, "bob@example.com", "", "")
	_, good := s.createKey(t, admin, object{"name": "good", "scopes": []string{"voices:read"}, "metadata": object{"plan": "pro"}})
	_, pinned := s.createKey(t, admin, object{"name": "pinned", "allowed_ips": []string{"203.0.113.0/24"}})
	_, limited := s.createKey(t, admin, object{"name": "limited", "rate_limit_per_min": 3})
	_, his := s.createKey(t, bob, object{"name": "his"})
	soon := s.call(t, admin, "POST", keys, object{"name": "soon", "expires_at": time.Now().Add(time.Hour)}).must(t, 201)
	for name, c := range map[string]struct {
		body object
		want string
	}{
		"valid":              {object{"key": good, "scopes": []string{"voices:read"}}, "valid"},
		"not yet expired":    {object{"key": soon.str("data", "api_key")}, "valid"},
		"malformed":          {object{"key": "rubbish"}, "malformed"},
		"empty":              {object{"key": ""}, "malformed"},
		"wrong checksum":     {object{"key": good[:len(good)-1] + "_"}, "malformed"},
		"unknown":            {object{"key": "op_live_0000000000000000000000000009BlC0"}, "not_found"},
		"another workspaces": {object{"key": his}, "not_found"},
		"too few scopes":     {object{"key": good, "scopes": []string{"voices:read", "voices:write"}}, "insufficient_scope"},
		"no address":         {object{"key": pinned}, "ip_not_allowed"},
		"wrong address":      {object{"key": pinned, "client_ip": "198.51.100.1"}, "ip_not_allowed"},
		"right address":      {object{"key": pinned, "client_ip": "203.0.113.9"}, "valid"},
		"over the limit":     {object{"key": limited, "cost": 4}, "rate_limited"},
	} {
		a := s.call(t, admin, "POST", keys+"/verify", c.body).must(t, 200)
		if got := a.str("data", "code"); got != c.want || a.get("data", "valid") != (c.want == "valid") {
			t.Errorf("%s: %s", name, a.Body)
		}
		if known := a.get("data", "api_key") != nil; known != (c.want != "malformed" && c.want != "not_found") {
			t.Errorf("%s: api_key present: %v", name, known)
		}
	}
	a := s.call(t, admin, "POST", keys+"/verify", object{"key": limited, "cost": 0}).must(t, 200)
	if a.get("data", "rate_limit", "remaining") != 3.0 {
		t.Errorf("a refusal spent something: %s", a.Body)
	}
	_, verifier := s.createKey(t, admin, object{"name": "verifier", "scopes": []string{"api-keys:verify"}})
	if got := s.call(t, verifier, "POST", keys+"/verify", object{"key": good}).must(t, 200).str("data", "code"); got != "valid" {
		t.Errorf("a key with api-keys:verify: %s", got)
	}
	s.call(t, good, "POST", keys+"/verify", object{"key": good}).must(t, 403)
}

func TestWhatIsNotThereAnswersInTheEnvelope(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		method, path string
		status       int
		code, allow  string
	}{
		{"GET", "/nowhere", 404, "not_found", ""},
		{"GET", "/api/v1/api-keys/", 404, "not_found", ""},
		{"GET", "//api/v1/api-keys", 404, "not_found", ""},
		{"GET", "/api/../health", 404, "not_found", ""},
		{"PATCH", keys + "/verify", 405, "method_not_allowed", "POST"},
		{"GET", keys + "/verify", 405, "method_not_allowed", "POST"},
		{"PATCH", "/api/v1/workspaces/slug-available", 405, "method_not_allowed", "GET, HEAD"},
		{"PUT", keys, 405, "method_not_allowed", "GET, HEAD, POST"},
		{"TRACE", "/health", 405, "method_not_allowed", "GET, HEAD"},
	} {
		a := s.call(t, "", c.method, c.path, nil).must(t, c.status)
		if a.str("error", "code") != c.code || a.Header.Get("Allow") != c.allow || a.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v %s", c.method, c.path, a.Header, a.Body)
		}
	}
}

func TestTheProbesTellTheVersion(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/health", "/ready"} {
		a := s.call(t, "", "GET", path, nil).must(t, 200)
		if a.Body != `{"status":"ok","version":"test"}`+"\n" {
			t.Errorf("%s: %s", path, a.Body)
		}
	}
}

func TestOldSDKsAreToldToUpgrade(t *testing.T) {
	s := start(t, func(c *config.Config) { c.MinSDKVersion = "0.7.0" })
	admin := s.session(t, "ada@example.com", "", "")
	for agent, status := range map[string]int{"onepin/0.6.1": 426, "onepin/0.7.0": 200, "onepin/0.10.0": 200, "onepin-python/0.6.9 python/3.11": 426,
		"keypin-python/0.1.0": 426, "curl/8.0": 200, "onepin/x": 200} {
		a := s.call(t, admin, "GET", keys, nil, "User-Agent: "+agent).must(t, status)
		if status == 426 && (a.Header.Get("X-OnePin-Required-Version") != "0.7.0" || a.str("error", "code") != "sdk_upgrade_required") {
			t.Errorf("%s: %v %s", agent, a.Header, a.Body)
		}
	}
}

func TestCORSIsOffUnlessConfigured(t *testing.T) {
	const page = "https://app.example.com"
	preflight := []string{"Origin: " + page, "Access-Control-Request-Method: POST"}
	off := start(t)
	if a := off.call(t, "", "OPTIONS", keys, nil, preflight...).must(t, 405); a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("CORS headers without configuration: %v", a.Header)
	}
	on := start(t, func(c *config.Config) { c.CORS.AllowedOrigins = []string{page} })
	if a := on.call(t, "", "OPTIONS", keys, nil, preflight...).must(t, 204); a.Header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("preflight: %v", a.Header)
	}
	if a := on.call(t, "", "GET", "/health", nil, "Origin: https://evil.example").must(t, 200); a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Vary") != "Origin" {
		t.Errorf("another origin: %v", a.Header)
	}
}

func TestTheAnswerIsJSONOrNothing(t *testing.T) {
	s := start(t)
	for accept, status := range map[string]int{"application/json": 200, "*/*": 200, "text/html, application/*;q=0.5": 200, "text/html": 406,
		"application/json;q=0, */*": 406, "application/json;q=0": 406, "text/html, */*;q=0": 406} {
		s.call(t, "", "GET", "/health", nil, "Accept: "+accept).must(t, status)
	}
	s.call(t, "", "GET", "/openapi.yaml", nil, "Accept: application/json").must(t, 406)
	if a := s.call(t, "", "GET", "/openapi.json", nil).must(t, 200); a.str("openapi") != "3.1.0" {
		t.Error("no OpenAPI 3.1 document")
	}
}

func TestEditorsAndKeysCannotGrantWhatTheyLack(t *testing.T) {
	s := start(t)
	admin, editor, viewer := s.session(t, "ada@x.io", "acme", keypin.RoleAdmin), s.session(t, "ed@x.io", "acme", keypin.RoleEditor), s.session(t, "vi@x.io", "acme", keypin.RoleViewer)
	s.call(t, editor, "POST", keys, object{"name": "x", "scopes": []string{"api-keys:read"}}).must(t, 403)
	s.call(t, editor, "POST", keys, object{"name": "x", "scopes": []string{"voices:write"}}).must(t, 201)
	s.call(t, viewer, "POST", keys, object{"name": "x"}).must(t, 403)
	_, writer := s.createKey(t, admin, object{"name": "writer", "scopes": []string{"api-keys:write", "voices:read"}})
	a := s.call(t, writer, "POST", keys, object{"name": "x", "scopes": []string{"voices:read", "voices:write"}}).must(t, 403)
	if a.str("error", "code") != "insufficient_scope" {
		t.Errorf("%s", a.Body)
	}
	s.call(t, writer, "POST", keys, object{"name": "x", "scopes": []string{"voices:read"}}).must(t, http.StatusCreated)
	hers, _ := s.createKey(t, admin, object{"name": "hers", "scopes": []string{"voices:write"}})
	s.call(t, editor, "DELETE", keys+"/"+hers, nil).must(t, 403)
	s.call(t, writer, "PATCH", keys+"/"+hers+"/rotate", nil).must(t, 403)
}
