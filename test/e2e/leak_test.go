package e2e

import (
	"crypto/rand"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

const (
	leakOrigin    = "https://app.example.com"
	leakDataToken = "Data~Token-7Qm2XcV9sLk4TnB1pWy8RzE3uA"
)

// keySecret knows a key by its plaintext and by its random part.
func keySecret(t testing.TB, plaintext string) secret {
	t.Helper()
	parsed, ok := token.Parse(plaintext)
	if !ok {
		t.Fatal("the key to plant is none")
	}
	return newSecret("a key", plaintext, plaintext[len(parsed.Prefix)+1:][:26], false)
}

// sessionSecret knows a session token by all of it and by its signature.
func sessionSecret(session string) secret {
	return newSecret("a session token", session, session[strings.LastIndexByte(session, '.')+1:], false)
}

// leaky configures everything that reads what a caller sends.
func leaky(c *config.Config) {
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c.CORS.AllowedOrigins = []string{leakOrigin}
	c.MinSDKVersion = "0.7.0"
	c.DataToken = keypin.NewSecret(leakDataToken)
}

// A key, a session token, an invite's token and an Idempotency-Key are put into
// every place of every request, right and wrong, and looked for in every answer,
// the log, the metrics and the files.
func TestLeakNoSecretIsFoundButWhereItIsIssued(t *testing.T) {
	s := start(t, leaky)
	doc := readDocument(t, s)
	o := newOrganisation(t, s, "acme", doc.Scopes)
	o.furnish(t)
	canary := "canary " + rand.Text()
	path := workspaces + "/" + o.id
	once := "Once!" + rand.Text()
	create := planting{op: "create-api-key", what: "issuing", method: "POST", path: keys, bearer: o.admin.token,
		body: `{"name":"` + canary + `","scopes":["` + strings.Join(doc.Scopes, `","`) + `"]}`, headers: []string{"Idempotency-Key: " + once}}
	invite := planting{op: "create-invite", what: "issuing", method: "POST", path: path + "/invites", bearer: o.admin.token,
		body: `{"email":"new@acme.example","role":"viewer"}`, headers: []string{"Idempotency-Key: " + once + " too"}}
	key := s.call(t, o.admin.token, create.method, keys, create.body, create.headers...).must(t, 201).str("data", "api_key")
	joining := s.call(t, o.admin.token, invite.method, invite.path, invite.body, invite.headers...).must(t, 201).str("data", "token")
	h := newHunt(s, keySecret(t, key), sessionSecret(o.admin.token), newSecret("an invite's token", joining, joining, true),
		newSecret("an Idempotency-Key", once, once, true))
	// The one answer, and its repetition, hold it; and nothing else in them does.
	for want, p := range map[string]planting{key: create, joining: invite} {
		if a := h.send(t, p).must(t, 201); a.Header.Get("Idempotent-Replayed") != "true" || strings.Count(a.Body, want) != 1 {
			t.Errorf("the repeated answer to %s does not hold what it issues", p.op)
		}
	}
	table := recipes()
	for _, op := range doc.Operations {
		r, ok := table[op.ID]
		if !ok {
			t.Errorf("%s is not tested: add it to recipes() in isolation_table_test.go", op.ID)
			continue
		}
		for _, sec := range h.secrets {
			for _, p := range plant(t, op, r, expendable(t, o, op), o.admin.token, sec) {
				h.send(t, p)
			}
		}
	}
	h.malformedHTTP(t)
	h.secrets = append(h.secrets, newSecret("the data token", leakDataToken, leakDataToken, true))
	h.elsewhere(t)
	h.dataDoors(t, doc)
	h.validUse(t, doc, key, joining)
	h.lastUses(t, o.admin.token)
	for _, op := range doc.Operations {
		if !h.done[op.ID] {
			t.Errorf("%s did not succeed once: what recipes() makes for it is not right", op.ID)
		}
	}
	t.Logf("%d requests, %d secrets issued", h.sent, len(h.issued))
	h.aftermath(t, canary, leakDataToken)
	h.report(t)
}

// expendable makes things for the operation to work on, so that it succeeds with
// everything that is right, and destroys nothing that others need.
func expendable(t testing.TB, o *organisation, op operation) map[string]string {
	t.Helper()
	ids := o.freshFor(t, op, caller{})
	if op.ID == "delete-workspace" {
		ids["workspace_id"] = o.s.call(t, o.admin.token, "POST", workspaces, object{"name": "expendable"}).must(t, 201).str("data", "id")
	}
	return ids
}

// elsewhere plants the secrets where there is no operation.
func (h *hunt) elsewhere(t testing.TB) {
	t.Helper()
	for _, s := range h.secrets {
		for _, path := range []string{"/openapi.json", "/openapi.yaml", "/.well-known/jwks.json", "/nowhere"} {
			for _, method := range []string{"GET", "POST", "OPTIONS", s.value} {
				h.send(t, planting{what: s.name + " in the query of " + path, method: method, path: path + "?" + s.value + "=" + s.value, bearer: s.value,
					headers: []string{"Origin: " + s.value, "Access-Control-Request-Method: " + s.value, "Access-Control-Request-Headers: " + s.value}})
			}
		}
		preflight := []string{"Origin: " + leakOrigin, "Access-Control-Request-Method: " + s.value, "Access-Control-Request-Headers: " + s.value}
		h.send(t, planting{what: s.name + " in a preflight", method: "OPTIONS", path: keys + "/" + s.value, headers: preflight}).must(t, 204)
		for _, path := range []string{"/metrics", "/ready", "/health", "/", "/" + s.value, "//" + s.value, "/metrics/" + s.value, "/x/../" + s.value} {
			for _, method := range []string{"GET", "POST", s.value} {
				for _, bearer := range []string{"", s.value, s.value + "x", leakDataToken} {
					h.send(t, planting{data: true, what: s.name + " at the data listener's " + strings.ReplaceAll(path, s.value, "<it>"), method: method,
						path: path + "?" + s.value + "=" + s.value, bearer: bearer,
						headers: []string{"User-Agent: " + s.value, "X-Request-Id: " + s.value, "X-Api-Key: " + s.value}})
				}
			}
		}
	}
}

// malformedHTTP plants the secrets where net/http answers by itself.
func (h *hunt) malformedHTTP(t testing.TB) {
	t.Helper()
	for _, s := range h.secrets {
		v := s.value
		for what, request := range map[string]string{
			"the version":             "GET " + keys + " " + v + "\r\nHost: x\r\n\r\n",
			"an unknown version":      "GET " + keys + " HTTP/9.9" + v + "\r\nHost: x\r\n\r\n",
			"a bad escape":            "GET /%zz" + v + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"no path":                 "GET " + v + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"an absolute path":        "GET http://" + v + "/" + v + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"a bad method":            "G@" + v + " / HTTP/1.1\r\nHost: x\r\n\r\n",
			"two hosts":               "GET / HTTP/1.1\r\nHost: x\r\nHost: " + v + "\r\n\r\n",
			"a bad host":              "GET / HTTP/1.1\r\nHost: @/" + v + "\r\n\r\n",
			"a bad header name":       "GET / HTTP/1.1\r\nHost: x\r\nX " + v + ": 1\r\n\r\n",
			"a bad header value":      "GET / HTTP/1.1\r\nHost: x\r\nX-A: \x00" + v + "\r\n\r\n",
			"a line of no header":     "GET / HTTP/1.1\r\nHost: x\r\n" + v + "\r\n\r\n",
			"headers that are long":   "GET / HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat(v, 70<<10/len(v)) + "\r\n\r\n",
			"a transfer encoding":     "POST " + keys + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + v + "\r\n\r\n",
			"a length":                "POST " + keys + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + v + "\r\n\r\n",
			"two lengths":             "POST " + keys + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2" + v + "\r\n\r\n",
			"an expectation":          "POST " + keys + " HTTP/1.1\r\nHost: x\r\nExpect: " + v + "\r\nContent-Length: 0\r\n\r\n",
			"a chunk's length":        "POST " + keys + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + h.secrets[1].value + "\r\nTransfer-Encoding: chunked\r\n\r\n" + v + "\r\n",
			"a body that is cut off":  "POST " + keys + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + h.secrets[1].value + "\r\nContent-Length: 9999\r\n\r\n{\"name\":\"" + v,
			"a trailer":               "POST " + keys + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: " + v + "\r\n\r\n0\r\n" + v + ": " + v + "\r\n\r\n",
			"an upgrade to HTTP/2":    "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: " + v + "\r\n\r\n",
			"CONNECT":                 "CONNECT " + v + ":80 HTTP/1.1\r\nHost: " + v + ":80\r\n\r\n",
			"OPTIONS of the server":   "OPTIONS * HTTP/1.1\r\nHost: " + v + "\r\n\r\n",
			"HTTP/1.0 without a host": "GET " + keys + "?" + v + " HTTP/1.0\r\n\r\n",
		} {
			h.raw(t, s.name+" in "+what, request)
		}
	}
}

// validUse uses the secrets as they are meant to be used.
func (h *hunt) validUse(t testing.TB, doc document, key, joining string) {
	t.Helper()
	ask := func(op, method, path, bearer, body string, status int) answer {
		t.Helper()
		return h.send(t, planting{op: op, what: "valid use", method: method, path: path, bearer: bearer, body: body}).must(t, status)
	}
	me := ask("whoami", "GET", "/api/v1/auth/whoami", key, "", 200)
	id := me.str("data", "api_key_id")
	if len(me.get("data", "scopes").([]any)) != len(doc.Scopes) {
		t.Errorf("the key lost scopes: %s", me.Body)
	}
	ask("list-api-keys", "GET", keys+"?q="+key[len(key)-6:], key, "", 200)
	ask("get-api-key", "GET", keys+"/"+id, key, "", 200)
	ask("verify-api-key", "POST", keys+"/verify", key, `{"key":"`+key+`"}`, 200)
	ask("update-api-key", "PATCH", keys+"/"+id, key, `{"metadata":{"used":"yes"}}`, 200)
	guest := h.s.session(t, "new@acme.example", "", "")
	ask("accept-invite", "POST", workspaces+"/invites/"+joining+"/accept", guest, "", 200)
	ask("accept-invite", "POST", workspaces+"/invites/"+joining+"/accept", guest, "", 410)
	ask("rotate-api-key", "PATCH", keys+"/"+id+"/rotate", key, `{"grace_period_seconds":60}`, 200)
	ask("delete-api-key", "DELETE", keys+"/"+id, key, "", 200)
	ask("whoami", "GET", "/api/v1/auth/whoami", key, "", 401)
}

// lastUses uses keys so that the last user agent of each, which is stored and told,
// holds a secret.
func (h *hunt) lastUses(t testing.TB, admin string) {
	t.Helper()
	for _, s := range h.secrets {
		if s.text {
			continue
		}
		made := h.send(t, planting{op: "create-api-key", what: "a key to use", method: "POST", path: keys, bearer: admin, body: `{"name":"used"}`}).must(t, 201)
		h.send(t, planting{op: "whoami", what: s.name + " as a key's user agent", method: "GET", path: "/api/v1/auth/whoami",
			bearer: made.str("data", "api_key"), headers: []string{"User-Agent: tool/1 " + s.value}}).must(t, 200)
	}
}

// dressed are headers that hold v without changing what the request is.
func dressed(v string) []string {
	return []string{"User-Agent: tool/1 " + v, "Referer: https://x.example/" + v, "Cookie: s=" + v, "X-Request-Id: " + v, "X-Unknown: " + v,
		"X-Forwarded-For: fe80::1%" + v, "Origin: " + v}
}

// Every error of the API happens to a request that is full of secrets.
func TestLeakNoErrorTellsASecret(t *testing.T) {
	s := start(t, leaky, func(c *config.Config) { c.Log.Format = "text" })
	doc := readDocument(t, s)
	o := newOrganisation(t, s, "acme", doc.Scopes)
	o.furnish(t)
	canary := "canary " + rand.Text()
	admin := o.admin.token
	live := s.call(t, admin, "POST", keys, object{"name": canary, "scopes": doc.Scopes}).must(t, 201).str("data", "api_key")
	h := newHunt(s, keySecret(t, live), sessionSecret(admin))
	for _, sec := range h.secrets {
		h.provokeEverything(t, o, sec.value)
	}
	h.aftermath(t, canary, leakDataToken)
	h.report(t)
	broken := brokenServices(t)
	for _, code := range doc.Codes {
		// Nothing that is built yet has a quota.
		if !h.codes[code] && !broken[code] && code != string(keypin.CodeQuotaExceeded) {
			t.Errorf("the error %s did not happen: provoke it here", code)
		}
	}
}

// provokeEverything makes each error that a working service can answer with.
func (h *hunt) provokeEverything(t testing.TB, o *organisation, v string) {
	t.Helper()
	admin, path := o.admin.token, workspaces+"/"+o.id
	try := func(want, method, at, bearer string, body any, headers ...string) {
		t.Helper()
		sent, _ := body.(string)
		p := planting{what: "an error " + want, method: method, path: at, bearer: bearer, body: sent, headers: append(headers, dressed(v)...)}
		if a := h.send(t, p); a.str("error", "code") != want {
			t.Errorf("%s %s answered %q, want %s: %s", method, strings.ReplaceAll(at, v, "<it>"), a.outcome(), want, a.Body)
		}
	}
	made := func(body object) (path, secret string) {
		id, secret := h.s.createKey(t, admin, body)
		return keys + "/" + id, secret
	}
	suspended, _ := made(object{"name": "suspended"})
	h.s.call(t, admin, "PATCH", suspended, object{"active": false}).must(t, 200)
	revoked, _ := made(object{"name": "revoked"})
	h.s.call(t, admin, "DELETE", revoked, nil).must(t, 200)
	expiring, _ := made(object{"name": "expiring", "expires_at": time.Now().Add(500 * time.Millisecond)})
	_, narrow := made(object{"name": "narrow"})
	_, slow := made(object{"name": "slow", "rate_limit_per_min": 1})
	h.s.call(t, slow, "GET", "/api/v1/auth/whoami", nil).must(t, 200)
	list, _ := h.s.call(t, admin, "GET", path+"/members", nil).must(t, 200).get("data").([]any)
	founder, _ := list[0].(object)["id"].(string)
	invite := h.s.call(t, admin, "POST", path+"/invites", object{"email": "x@acme.example", "role": "viewer"}).must(t, 201)
	h.s.call(t, admin, "DELETE", path+"/invites/"+invite.str("data", "id"), nil).must(t, 200)

	try("unauthorized", "GET", keys, v+"x", nil)
	try("forbidden", "POST", keys, o.viewer.token, `{"name":"x"}`)
	try("insufficient_scope", "GET", keys+"?q=x", narrow, nil)
	try("workspace_forbidden", "GET", keys, admin, nil, "X-Workspace-Id: "+nowhere)
	try("not_found", "GET", keys+"/"+nowhere, admin, nil)
	try("not_found", "POST", workspaces+"/invites/"+v[len(v)-38:]+"/accept", admin, nil)
	try("method_not_allowed", "PUT", keys+"?"+v, admin, nil)
	try("not_acceptable", "GET", keys, admin, nil, "Accept: "+v)
	try("api_key_revoked", "PATCH", revoked, admin, `{"name":"x"}`)
	try("api_key_inactive", "PATCH", suspended+"/rotate", admin, nil)
	try("workspace_slug_taken", "POST", workspaces, admin, `{"name":"x","slug":"acme"}`)
	try("conflict", "DELETE", path+"/members/"+founder, admin, nil)
	try("gone", "POST", workspaces+"/invites/"+invite.str("data", "token")+"/accept", admin, nil)
	try("precondition_failed", "DELETE", suspended, admin, nil, `If-Match: "`+v+`"`)
	try("payload_too_large", "POST", keys, admin, `{"name":"`+v+strings.Repeat("x", 64<<10)+`"}`)
	try("unsupported_media_type", "POST", keys, admin, v, "Content-Type: text/"+v)
	try("validation_error", "POST", keys, admin, `{"name":"`+v+`","key_type":"`+v+`","`+v+`":"`+v+`"}`)
	try("sdk_upgrade_required", "GET", keys, admin, nil, "User-Agent: onepin/0.6.9 "+v)
	try("rate_limited", "GET", "/api/v1/auth/whoami", slow, nil)
	deadline := time.Now().Add(20 * time.Second)
	for h.s.call(t, admin, "GET", expiring, nil).must(t, 200); ; {
		half := h.s.call(t, admin, "GET", keys+"?status=revoked&q=expiring", nil).must(t, 200)
		if strings.Contains(half.Body, strings.TrimPrefix(expiring, keys+"/")) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the key does not expire")
		}
	}
	try("api_key_expired", "PATCH", expiring+"/rotate", admin, nil)
}
