package app

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/keypin/keypin/internal/gateway"
	"github.com/keypin/keypin/internal/httpapi"
	"github.com/keypin/keypin/internal/keypin"
)

const testToken = "0123456789abcdef"

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// code is the error's, in the API's envelope; "" when there is none.
func (r reply) code() string {
	var body struct {
		Error struct{ Code string }
		Meta  struct {
			RequestID string `json:"request_id"`
		}
	}
	if json.Unmarshal([]byte(r.body), &body) != nil || body.Meta.RequestID == "" || body.Meta.RequestID != r.header.Get("X-Request-Id") {
		return ""
	}
	return body.Error.Code
}

// ask sends a request. Headers are "Name: value".
func ask(t *testing.T, method string, address net.Addr, path, body string, headers ...string) reply {
	t.Helper()
	var b io.Reader
	if body != "" {
		b = strings.NewReader(body)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address.String()+path, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Add(name, value)
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{response.StatusCode, response.Header, string(text)}
}

// envoy is a client of ext_authz.
func envoy(t *testing.T, address net.Addr) authv3.AuthorizationClient {
	t.Helper()
	conn, err := grpc.NewClient(address.String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return authv3.NewAuthorizationClient(conn)
}

func about(key string) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		Request:           &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Headers: map[string]string{"x-api-key": key}}},
		ContextExtensions: map[string]string{"scopes": "voices:read"},
	}}
}

