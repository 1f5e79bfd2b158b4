package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

// API answers the public listener's requests. It is an http.Handler.
type API struct {
	Options
	huma     huma.API
	mux      *http.ServeMux
	handler  http.Handler
	document document
	pages    Pages // nil = none

	observePublic func(code string, took time.Duration) // counts the public listener's checks
}

// New builds the API. It panics when an operation is described wrongly, which a
// test would have shown.
func New(o Options) *API {
	useOwnErrors()
	a := &API{Options: o, mux: http.NewServeMux(), observePublic: o.Observer.Door("api")}
	a.huma = humago.New(a.mux, huma.Config{
		OpenAPI:       a.describe(),
		Formats:       map[string]huma.Format{"application/json": {Marshal: encodeJSON, Unmarshal: json.Unmarshal}},
		DefaultFormat: "application/json",
	})
	a.registerKeys()
	a.registerVerify()
	a.registerUsage()
	a.registerWorkspaces()
	a.registerMembers()
	a.registerService()
	a.finishDocument()
	a.handler = a.serve(a.mux)
	return a
}

// Pages are what the public listener shows besides the API, such as its documentation.
type Pages interface {
	http.Handler
	// Route names the kind of page that a request is for, for logs and metrics: it is one of
	// a few. "" means that the request is for none of these pages.
	Route(r *http.Request) string
}

// Show lets pages answer what they have a route for. Their answers are logged and counted
// as all are, and have a request id. It is called before the first request.
func (a *API) Show(p Pages) { a.pages = p }

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// bodyOf is implemented by a pointer to the struct that describes a request's body:
// its fields are optional and required values, and parse turns them into a T.
type bodyOf[D, T any] interface {
	*D
	parse(p *parser) T
}

// bodyUse says whether an operation's body may be left out.
type bodyUse bool

const (
	bodyRequired bodyUse = true
	bodyOptional bodyUse = false
)

// route registers an operation without a body.
func route[I, O any](a *API, op huma.Operation, handle func(context.Context, *exchange, *I) (*O, error)) {
	register(a, op, nil, handle)
}

// routeBody registers an operation whose JSON body is described by D and parsed
// into a T.
func routeBody[D, T any, PD bodyOf[D, T], I, O any](a *API, op huma.Operation, use bodyUse, handle func(context.Context, *exchange, *I, T) (*O, error)) {
	decode := func(x *exchange, data []byte) {
		if len(data) == 0 && use == bodyOptional {
			data = []byte("{}")
		}
		var d D
		decodeBody(data, &d, &x.faults)
		p := &parser{registry: a.Registry, now: keypin.Timestamp(x.start), faults: &x.faults, replayable: !x.idempotencyKey.IsZero()}
		x.body = PD(&d).parse(p)
		if len(x.faults) > 0 {
			x.faults = append(x.faults, p.passed...)
		}
	}
	register(a, op, decode, func(ctx context.Context, x *exchange, in *I) (*O, error) {
		return handle(ctx, x, in, x.body.(T))
	})
	// Described only now: huma would otherwise read the body itself.
	described(a, op).RequestBody = &huma.RequestBody{
		Required: bool(use),
		Content:  map[string]*huma.MediaType{"application/json": {Schema: schemaOf[D](a)}},
	}
}

// described is the operation as it stands in the document.
func described(a *API, op huma.Operation) *huma.Operation {
	item := a.huma.OpenAPI().Paths[op.Path]
	if op.Method == http.MethodPost {
		return item.Post
	}
	return item.Patch
}

// register joins an operation to the mux and the document.
func register[I, O any](a *API, op huma.Operation, decode func(*exchange, []byte), handle func(context.Context, *exchange, *I) (*O, error)) {
	op.Middlewares = append(op.Middlewares, a.prepare(decode))
	huma.Register(a.huma, op, func(ctx context.Context, in *I) (*O, error) {
		x := exchangeOf(ctx)
		if err := x.faults.Err(); err != nil {
			return nil, x.problemFor(err)
		}
		out, err := handle(ctx, x, in)
		if err != nil {
			return nil, x.problemFor(err)
		}
		return out, nil
	})
}

// prepare does what comes before an operation, in the order of its statuses: 406,
// 401, 415, 413; then it collects the faults that huma would not see.
func (a *API) prepare(decode func(*exchange, []byte)) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		r, w := humago.Unwrap(ctx)
		x := exchangeOf(r.Context())
		op := ctx.Operation()
		x.route = op.Path
		err := accepts(r, "application/json")
		if err == nil && len(op.Security) > 0 {
			err = a.authenticate(x)
		}
		var data []byte
		if err == nil {
			data, err = readBody(w, r, decode != nil)
		}
		if err != nil {
			x.problemFor(err).write(w)
			return
		}
		checkParameters(x, op)
		if decode != nil {
			decode(x, data)
		}
		x.faults = dedupe(x.faults)
		next(ctx)
	}
}

