package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	forwardAuth   = "/forward-auth"
	invalidations = "/api/v1/invalidations"
	usageReports  = "/api/v1/usage-reports"
	extAuthz      = "/envoy.service.auth.v3.Authorization/Check"
	withDataToken = "X-Keypin-Token: " + leakDataToken
)

// dataDoors plants the secrets in everything that the doors of the data listener read.
func (h *hunt) dataDoors(t testing.TB, doc document) {
	t.Helper()
	var verify operation
	for _, op := range doc.Operations {
		if op.ID == "verify-api-key" {
			verify = op
		}
	}
	client := envoy(t, h.s)
	outcomes, reported := map[string]bool{}, map[int]bool{}
	for _, s := range h.secrets {
		for _, p := range plant(t, verify, recipes()["verify-api-key"], nil, leakDataToken, s) {
			p.op, p.data, p.what = "", true, p.what+", at the data listener"
			h.send(t, p)
		}
		outcomes[h.send(t, planting{what: s.name + " checked", method: "POST", path: verify.Path, bearer: leakDataToken, body: `{"key":` + quote(s.value) + `}`, data: true}).str("data", "code")] = true
		for _, p := range h.proxied(s) {
			outcomes[h.send(t, p).Header.Get("X-Keypin-Code")] = true
		}
		for _, f := range append(headers(s.value), lastEventIDs(s.value)...) {
			h.stream(t, s.name+" "+f.what, f.value)
		}
		for what, in := range questions(s.value) {
			for _, md := range [][]string{nil, {"x-more", s.value, "user-agent", s.value, "x-request-id", s.value, "x-api-key", s.value}} {
				outcomes[h.check(t, client, s.name+" "+what, in, md)] = true
			}
		}
		for _, p := range h.reports(s) {
			reported[h.send(t, p).Status] = true
		}
		for _, f := range headers(s.value) { // where there is no gRPC
			for _, kind := range []string{"application/grpc", "application/grpc+" + s.value, s.value} {
				h.send(t, planting{what: s.name + " " + f.what + " at ext_authz", method: "POST", path: extAuthz, bearer: leakDataToken, headers: []string{"Content-Type: " + kind, f.value}, data: true})
			}
		}
	}
	if !reported[200] || !reported[415] || !reported[422] {
		t.Errorf("reports were answered with %v", reported)
	}
	for _, want := range []string{"valid", "malformed", "unauthorized", "validation_error"} {
		if !outcomes[want] {
			t.Errorf("the doors did not answer %s once: %v", want, outcomes)
		}
	}
}

// proxied are the questions of a proxy before which a request is that holds s.
func (h *hunt) proxied(s secret) []planting {
	var list []planting
	add := func(what, query string, headers ...string) {
		list = append(list, planting{what: s.name + " " + what + " at forward-auth", method: "GET", path: forwardAuth + query, headers: append([]string{withDataToken}, headers...), data: true})
	}
	v := s.value
	for _, f := range headers(v) {
		add(f.what, "", f.value)
		add(f.what+" beside it", "?scope=workflows:read", f.value, "X-Api-Key: "+v)
	}
	for _, name := range []string{"X-Keypin-Key-Id", "X-Keypin-Workspace-Id", "X-Keypin-User-Id", "X-Keypin-Scopes", "X-Keypin-Code", "X-Keypin-Stale",
		"X-Original-Uri", "X-Original-Url", "X-Forwarded-Uri", "X-Forwarded-Method", "X-RateLimit-Limit", "Last-Event-Id"} {
		add("as "+name, "", name+": "+v)
		add("as "+name+" beside a key", "", name+": "+v, "X-Api-Key: "+v, "Authorization: Bearer "+v)
	}
	coded := url.QueryEscape(v)
	for _, query := range []string{"scope=" + coded, "scope=workflows:read&scope=" + coded, "deny=" + coded, "deny=403&" + coded + "=" + coded, coded, "scope=%zz" + coded, "scope=x;" + coded} {
		add("in the query "+strings.ReplaceAll(query, coded, "<it>"), "?"+query, "X-Api-Key: "+v)
	}
	for _, method := range []string{"HEAD", "POST", "OPTIONS", v} {
		add("with another method", "", "Authorization: Bearer "+v)
		list[len(list)-1].method = method
	}
	add("as the data token", "", "X-Keypin-Token: "+v+"x")
	list[len(list)-1].headers = list[len(list)-1].headers[1:]
	return list
}

func lastEventIDs(v string) []field {
	var list []field
	for _, id := range []string{v, v + "-1", "00112233445566778899aabb-" + v, v + "-" + v, "-" + v} {
		list = append(list, field{what: "in Last-Event-ID: " + strings.ReplaceAll(id, v, "<it>"), value: "Last-Event-ID: " + id})
	}
	return list
}

// reports are those of a cache at the edge that hold s. What people call their clients
// is kept as any other text.
func (h *hunt) reports(s secret) []planting {
	sum := sha256.Sum256([]byte(h.secrets[0].value))
	right := map[string]string{"key_hash": quote(hex.EncodeToString(sum[:])), "code": `"valid"`, "count": "1", "at": quote(time.Now().UTC().Format(time.RFC3339)), "client_ip": `"192.0.2.1"`}
	var list []planting
	add := func(what, body string, headers ...string) {
		list = append(list, planting{what: s.name + " " + what + " in a report", method: "POST", path: usageReports, bearer: leakDataToken, body: body, headers: headers, data: true})
	}
	use := func(name, value string) string {
		fields := maps.Clone(right)
		fields[name] = value
		var members []string
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			members = append(members, quote(name)+":"+fields[name])
		}
		return `{"uses":[{` + strings.Join(members, ",") + `}]}`
	}
	for _, name := range append(slices.Sorted(maps.Keys(right)), "user_agent", s.value) {
		for _, f := range values(name, s.value) {
			if !f.text || !s.text {
				add("as "+strings.ReplaceAll(name, s.value, "<it>")+" "+f.what, use(name, f.value))
			}
		}
	}
	for _, f := range headers(s.value) {
		add(f.what, use("count", "1"), f.value)
	}
	add("as the body", s.value)
	add("behind the body", use("count", "1")+quote(s.value))
	return list
}

