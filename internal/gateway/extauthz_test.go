package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/keypin/keypin/internal/gateway"
	"github.com/keypin/keypin/internal/keypin"
)

// serveGRPC serves the doors' ext_authz as the data listener does.
func serveGRPC(t testing.TB, d *doors) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(d.ExtAuthz())
	server.Config.Protocols = &http.Protocols{}
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// envoy is a client as Envoy is one.
func envoy(t testing.TB, address string) authv3.AuthorizationClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return authv3.NewAuthorizationClient(conn)
}

// question is what Envoy asks about.
type question struct {
	headers map[string]string // in lower case
	source  string            // the peer's address; "" = not told
	scopes  string            // of the route
}

func (q question) request() *authv3.CheckRequest {
	a := &authv3.AttributeContext{
		Request:           &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Method: "GET", Path: "/x?key=y", Headers: q.headers}},
		ContextExtensions: map[string]string{"scopes": q.scopes},
	}
	if q.source != "" {
		a.Source = &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: q.source, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 40000},
		}}}}
	}
	return &authv3.CheckRequest{Attributes: a}
}

// verdict is what Envoy is told.
type verdict struct {
	status  codes.Code
	http    int // of a refusal; 0 = let in
	body    string
	outcome string            // of a refusal, for Envoy alone
	headers map[string]string // for the service behind, or of the refusal
	removed []string          // sorted
	added   map[string]string // to the answer of the service behind
}

func check(t testing.TB, client authv3.AuthorizationClient, in *authv3.CheckRequest) verdict {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := client.Check(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	v := verdict{status: codes.Code(out.GetStatus().GetCode())}
	if ok := out.GetOkResponse(); ok != nil {
		v.headers, v.removed, v.added = options(t, ok.GetHeaders()), ok.GetHeadersToRemove(), options(t, ok.GetResponseHeadersToAdd())
		slices.Sort(v.removed)
		return v
	}
	no := out.GetDeniedResponse()
	v.outcome = out.GetDynamicMetadata().GetFields()["code"].GetStringValue()
	v.http, v.body, v.headers = int(no.GetStatus().GetCode()), no.GetBody(), options(t, no.GetHeaders())
	return v
}

func options(t testing.TB, list []*corev3.HeaderValueOption) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, o := range list {
		name := o.GetHeader().GetKey()
		if _, twice := out[name]; twice || name != strings.ToLower(name) || o.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("%v is not a header that takes the place of others", o)
		}
		out[name] = o.GetHeader().GetValue()
	}
	return out
}

func TestExtAuthzLetsInAndTellsWho(t *testing.T) {
	d := newDoors(t)
	client := envoy(t, serveGRPC(t, d))
	key := d.add(t, limited(10))
	orphan := d.add(t, func(k *keypin.APIKey) { k.CreatedBy = nil })
	got := check(t, client, question{scopes: "voices:read, workflows:read", source: "203.0.113.7", headers: map[string]string{
		":path": "/x", ":authority": "api.example", "authorization": "Bearer " + key, "x-api-key": key, "user-agent": "curl/8", "accept": "*/*",
		"x-keypin-key-id": "spoofed", "x-keypin-user-id": "spoofed", "x-keypin-code": "spoofed", "x-keypin-token": "spoofed", "x-keypin-anything": "spoofed",
	}}.request())
	want := verdict{
		status: codes.OK,
		headers: map[string]string{
			"x-keypin-code": "valid", "x-keypin-key-id": keypin.ID{15: 1}.String(), "x-keypin-workspace-id": keypin.ID{14: 1, 15: 1}.String(),
			"x-keypin-user-id": keypin.ID{12: 1, 15: 1}.String(), "x-keypin-scopes": "workflows:read voices:read",
		},
		removed: []string{"authorization", "x-api-key", "x-keypin-anything", "x-keypin-token"},
		added: map[string]string{
			"x-ratelimit-limit": "10", "x-ratelimit-remaining": "9", "x-ratelimit-reset": fmt.Sprint(testNow.Add(time.Minute).Unix()),
			"ratelimit-policy": `"default";q=10;w=60`, "ratelimit": `"default";r=9;t=60`,
		},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(verdict{})); diff != "" || d.counted() != "ext_authz valid" {
		t.Errorf("(-want +got):\n%s\ncounted as %q", diff, d.counted())
	}

	// Credentials of another scheme are the service's own; a user who is gone is nobody.
	got = check(t, client, question{headers: map[string]string{
		"authorization": "Basic b3A=", "x-api-key": orphan, "x-keypin-user-id": "spoofed", "X-Keypin-Scopes": "spoofed",
	}}.request())
	if diff := cmp.Diff([]string{"x-api-key", "x-keypin-user-id"}, got.removed); diff != "" || got.http != 0 || len(got.added) > 0 {
		t.Errorf("%+v\nremoved (-want +got):\n%s", got, diff)
	}
	if _, told := got.headers["x-keypin-user-id"]; told || got.headers["x-keypin-scopes"] != "workflows:read voices:read" {
		t.Errorf("told %v", got.headers)
	}
	d.behind = time.Minute
	d.down = errors.New("no such table")
	if got = check(t, client, question{headers: map[string]string{"x-api-key": key}}.request()); got.http != 0 || got.added["x-keypin-stale"] != "60" {
		t.Errorf("a key that may be stale: %+v", got)
	}
}

func TestExtAuthzSaysNoInTheAPIsWords(t *testing.T) {
	d := newDoors(t)
	client := envoy(t, serveGRPC(t, d))
	plain, one := d.add(t, nil), d.add(t, limited(1))
	bearer := func(key string) map[string]string { return map[string]string{"authorization": "Bearer " + key} }
	check(t, client, question{headers: bearer(one)}.request())
	const id = "req_123e4567-e89b-12d3-a456-426614174000"
	for name, c := range map[string]struct {
		q             question
		status        codes.Code
		http          int
		code, outcome string
		headers       map[string]string
	}{
		"no key":        {question{}, codes.Unauthenticated, 401, "unauthorized", "unauthorized", map[string]string{"www-authenticate": `Bearer realm="keypin"`}},
		"no such key":   {question{headers: bearer("op_live_0000000000000000000000000009BlC0")}, codes.Unauthenticated, 401, "unauthorized", "not_found", map[string]string{"www-authenticate": `Bearer realm="keypin", error="invalid_token"`}},
		"two keys":      {question{headers: bearer(plain + "," + plain)}, codes.Unauthenticated, 401, "unauthorized", "unauthorized", map[string]string{"www-authenticate": `Bearer realm="keypin", error="invalid_token"`}},
		"in both cases": {question{headers: map[string]string{"x-api-key": plain, "X-API-Key": plain}}, codes.Unauthenticated, 401, "unauthorized", "unauthorized", map[string]string{"www-authenticate": `Bearer realm="keypin", error="invalid_token"`}},
		"a scope less": {question{headers: bearer(plain), scopes: "voices:read voices:write"}, codes.PermissionDenied, 403, "insufficient_scope", "insufficient_scope",
			map[string]string{"www-authenticate": `Bearer realm="keypin", error="insufficient_scope", scope="voices:write"`}},
		"a scope less, by comma": {question{headers: bearer(plain), scopes: ",voices:write,,voices:read,"}, codes.PermissionDenied, 403, "insufficient_scope", "insufficient_scope",
			map[string]string{"www-authenticate": `Bearer realm="keypin", error="insufficient_scope", scope="voices:write"`}},
		"at its limit": {question{headers: bearer(one)}, codes.PermissionDenied, 429, "rate_limited", "rate_limited", map[string]string{
			"retry-after": "60", "x-ratelimit-limit": "1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": fmt.Sprint(testNow.Add(time.Minute).Unix()),
			"ratelimit-policy": `"default";q=1;w=60`, "ratelimit": `"default";r=0;t=60`}},
		"a scope that is none":    {question{headers: bearer(plain), scopes: "voices:read Nope"}, codes.PermissionDenied, 422, "validation_error", "validation_error", nil},
		"a line between scopes":   {question{headers: bearer(plain), scopes: "voices:read\nworkflows:read"}, codes.PermissionDenied, 422, "validation_error", "validation_error", nil},
		"a scope that is a query": {question{headers: bearer(plain), scopes: "voices:read&deny=403"}, codes.PermissionDenied, 422, "validation_error", "validation_error", nil},
	} {
		if c.q.headers == nil {
			c.q.headers = map[string]string{}
		}
		c.q.headers["x-request-id"] = id
		got := check(t, client, c.q.request())
		want := map[string]string{"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff", "x-request-id": id}
		for name, value := range c.headers {
			want[name] = value
		}
		if diff := cmp.Diff(want, got.headers); diff != "" {
			t.Errorf("%s: headers (-want +got):\n%s", name, diff)
		}
		body := refusalOf(t, got.body)
		if got.status != c.status || got.http != c.http || got.outcome != c.outcome || body.Error.Code != c.code || body.Meta.RequestID != id || d.counted() != "ext_authz "+c.outcome {
			t.Errorf("%s: %+v, counted as %q", name, got, d.counted())
		}
		if c.http == 422 && body.Error.Details[0].Field[:len("query.scope[")] != "query.scope[" {
			t.Errorf("%s: %v", name, body.Error.Details)
		}
		if strings.Contains(got.body+fmt.Sprint(got.headers), "Nope") || strings.Contains(got.body+fmt.Sprint(got.headers), plain[8:30]) {
			t.Errorf("%s: what was sent comes back: %+v", name, got)
		}
	}
	if d.log.String() != "" {
		t.Errorf("a client's faults are logged: %s", d.log)
	}
}