// readBody reads a body of at most maxBody bytes, which must be JSON where it is
// wanted and is ignored elsewhere.
func readBody(w http.ResponseWriter, r *http.Request, wanted bool) ([]byte, error) {
	var body bytes.Buffer
	if err := readInto(&body, w, r); err != nil {
		return nil, err
	}
	if wanted && body.Len() > 0 && !isJSON(r.Header.Values("Content-Type")) {
		return nil, errNotJSON()
	}
	return body.Bytes(), nil
}

func errNotJSON() error {
	return keypin.E(keypin.CodeUnsupportedMediaType, "The body must be application/json.")
}

func errTooLarge() error {
	return keypin.E(keypin.CodePayloadTooLarge, "The body must be at most 64 KiB.")
}

// isJSON reports whether the media type is JSON in UTF-8. None at all is taken for
// it: curl and old clients leave it out.
func isJSON(values []string) bool {
	if len(values) == 0 {
		return true
	}
	mediaType, parameters, _ := strings.Cut(strings.ToLower(values[0]), ";")
	_, charset, hasCharset := strings.Cut(parameters, "charset=")
	charset = strings.Trim(strings.TrimSpace(charset), `"`)
	return len(values) == 1 && strings.TrimSpace(mediaType) == "application/json" && (!hasCharset || charset == "utf-8")
}

// accepts refuses a request whose Accept excludes what the answer is.
func accepts(r *http.Request, mediaType string) error {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return nil
	}
	kind, _, _ := strings.Cut(mediaType, "/")
	best := -1 // how exactly a range matched
	ok := false
	for item := range strings.SplitSeq(strings.Join(values, ","), ",") {
		rng, parameters, _ := strings.Cut(item, ";")
		precision := -1
		switch strings.ToLower(strings.TrimSpace(rng)) {
		case mediaType:
			precision = 2
		case kind + "/*":
			precision = 1
		case "*/*", "":
			precision = 0
		}
		if precision > best {
			best, ok = precision, !zeroQuality(parameters)
		}
	}
	if !ok {
		return keypin.E(keypin.CodeNotAcceptable, "The answer would be "+mediaType+", which the Accept header excludes.")
	}
	return nil
}

// zeroQuality reports whether the parameters of a media range hold a weight of 0.
func zeroQuality(parameters string) bool {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") && strings.Trim(value, "0.") == "" && value != "" {
			return true
		}
	}
	return false
}

// checkParameters notes what huma lets pass: query parameters that are not known,
// given twice or empty, and headers of the operation given twice or empty.
func checkParameters(x *exchange, op *huma.Operation) {
	var names []string
	query := x.request.URL.Query()
	for _, p := range op.Parameters {
		switch p.In {
		case "path":
			// The path says which workspace it is; the header must only be well-formed.
			named := x.request.Header.Get("X-Workspace-Id")
			if _, err := keypin.ParseID(named); p.Name == "workspace_id" && named != "" && err != nil {
				x.faults.Add("header.X-Workspace-Id", "must be a UUID")
			}
		case "query":
			names = append(names, p.Name)
			values, present := query[p.Name]
			delete(query, p.Name)
			switch {
			case len(values) > 1:
				x.faults.Add("query."+p.Name, "must be given once")
			case present && values[0] == "":
				x.faults.Add("query."+p.Name, "must not be empty")
			case present && token.Contains(values[0]):
				x.faults.Add("query."+p.Name, "must not contain an API key")
			}
		case "header":
			values := x.request.Header.Values(p.Name)
			switch {
			case len(values) > 1:
				x.faults.Add("header."+p.Name, "must be given once")
			case len(values) == 1 && values[0] == "":
				x.faults.Add("header."+p.Name, "must not be empty")
			case len(values) == 1 && p.Name == "Idempotency-Key":
				x.idempotencyKey = readIdempotencyKey(values[0], &x.faults)
			}
		}
	}
	known := "none is"
	if len(names) > 0 {
		known = "known are " + strings.Join(names, ", ")
	}
	if len(query) > 0 {
		x.faults.Add("query", "has a parameter that is not known; "+known)
	}
	if strings.Contains(x.request.URL.RawQuery, ";") || !validQuery(x.request.URL.RawQuery) {
		x.faults.Add("query", "must be percent-encoded UTF-8 pairs joined by &")
	}
}
