package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// call is one call of the API, sent as often as it takes.
type call struct {
	op     string // its name in the OpenAPI document
	method string
	path   string   // with {names} in it, as the document has it
	args   []string // what the names stand for, in order
	query  url.Values
	body   any // nil = none
	takes  headers
	repeat repetition
	// public calls need no token, and get none.
	public bool
	// secrets are what args and body hold of them, for errors not to repeat.
	secrets []Secret
	// faults are found before anything is sent.
	faults []Detail
}

// headers are those that only some calls take.
type headers uint8

const (
	takesWorkspace headers = 1 << iota
	takesIfMatch
	takesIdempotencyKey
)

// callOptions are what CallOptions set; nil = not given.
type callOptions struct {
	workspace, ifMatch, idempotencyKey, requestID *string
	meta                                          *ResponseMeta
}

// CallOption changes one call.
type CallOption func(*callOptions)

// InWorkspace names the workspace to act in, before that of [WithWorkspace].
func InWorkspace(id string) CallOption { return func(o *callOptions) { o.workspace = &id } }

// IfMatch changes a key only if its settings are still those that etag names
// ([APIKey.ETag]); else the call is [ErrPreconditionFailed].
func IfMatch(etag string) CallOption { return func(o *callOptions) { o.ifMatch = &etag } }

// IdempotencyKey replaces the random key that a creation or a rotation carries, so that
// the same change can be asked for again by another process: for 24 h the same call with
// the same key gets the first answer again. 8 to 255 printable characters, hard to guess:
// the stored answer is sealed under it.
func IdempotencyKey(key string) CallOption { return func(o *callOptions) { o.idempotencyKey = &key } }

// RequestID gives the call's requests an id of yours, a UUID or req_ and a UUID, which
// the service keeps and logs.
func RequestID(id string) CallOption { return func(o *callOptions) { o.requestID = &id } }

// CaptureMeta fills meta when the call succeeds. An [Error] has the same on it. Of a list
// meta is that of the page fetched last.
func CaptureMeta(meta *ResponseMeta) CallOption { return func(o *callOptions) { o.meta = meta } }

// ResponseMeta is what an answer says beside its data.
type ResponseMeta struct {
	Status int
	// RequestID is what to name when asking for help.
	RequestID string
	// RateLimit is the state of the calling key's limit; nil when it has none, or the
	// caller is no key.
	RateLimit *RateLimit
	// Replayed tells that this is the stored answer of an earlier request with the same
	// Idempotency-Key.
	Replayed bool
	// Stale is above 0 when a verification rests on a state this old that could not be
	// proven fresh, which a service does only if it is configured to.
	Stale time.Duration
	// Attempts is how many requests were sent.
	Attempts int
}

// request is a call made ready: what is the same for all its attempts.
type request struct {
	*call
	url     string
	header  http.Header
	payload []byte
	meta    *ResponseMeta
}

