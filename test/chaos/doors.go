package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/keypin/keypin/test/chaos/check"
	"github.com/keypin/keypin/test/cluster/nodes"
)

// clientPatience is how long a client waits for an answer: longer than a node is ever
// stalled, so that what waited there is answered.
const clientPatience = 8 * time.Second

// clients reach one node.
type clients struct {
	node   int
	at     *nodes.Node
	token  string
	http   *http.Client
	envoy  authv3.AuthorizationClient
	record *record
	close  func() error
}

func newClients(node int, at *nodes.Node, token string, r *record) (*clients, error) {
	// After a node was away, it is tried again soon.
	soon := grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}, MinConnectTimeout: time.Second}
	conn, err := grpc.NewClient(at.Data, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithConnectParams(soon))
	if err != nil {
		return nil, err
	}
	return &clients{
		node: node, at: at, token: token, record: r, envoy: authv3.NewAuthorizationClient(conn), close: conn.Close,
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}},
	}, nil
}

// answer is what was answered. Status 0 means that nothing was, and why says so.
type answer struct {
	status     int
	code       string // of the outcome or the error
	retryAfter bool
	header     http.Header
	body       []byte
	why        string
}

// enter writes the answer into an entry of the log.
func (a *answer) enter(e *check.Entry) {
	e.Status, e.Code, e.RetryAfter, e.Error = a.status, a.code, a.retryAfter, a.why
}

// send makes one request with the bearer token.
func (c *clients) send(ctx context.Context, method, url, bearer, body string, header ...string) answer {
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{why: err.Error()}
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return answer{why: reason(err)}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil { // it was cut off: what was meant is not known
		return answer{why: reason(err)}
	}
	a := answer{status: resp.StatusCode, retryAfter: resp.Header.Get("Retry-After") != "", header: resp.Header, body: text}
	var e struct{ Error struct{ Code string } }
	if a.status >= 400 && json.Unmarshal(text, &e) == nil {
		a.code = e.Error.Code
	}
	return a
}

// reason is the error without the address, which tells nothing.
func reason(err error) string {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err.Error()
	}
	return err.Error()
}

// door is a way in which a key is checked.
type door struct {
	name string
	ask  func(c *clients, ctx context.Context, secret string, needs []string) answer
}

func doors() []door {
	return []door{
		{"verify", (*clients).verify}, {"forward-auth", (*clients).forwardAuth}, {"ext_authz", (*clients).extAuthz},
		{"public", (*clients).public}, {"whoami", (*clients).whoami},
	}
}

const verifyPath = "/api/v1/api-keys/verify"

func (c *clients) verify(ctx context.Context, secret string, needs []string) answer {
	return outcome(c.send(ctx, http.MethodPost, c.at.DataURL()+verifyPath, "", question(secret, needs, 1)))
}

func (c *clients) public(ctx context.Context, secret string, needs []string) answer {
	return outcome(c.send(ctx, http.MethodPost, c.at.URL()+verifyPath, c.token, question(secret, needs, 1)))
}

// question is the body of a check.
func question(secret string, needs []string, cost int) string {
	text, _ := json.Marshal(map[string]any{"key": secret, "scopes": append([]string{}, needs...), "cost": cost}) // strings and numbers
	return string(text)
}

// outcome reads the code of a verification.
func outcome(a answer) answer {
	if a.status == http.StatusOK {
		var got struct{ Data struct{ Code string } }
		if err := json.Unmarshal(a.body, &got); err != nil || got.Data.Code == "" {
			return answer{status: http.StatusInternalServerError, why: "no verification: " + string(a.body)}
		}
		a.code = got.Data.Code
	}
	return a
}

func (c *clients) forwardAuth(ctx context.Context, secret string, needs []string) answer {
	a := c.send(ctx, http.MethodGet, c.at.DataURL()+"/forward-auth?"+url.Values{"scope": needs}.Encode(), secret, "")
	if code := a.header.Get("X-Keypin-Code"); code != "" {
		a.code = code
	}
	return a
}

func (c *clients) extAuthz(ctx context.Context, secret string, needs []string) answer {
	ctx, cancel := context.WithTimeout(ctx, clientPatience)
	defer cancel()
	got, err := c.envoy.Check(ctx, &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
		ContextExtensions: map[string]string{"scopes": strings.Join(needs, " ")},
		Request:           &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Headers: map[string]string{"authorization": "Bearer " + secret}}},
	}})
	if err != nil {
		return answer{why: reason(err)}
	}
	if got.GetOkResponse() != nil {
		return answer{status: http.StatusOK, code: "valid"}
	}
	denied := got.GetDeniedResponse()
	a := answer{status: int(denied.GetStatus().GetCode())}
	a.code, a.retryAfter = got.GetDynamicMetadata().GetFields()["code"].GetStringValue(), headerOf(denied.GetHeaders(), "retry-after") != ""
	return a
}

func headerOf(headers []*corev3.HeaderValueOption, name string) string {
	for _, h := range headers {
		if h.GetHeader().GetKey() == name {
			return h.GetHeader().GetValue()
		}
	}
	return ""
}

// whoami uses the key as a caller of the API. It needs no scope for that.
func (c *clients) whoami(ctx context.Context, secret string, _ []string) answer {
	a := c.send(ctx, http.MethodGet, c.at.URL()+"/api/v1/auth/whoami", secret, "")
	if a.status == http.StatusOK {
		a.code = "valid"
	}
	return a
}

// check asks a door about a key, and logs it.
func (c *clients) check(ctx context.Context, d door, k target) answer {
	if d.name == "whoami" {
		k.needs = nil
	}
	e := check.Entry{Kind: check.Check, Node: c.node, Door: d.name, Key: k.id, Needs: k.needs, Begin: c.record.now()}
	a := d.ask(c, ctx, k.secret, k.needs)
	e.End = c.record.now()
	a.enter(&e)
	c.record.add(e)
	return a
}

// target is a key that is checked, and the scopes that are needed.
type target struct {
	id, secret string
	needs      []string
}

// key is a key as the API shows it.
type key struct {
	ID        string   `json:"id"`
	Secret    string   `json:"api_key"`
	Active    bool     `json:"active"`
	Scopes    []string `json:"scopes"`
	RevokedAt *string  `json:"revoked_at"`
}

func (k *key) state() check.State {
	revoked := k.RevokedAt != nil
	return check.State{Revoked: &revoked, Active: &k.Active, Scopes: &k.Scopes}
}

// decode reads the data of an answer.
func decode(a answer, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(a.body))
	return decoder.Decode(&struct{ Data any }{into})
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }
