package gateway

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/keypin/keypin/internal/credential"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// ExtAuthzPath is where ExtAuthz is served.
const ExtAuthzPath = authv3.Authorization_Check_FullMethodName

// maxCheck bounds a CheckRequest: its headers, and the body if Envoy is told to send one.
const maxCheck = 256 << 10

// ExtAuthz answers Envoy's ext_authz (envoy.service.auth.v3.Authorization) as gRPC over
// HTTP/2 without TLS. The scopes that a route needs are in its
// context_extensions["scopes"], separated by spaces or commas.
func (g *Gateway) ExtAuthz() http.Handler {
	s := grpc.NewServer(grpc.MaxRecvMsgSize(maxCheck))
	authv3.RegisterAuthorizationServer(s, &authorization{Gateway: g})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := r.Header.Get("Content-Type")
		if r.ProtoMajor != 2 || kind != grpcType && kind != grpcType+"+proto" {
			g.Wire.Problem(w, r, keypin.E(keypin.CodeUnsupportedMediaType, "This is for gRPC only: "+grpcType+" over HTTP/2."))
			return
		}
		// Of the headers grpc gets what it cannot do without: it repeats in its own
		// errors what it finds wrong with the others.
		r = r.WithContext(r.Context())
		r.Header = http.Header{"Content-Type": {grpcType}, "Te": {"trailers"}}
		s.ServeHTTP(w, r)
	})
}

const grpcType = "application/grpc"

type authorization struct {
	authv3.UnimplementedAuthorizationServer
	*Gateway
}

// Check implements authv3.AuthorizationServer. It returns no error: Envoy would then do
// what its failure_mode_allow says, and a refusal is ours to word. A panic is one, too:
// grpc calls this in a goroutine that net/http does not watch, so it would end the
// process.
func (a *authorization) Check(ctx context.Context, in *authv3.CheckRequest) (out *authv3.CheckResponse, _ error) {
	defer func() {
		if p := recover(); p != nil {
			r := &http.Request{Header: http.Header{}, URL: &url.URL{Path: ExtAuthzPath}}
			out = a.denied(r.WithContext(ctx), http.Header{}, string(keypin.CodeInternal), fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
		}
	}()
	return a.answer(a.requestOf(ctx, in), a.needsOf(in)), nil
}

func (a *authorization) answer(r *http.Request, needs *needs) *authv3.CheckResponse {
	start := a.Clock()
	outcome, err := a.check(r, needs, start)
	end := a.Clock()
	limits := http.Header{}
	if outcome.Limited {
		a.Wire.SetRateLimit(limits, &outcome.RateLimit, end)
	}
	if outcome.Stale > 0 {
		limits.Set(headerStale, staleSeconds(&outcome))
	}
	code := string(outcome.Code)
	if code == "" {
		code = string(keypin.CodeOf(err))
	}
	if !verify.GivenUp(r.Context(), err) {
		a.extAuthzed(code, end.Sub(start))
	}
	if err != nil {
		return a.denied(r, limits, code, err)
	}
	return allowed(r, outcome.Key, limits)
}

// needsOf reads the route's scopes as forward-auth's query has them.
func (a *authorization) needsOf(in *authv3.CheckRequest) *needs {
	listed := in.GetAttributes().GetContextExtensions()["scopes"]
	names := strings.FieldsFunc(listed, func(r rune) bool { return r == ' ' || r == ',' })
	return a.needs.of(a.Registry, url.Values{"scope": names}.Encode())
}

// requestOf is the request that Envoy asks about, as far as a check looks at it.
func (a *authorization) requestOf(ctx context.Context, in *authv3.CheckRequest) *http.Request {
	asked := in.GetAttributes().GetRequest().GetHttp()
	h := make(http.Header, len(asked.GetHeaders()))
	for name, value := range asked.GetHeaders() {
		name = textproto.CanonicalMIMEHeaderKey(name)
		h[name] = append(h[name], value)
	}
	for _, header := range asked.GetHeaderMap().GetHeaders() { // where Envoy is told to encode_raw_headers
		name := textproto.CanonicalMIMEHeaderKey(header.GetKey())
		h[name] = append(h[name], header.GetValue()+string(header.GetRawValue()))
	}
	source := in.GetAttributes().GetSource().GetAddress().GetSocketAddress()
	peer := ""
	if ip, err := netip.ParseAddr(source.GetAddress()); err == nil {
		peer = netip.AddrPortFrom(ip, uint16(source.GetPortValue())).String()
	}
	r := &http.Request{Header: h, RemoteAddr: peer, URL: &url.URL{Path: ExtAuthzPath}}
	return r.WithContext(ctx)
}

// allowed lets the request go on, without its key and without what its sender says
// that we said.
func allowed(r *http.Request, k *verify.Key, limits http.Header) *authv3.CheckResponse {
	h := http.Header{}
	tell(h, k)
	ok := &authv3.OkHttpResponse{Headers: options(h), ResponseHeadersToAdd: options(limits)}
	for name := range r.Header {
		_, ours := h[name]
		if name == "Authorization" && credential.IsBearer(r.Header.Get(name)) || name == "X-Api-Key" || strings.HasPrefix(name, "X-Keypin-") && !ours {
			ok.HeadersToRemove = append(ok.HeadersToRemove, strings.ToLower(name))
		}
	}
	return &authv3.CheckResponse{
		Status:       &statuspb.Status{Code: int32(codes.OK)},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: ok},
	}
}

// denied refuses with the API's own answer to the client, who is not told what is wrong with the key. Envoy is, in its
// dynamic metadata: headers of a refusal would reach the client.
func (a *authorization) denied(r *http.Request, h http.Header, outcome string, err error) *authv3.CheckResponse {
	answer := &captured{header: h}
	a.Wire.Problem(answer, r, err)
	code := codes.PermissionDenied
	if answer.status == http.StatusUnauthorized {
		code = codes.Unauthenticated
	}
	return &authv3.CheckResponse{
		Status: &statuspb.Status{Code: int32(code)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(answer.status)},
			Headers: options(answer.header),
			Body:    answer.body.String(),
		}},
		DynamicMetadata: &structpb.Struct{Fields: map[string]*structpb.Value{metadataCode: structpb.NewStringValue(outcome)}},
	}
}

// options are headers that take the place of any of the same name.
func options(h http.Header) []*corev3.HeaderValueOption {
	var out []*corev3.HeaderValueOption
	for name, values := range h {
		for _, value := range values {
			out = append(out, &corev3.HeaderValueOption{
				Header:       &corev3.HeaderValue{Key: strings.ToLower(name), Value: value},
				AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
			})
		}
	}
	return out
}

// captured is an answer that goes into another one.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (c *captured) Header() http.Header         { return c.header }
func (c *captured) WriteHeader(status int)      { c.status = status }
func (c *captured) Write(b []byte) (int, error) { return c.body.Write(b) }