// stream begins to follow the changes of keys, with a header, and looks at what is told
// first. No key is changed meanwhile: their hashes are what the stream is for.
func (h *hunt) stream(t testing.TB, what, header string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, h.s.DataURL+invalidations, nil)
	if err != nil {
		t.Fatal(err)
	}
	name, value, _ := strings.Cut(header, ": ")
	r.Header.Set("Authorization", "Bearer "+leakDataToken)
	r.Header.Set(name, value)
	response, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer response.Body.Close()
	var told strings.Builder
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() && lines.Text() != "event: alive" {
		told.WriteString(lines.Text() + "\n")
	}
	if err := lines.Err(); err != nil || response.StatusCode == http.StatusOK && !strings.Contains(told.String(), `"resumed":false`) {
		t.Errorf("%s: told %q, %v", what, told.String(), err)
	}
	h.examine("", what+" on the stream", answer{response.StatusCode, response.Header, told.String()})
}

func envoy(t testing.TB, s *service) authv3.AuthorizationClient {
	t.Helper()
	conn, err := grpc.NewClient(strings.TrimPrefix(s.DataURL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return authv3.NewAuthorizationClient(conn)
}

// questions are those of Envoy about a request that holds v.
func questions(v string) map[string]*authv3.CheckRequest {
	about := func(headers map[string]string, scopes string) *authv3.CheckRequest {
		peer := &authv3.AttributeContext_Peer{Service: v, Principal: v, Labels: map[string]string{v: v}, Address: &corev3.Address{Address: &corev3.Address_SocketAddress{
			SocketAddress: &corev3.SocketAddress{Address: v, ResolverName: v}}}}
		return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			Source: peer, Destination: peer, ContextExtensions: map[string]string{"scopes": scopes, v: v},
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{
				Id: v, Method: v, Headers: headers, Path: "/" + v + "?k=" + v, Host: v, Scheme: v, Query: v, Fragment: v, Protocol: v, Body: v, RawBody: []byte(v),
			}},
		}}
	}
	dressed := func(more ...string) map[string]string {
		headers := map[string]string{":path": "/" + v, "user-agent": v, "referer": v, "cookie": v, "x-request-id": v, "x-forwarded-for": v, "x-keypin-user-id": v, "x-unknown": v, strings.ToLower(v): v}
		for i := 0; i+1 < len(more); i += 2 {
			headers[more[i]] = more[i+1]
		}
		return headers
	}
	return map[string]*authv3.CheckRequest{
		"nowhere a key is":     about(dressed(), ""),
		"as Bearer":            about(dressed("authorization", "Bearer "+v), "workflows:read"),
		"as Basic":             about(dressed("authorization", "Basic "+v), ""),
		"as X-API-Key":         about(dressed("x-api-key", v), "workflows:read, voices:read"),
		"as both":              about(dressed("x-api-key", v, "authorization", "Bearer "+v), ""),
		"twice in one":         about(dressed("authorization", "Bearer "+v+","+v), ""),
		"glued to a key":       about(dressed("x-api-key", v+"x"), ""),
		"as a scope":           about(dressed("x-api-key", v), v),
		"among scopes":         about(dressed("x-api-key", v), "workflows:read,"+v),
		"as a scope in a list": about(dressed("x-api-key", v), "workflows:read&"+v),
	}
}

// check asks, and looks at all that is answered. It gives the outcome.
func (h *hunt) check(t testing.TB, client authv3.AuthorizationClient, what string, in *authv3.CheckRequest, more []string) string {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), append([]string{"authorization", "Bearer " + leakDataToken}, more...)...)
	var header, trailer metadata.MD
	out, err := client.Check(ctx, in, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil {
		t.Errorf("%s: %v", what, status.Code(err))
		return ""
	}
	all, err := json.Marshal([]any{header, trailer, out, out.String()})
	if err != nil {
		t.Fatal(err)
	}
	outcome, removed := out.GetDynamicMetadata().GetFields()["code"].GetStringValue(), out.GetOkResponse().GetHeadersToRemove()
	for _, o := range out.GetOkResponse().GetHeaders() {
		if o.GetHeader().GetKey() == "x-keypin-code" {
			outcome = o.GetHeader().GetValue()
		}
	}
	if outcome == "valid" && len(removed) == 0 {
		t.Errorf("%s: the key goes on to the service", what)
	}
	h.examine("", what+" at ext_authz", answer{Status: http.StatusOK, Body: string(all)})
	return outcome
}

// brokenDoors sends requests that hold the secrets to the data listener of a service
// that is broken.
func (h *hunt) brokenDoors(t testing.TB, key, session string) {
	t.Helper()
	for _, v := range []string{key, session, unknownKey} {
		headers := []string{"X-Api-Key: " + v, "User-Agent: " + key, "Cookie: " + session}
		h.send(t, planting{what: "a broken service's data listener", method: "POST", path: keys + "/verify", body: `{"key":"` + v + `","user_agent":"` + key + `"}`, headers: headers, data: true})
		h.send(t, planting{what: "a broken service's forward-auth", method: "GET", path: forwardAuth, headers: headers, data: true})
		h.check(t, envoy(t, h.s), "a broken service", questions(v)["as X-API-Key"], nil)
	}
}