// prepare checks what can be checked here and makes the request.
func (c *Client) prepare(k *call, opts []CallOption) (*request, *Error) {
	var o callOptions
	for _, opt := range opts {
		opt(&o)
	}
	r := &request{call: k, header: http.Header{}, meta: o.meta}
	r.url = c.base + k.expand()
	if len(k.query) > 0 {
		r.url += "?" + k.query.Encode()
	}
	r.header.Set("Accept", "application/json")
	r.header.Set("User-Agent", c.userAgent)
	if k.body != nil {
		var err error
		if r.payload, err = json.Marshal(k.body); err != nil {
			k.fault("body", "cannot be written as JSON")
		}
		r.header.Set("Content-Type", "application/json")
	}
	if k.takes&takesWorkspace != 0 && c.workspace != "" {
		r.header.Set("X-Workspace-Id", c.workspace)
	}
	k.setHeader(r.header, "X-Workspace-Id", o.workspace, k.takes&takesWorkspace != 0, isUUID, "must be a UUID")
	k.setHeader(r.header, "If-Match", o.ifMatch, k.takes&takesIfMatch != 0, isETag, "must be an ETag; the keys of a list have none")
	k.setHeader(r.header, "X-Request-Id", o.requestID, true, isRequestID, "must be a UUID, or req_ and a UUID")
	if k.takes&takesIdempotencyKey != 0 && o.idempotencyKey == nil {
		id, err := newUUID(c.random)
		if err != nil {
			return nil, &Error{Op: k.op, Message: "no random numbers for the Idempotency-Key", cause: err}
		}
		o.idempotencyKey = &id
	}
	k.setHeader(r.header, "Idempotency-Key", o.idempotencyKey, k.takes&takesIdempotencyKey != 0, isIdempotencyKey,
		"must be 8 to 255 printable ASCII characters, without a space at either end")
	if o.idempotencyKey != nil {
		k.secrets = append(k.secrets, NewSecret(*o.idempotencyKey))
	}
	if k.repeat == byMethod {
		k.repeat = k.usualRepetition(o.ifMatch != nil)
	}
	if len(k.faults) > 0 {
		return nil, &Error{Op: k.op, Code: CodeValidation, Message: "The call is not valid; nothing was sent.", Details: k.faults}
	}
	return r, nil
}

func (k *call) fault(field, message string) {
	k.faults = append(k.faults, Detail{Field: field, Message: message})
}

// setHeader sets a header that the caller gave. One that the call does not take is a
// fault: to drop a condition in silence would be worse.
func (k *call) setHeader(h http.Header, name string, value *string, taken bool, valid func(string) bool, rule string) {
	switch {
	case value == nil:
	case !taken:
		k.fault("header."+name, "is not taken by this call")
	case !valid(*value):
		k.fault("header."+name, rule)
	default:
		h.Set(name, *value)
	}
}

// expand puts the arguments into the path.
func (k *call) expand() string {
	var b strings.Builder
	rest := k.path
	for _, arg := range k.args {
		before, after, _ := strings.Cut(rest, "{")
		name, after, _ := strings.Cut(after, "}")
		switch {
		case strings.HasSuffix(name, "_id") && !isUUID(arg):
			k.fault("path."+name, "must be a UUID")
		case arg == "" || strings.Trim(arg, ".") == "": // would name another path
			k.fault("path."+name, "must be a token")
		}
		b.WriteString(before + url.PathEscape(arg))
		rest = after
	}
	return b.String() + rest
}

// send makes the call and decodes the data of its answer.
func send[T any](ctx context.Context, c *Client, k call, opts []CallOption) (*T, http.Header, error) {
	var body struct {
		Data *T `json:"data"`
	}
	a, err := c.do(ctx, &k, opts, &body, func() bool { return body.Data != nil })
	if err != nil {
		return nil, nil, err
	}
	return body.Data, a.header, nil
}

// do makes the call and decodes its answer into body; complete says whether that holds
// what it must.
func (c *Client) do(ctx context.Context, k *call, opts []CallOption, body any, complete func() bool) (*answer, error) {
	r, failure := c.prepare(k, opts)
	if failure != nil {
		return nil, failure
	}
	a, failure := c.attempts(ctx, r)
	if failure != nil {
		return nil, failure
	}
	if err := json.Unmarshal(a.body, body); err != nil || !complete() {
		return nil, &Error{Op: k.op, Status: a.status, Attempts: a.attempts, RequestID: requestID(a.header), cause: err,
			Message: "the answer is not what the service answers to this call; does the base URL lead to it?"}
	}
	if r.meta != nil {
		*r.meta = a.meta()
	}
	return a, nil
}

func isETag(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func isRequestID(s string) bool { return isUUID(strings.TrimPrefix(s, "req_")) }

func isIdempotencyKey(s string) bool {
	return len(s) >= 8 && len(s) <= 255 && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// newUUID makes a random one (RFC 9562 section 5.4).
func newUUID(random io.Reader) (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16]), nil
}