// makeKey makes a key with a scope, and gives its path and plaintext.
func makeKey(t *testing.T, s *service, token string) (path, plaintext string) {
	t.Helper()
	made := ask(t, http.MethodPost, s.PublicAddr(), "/api/v1/api-keys", `{"name":"x","scopes":["voices:read"]}`, "Authorization: Bearer "+token)
	var body struct {
		Data struct {
			ID     string `json:"id"`
			APIKey string `json:"api_key"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(made.body), &body); err != nil || made.status != http.StatusCreated {
		t.Fatalf("%d %s: %v", made.status, made.body, err)
	}
	return "/api/v1/api-keys/" + body.Data.ID, body.Data.APIKey
}

func TestTheDataListenersAddressesAndMethods(t *testing.T) {
	t.Parallel()
	s := start(t, testConfig(t))
	const get, post = "GET, HEAD", "POST"
	methods := []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "PROPFIND"}
	for path, allow := range map[string]string{
		"/health": get, "/ready": get, "/metrics": get, "/api/v1/invalidations": get, httpapi.VerifyPath: post, gateway.ExtAuthzPath: post, "/api/v1/usage-reports": post,
	} {
		for _, method := range methods {
			if path == "/api/v1/invalidations" && method == http.MethodGet {
				continue // it does not end
			}
			got := ask(t, method, s.DataAddr(), path, "")
			if strings.Contains(allow, method) {
				if got.status == http.StatusMethodNotAllowed || got.status == http.StatusNotFound {
					t.Errorf("%s %s: %d", method, path, got.status)
				}
				continue
			}
			if got.status != http.StatusMethodNotAllowed || got.header.Get("Allow") != allow || method != http.MethodHead && got.code() != "method_not_allowed" {
				t.Errorf("%s %s: %d %s, Allow %q", method, path, got.status, got.body, got.header.Get("Allow"))
			}
			if got.header.Get("Cache-Control") != "no-store" || got.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s %s: headers %v", method, path, got.header)
			}
		}
	}
	for _, path := range []string{"/", "/health/", "//health", "/x/../health", "/Health", "/api/v1/api-keys", httpapi.VerifyPath + "/", "/forward-auth/", "/forward-auth/x",
		"/envoy.service.auth.v3.Authorization/Other", "/envoy.service.auth.v2.Authorization/Check", "/openapi.json", "/api/v1/invalidations/x"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			got := ask(t, method, s.DataAddr(), path, "")
			if got.status != http.StatusNotFound || got.code() != "not_found" || got.header.Get("Cache-Control") != "no-store" || got.header.Get("Location") != "" {
				t.Errorf("%s %s: %d %s %v", method, path, got.status, got.body, got.header)
			}
		}
	}
	for _, method := range methods { // any is asked about
		if got := ask(t, method, s.DataAddr(), "/forward-auth", ""); got.status != http.StatusUnauthorized || got.header.Get("X-Keypin-Code") != "unauthorized" {
			t.Errorf("%s /forward-auth: %d %v", method, got.status, got.header)
		}
	}
	for _, path := range []string{"/forward-auth", "/api/v1/invalidations", "/api/v1/usage-reports", gateway.ExtAuthzPath} {
		if got := ask(t, http.MethodPost, s.PublicAddr(), path, ""); got.status != http.StatusNotFound {
			t.Errorf("the public listener answers %s with %d", path, got.status)
		}
	}
}

func TestEverythingButTheProbesNeedsTheDataToken(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.DataToken = keypin.NewSecret(testToken)
	s := start(t, c)
	_, key := makeKey(t, s, mint(t, c))
	const bearer, bare = "Authorization: Bearer " + testToken, "X-Keypin-Token: " + testToken
	doors := []struct {
		method, path, body string
		right, wrong       string // which header it is in, and in which it does not count
	}{
		{http.MethodPost, httpapi.VerifyPath, `{"key":"` + key + `"}`, bearer, bare},
		{http.MethodGet, "/forward-auth", "", bare, bearer},
		{http.MethodHead, "/api/v1/invalidations", "", bearer, bare},
		{http.MethodGet, "/metrics", "", bearer, bare},
		{http.MethodPost, gateway.ExtAuthzPath, "", bearer, bare},
		{http.MethodPost, "/api/v1/usage-reports", `{"uses":[]}`, bearer, bare},
	}
	for _, d := range doors {
		name, _, _ := strings.Cut(d.right, ": ")
		for _, header := range []string{"X-Unknown: x", name + ": ", name + ": Bearer", name + ": Bearer " + testToken[1:], name + ": Bearer " + testToken + "x", name + ": Basic " + testToken,
			name + ": " + strings.ToUpper(testToken), name + ": Bearer Bearer " + testToken, name + ": Bearer " + testToken + ", Bearer " + testToken, d.wrong} {
			got := ask(t, d.method, s.DataAddr(), d.path, d.body, header, "X-API-Key: "+key)
			if got.status != http.StatusUnauthorized || got.code() != "unauthorized" && d.method != http.MethodHead || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s with %q: %d %s %v", d.path, header, got.status, got.body, got.header)
			}
			if challenge, sent := got.header.Get("WWW-Authenticate"), len(header) > len(name+": Bearer") && header != d.wrong && header != "X-Unknown: x"; strings.Contains(challenge, "invalid_token") != sent || challenge == "" {
				t.Errorf("%s with %q: the challenge is %q", d.path, header, challenge)
			}
			if strings.Contains(got.body+strings.Join(got.header.Values("WWW-Authenticate"), ""), testToken[1:]) || strings.Contains(got.body, "keypin_") {
				t.Errorf("%s with %q: %s", d.path, header, got.body)
			}
		}
		for _, header := range []string{d.right, strings.Replace(d.right, "Bearer", "bearer", 1)} {
			if got := ask(t, d.method, s.DataAddr(), d.path, d.body, header, "X-API-Key: "+key); got.status == http.StatusUnauthorized {
				t.Errorf("%s with the token: %d %s", d.path, got.status, got.body)
			}
		}
	}
	// In front of forward-auth the other header is the client's.
	if got := ask(t, http.MethodGet, s.DataAddr(), "/forward-auth?scope=voices:read", "", bare, "Authorization: Bearer "+key); got.status != http.StatusOK || got.header.Get("X-Keypin-Scopes") != "voices:read" {
		t.Errorf("/forward-auth: %d %v", got.status, got.header)
	}
	if got := ask(t, http.MethodGet, s.DataAddr(), "/forward-auth?scope=voices:read", "", bare, bearer); got.status != http.StatusUnauthorized || got.header.Get("X-Keypin-Code") != "malformed" {
		t.Errorf("the data token as a key: %d %v", got.status, got.header)
	}
	for _, path := range []string{"/health", "/ready"} {
		if got := ask(t, http.MethodGet, s.DataAddr(), path, ""); got.status != http.StatusOK {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	client := envoy(t, s.DataAddr())
	if _, err := client.Check(t.Context(), about(key)); status.Code(err) != codes.Unauthenticated {
		t.Errorf("ext_authz without the token: %v", err)
	}
	out, err := client.Check(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+testToken), about(key))
	if err != nil || out.GetOkResponse() == nil {
		t.Errorf("ext_authz with the token: %v, %v", out, err)
	}
	if log := s.log.String(); strings.Contains(log, testToken) || strings.Contains(log, key) {
		t.Error("the token or the key is in the log")
	}
}

// stream follows the changes of keys, and gives its lines.
func stream(t *testing.T, s *service) *bufio.Reader {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.DataAddr().String()+"/api/v1/invalidations", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	lines := bufio.NewReader(response.Body)
	awaitLine(t, lines, "event: alive")
	return lines
}

func awaitLine(t *testing.T, lines *bufio.Reader, want string) {
	t.Helper()
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("no %q: %v", want, err)
		}
		if strings.HasPrefix(line, want) {
			return
		}
	}
}

func TestARevocationIsKnownAtEveryDoorAndOnTheStream(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	s := start(t, c)
	token := mint(t, c)
	path, key := makeKey(t, s, token)
	lines, client := stream(t, s), envoy(t, s.DataAddr())
	doors := map[string]func() string{
		"verify": func() string {
			got := ask(t, http.MethodPost, s.DataAddr(), httpapi.VerifyPath, `{"key":"`+key+`","scopes":["voices:read"]}`)
			var body struct{ Data struct{ Code string } }
			if err := json.Unmarshal([]byte(got.body), &body); err != nil {
				t.Error(err)
			}
			return body.Data.Code
		},
		"forward-auth": func() string {
			return ask(t, http.MethodGet, s.DataAddr(), "/forward-auth?scope=voices:read", "", "X-API-Key: "+key).header.Get("X-Keypin-Code")
		},
		"ext_authz": func() string {
			out, err := client.Check(t.Context(), about(key))
			if err != nil {
				t.Fatal(err)
			}
			if out.GetDeniedResponse() != nil {
				return out.GetDynamicMetadata().GetFields()["code"].GetStringValue()
			}
			for _, h := range out.GetOkResponse().GetHeaders() {
				if h.GetHeader().GetKey() == "x-keypin-code" {
					return h.GetHeader().GetValue()
				}
			}
			return ""
		},
	}
	for name, door := range doors {
		if got := door(); got != "valid" {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := ask(t, http.MethodDelete, s.PublicAddr(), path, "", "Authorization: Bearer "+token); got.status != http.StatusOK {
		t.Fatalf("the revocation is answered %d", got.status)
	}
	for name, door := range doors {
		if got := door(); got != "revoked" {
			t.Errorf("%s after the revocation: %s", name, got)
		}
	}
	awaitLine(t, lines, "event: keys")
	if _, body := get(t, s.DataAddr(), "/metrics"); !strings.Contains(body, `keypin_verifications_total{code="revoked",door="ext_authz"} 1`) {
		t.Error("the metrics do not count by door")
	}
}

func TestStreamsAndIdleConnectionsDoNotHoldTheShutdown(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Shutdown.Grace = patience
	s := start(t, c)
	_, key := makeKey(t, s, mint(t, c))
	var streams []*bufio.Reader
	for range 4 {
		streams = append(streams, stream(t, s))
	}
	if _, err := envoy(t, s.DataAddr()).Check(t.Context(), about(key)); err != nil { // its connection stays
		t.Fatal(err)
	}
	began := time.Now()
	s.stop()
	for _, lines := range streams {
		if _, err := io.Copy(io.Discard, lines); err != nil {
			t.Errorf("a stream ends with %v", err)
		}
	}
	if err := s.end(t); err != nil {
		t.Errorf("the service ended with %v", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("the shutdown took %v", took)
	}
}