func TestExtAuthzBelievesTrustedProxiesAlone(t *testing.T) {
	d := newDoors(t)
	client := envoy(t, serveGRPC(t, d))
	four, six := d.add(t, within("203.0.113.0/24")), d.add(t, within("2001:db8::/32"))
	for name, c := range map[string]struct {
		key, source, forwarded string
		want                   int
	}{
		"the client itself":           {four, "203.0.113.7", "", 0},
		"the client by IPv6":          {six, "2001:db8::7", "", 0},
		"the client by IPv4 in IPv6":  {four, "::ffff:203.0.113.7", "", 0},
		"another client":              {four, "198.51.100.1", "", 403},
		"another that claims":         {four, "198.51.100.1", "203.0.113.7", 403},
		"a proxy that tells":          {four, "192.0.2.1", "203.0.113.7", 0},
		"a proxy that Envoy adds":     {four, "192.0.2.1", "203.0.113.7, 192.0.2.1", 0},
		"a proxy that tells of a lie": {four, "192.0.2.1", "203.0.113.7, 198.51.100.1", 403},
		"a proxy that does not tell":  {four, "192.0.2.1", "", 403},
		"nobody":                      {four, "", "203.0.113.7", 403},
		"a pipe":                      {four, "/run/x.sock", "203.0.113.7", 403},
		"a name":                      {four, "proxy.example", "203.0.113.7", 403},
	} {
		q := question{source: c.source, headers: map[string]string{"x-api-key": c.key}}
		if c.forwarded != "" {
			q.headers["x-forwarded-for"] = c.forwarded
		}
		if got := check(t, client, q.request()); got.http != c.want {
			t.Errorf("%s: %d, want %d", name, got.http, c.want)
		}
	}
}

func TestAQuestionWithoutAnythingIsRefused(t *testing.T) {
	d := newDoors(t)
	client := envoy(t, serveGRPC(t, d))
	for name, in := range map[string]*authv3.CheckRequest{
		"nothing":       {},
		"no attributes": {Attributes: &authv3.AttributeContext{}},
		"no request":    {Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{}, Source: &authv3.AttributeContext_Peer{}}},
		"no headers": {Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{}},
			Source: &authv3.AttributeContext_Peer{Address: &corev3.Address{}}}},
	} {
		if got := check(t, client, in); got.http != http.StatusUnauthorized || refusalOf(t, got.body).Error.Code != "unauthorized" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// grpc calls us in a goroutine of its own, where a panic would end the process.
func TestAPanicOrAStoreThatIsDownIsARefusalByExtAuthz(t *testing.T) {
	d := newDoors(t)
	client := envoy(t, serveGRPC(t, d))
	key := d.add(t, nil)
	q := question{headers: map[string]string{"x-api-key": key}}
	d.down = errors.New("no such table")
	got := check(t, client, q.request())
	if got.http != http.StatusServiceUnavailable || got.headers["retry-after"] != "1" || got.outcome != "unavailable" || strings.Contains(got.body, "table") {
		t.Errorf("a store that is down: %+v", got)
	}
	d.panics = "no such page"
	got = check(t, client, q.request())
	if got.status != codes.PermissionDenied || got.http != http.StatusInternalServerError || refusalOf(t, got.body).Error.Code != "internal_error" || strings.Contains(got.body, "page") {
		t.Errorf("a panic: %+v", got)
	}
	if log := d.log.String(); !strings.Contains(log, "no such table") || !strings.Contains(log, "no such page") || !strings.Contains(log, "KeyByHash") || strings.Contains(log, key) {
		t.Errorf("logged: %s", log)
	}
	d.panics, d.down = nil, nil
	if got := check(t, client, q.request()); got.http != 0 {
		t.Errorf("afterwards: %+v", got)
	}
}

// What grpc finds wrong it repeats, so it gets nothing to find.
func TestGRPCRepeatsNothingThatWasSent(t *testing.T) {
	d := newDoors(t)
	address := serveGRPC(t, d)
	protocols := &http.Protocols{}
	protocols.SetUnencryptedHTTP2(true)
	two := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	const mark = "op_live_0000000000000000000000000009BlC0"
	empty := "\x00\x00\x00\x00\x00" // a message without anything
	for name, c := range map[string]struct {
		client *http.Client
		kind   string
		header string
		body   string
		want   int
	}{
		"HTTP/1.1":              {http.DefaultClient, "application/grpc", "", empty, 415},
		"another type":          {two, mark, "", empty, 415},
		"none":                  {two, "", "", empty, 415},
		"another codec":         {two, "application/grpc+" + mark, "", empty, 415},
		"gRPC-Web":              {two, "application/grpc-web", "", empty, 415},
		"as it should be":       {two, "application/grpc", "", empty, 200},
		"with its codec":        {two, "application/grpc+proto", "", empty, 200},
		"a bad timeout":         {two, "application/grpc", "Grpc-Timeout: " + mark, empty, 200},
		"another encoding":      {two, "application/grpc", "Grpc-Encoding: " + mark, "\x01" + empty[1:], 200},
		"bad binary metadata":   {two, "application/grpc", "X-Y-Bin: " + mark + "!", empty, 200},
		"metadata":              {two, "application/grpc", "X-" + mark + ": " + mark, empty, 200},
		"rubbish":               {two, "application/grpc", "", mark, 200},
		"a message of rubbish":  {two, "application/grpc", "", "\x00\x00\x00\x00\x28" + mark, 200},
		"no message":            {two, "application/grpc", "", "", 200},
		"a message that is cut": {two, "application/grpc", "", "\x00\x00\x00\x00\x29" + mark, 200},
		"text that is not":      {two, "application/grpc", "", "\x00\x00\x00\x00\x0e\x0a\x0c\x22\x0a\x12\x08\x0a\x02\xff\xfeop_l", 200},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+gateway.ExtAuthzPath, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Te", "trailers")
		if c.kind != "" {
			r.Header.Set("Content-Type", c.kind)
		}
		if header, value, ok := strings.Cut(c.header, ": "); ok {
			r.Header.Set(header, value)
		}
		response, err := c.client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		response.Body.Close()
		if response.StatusCode != c.want {
			t.Errorf("%s: %d %s", name, response.StatusCode, body)
		}
		all, err := json.Marshal([]any{response.Header, response.Trailer, string(body)})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(all, []byte("op_l")) || bytes.Contains(bytes.ToLower(all), []byte("blc0")) {
			t.Errorf("%s: what was sent comes back: %s", name, all)
		}
		if c.want != http.StatusOK && refusalOf(t, string(body)).Error.Code != "unsupported_media_type" {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestALargeOrCompressedQuestionIsNotRead(t *testing.T) {
	d := newDoors(t)
	client := envoy(t, serveGRPC(t, d))
	key := d.add(t, nil)
	in := question{headers: map[string]string{"x-api-key": key}}.request()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-more", key)
	if _, err := client.Check(ctx, in, grpc.UseCompressor(gzip.Name)); err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("a compressed question: %v", err)
	}
	in.Attributes.Request.Http.Body = strings.Repeat("x", 300<<10)
	if _, err := client.Check(ctx, in); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a question of 300 KiB: %v", err)
	}
	in.Attributes.Request.Http.Body = strings.Repeat("x", 200<<10)
	if got := check(t, client, in); got.http != 0 {
		t.Errorf("a question of 200 KiB: %+v", got)
	}
}
