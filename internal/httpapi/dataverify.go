package httpapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// DataVerify answers checks on the data listener: the same call as on the public one,
// for the keys of all workspaces, by whoever reaches it. It does without huma, the log
// line of every request and everything else that a check does not need.
func (a *API) DataVerify() http.Handler {
	d := &dataVerify{API: a, observe: a.Observer.Door("verify"), epoch: []string{a.Epoch}}
	d.calls.New = func() any { return new(dataCall) }
	return http.HandlerFunc(d.serve)
}

type dataVerify struct {
	*API
	observe func(code string, took time.Duration)
	calls   sync.Pool // of *dataCall
	epoch   []string  // the value of X-Keypin-Epoch; nobody changes it
}

// dataCall is what one request needs and the next can use again.
type dataCall struct {
	exchange exchange
	body     bytes.Buffer
	plain    verifyBody
	request  verify.Request
	answer   []byte
}

// forget drops what belongs to the request, for the pool would keep it alive.
func (c *dataCall) forget() {
	c.exchange = exchange{}
	c.plain = verifyBody{Scopes: optional[[]string]{Value: c.plain.Scopes.Value[:0]}}
	c.request = verify.Request{Needed: c.request.Needed[:0]}
}

// The values of headers that are always the same. Nobody changes them.
var (
	jsonType = []string{"application/json"}
	noStore  = []string{"no-store"}
	noSniff  = []string{"nosniff"}
)

func (d *dataVerify) serve(w http.ResponseWriter, r *http.Request) {
	call, _ := d.calls.Get().(*dataCall)
	defer func() {
		call.forget()
		d.calls.Put(call)
	}()
	x := &call.exchange
	*x = exchange{id: d.Identify(w, r), clock: d.Clock, start: d.Clock(), request: r, header: w.Header(), route: VerifyPath}
	request, err := d.read(w, x, call)
	if err != nil {
		d.refuse(w, x, err)
		return
	}
	request.At = x.start
	outcome, err := d.Keys.Verify(r.Context(), request)
	if err != nil {
		d.refuse(w, x, err)
		return
	}
	if stale := staleSeconds(&outcome); stale != "" {
		x.header.Set("X-Keypin-Stale", stale)
	}
	end := d.Clock()
	call.answer = appendVerification(call.answer[:0], &outcome, x.id, end)
	x.header["Content-Type"], x.header["X-Keypin-Epoch"] = jsonType, d.epoch
	_, _ = w.Write(call.answer) // the client is gone; nobody is left to tell
	d.observe(string(outcome.Code), end.Sub(x.start))
}

// read reads the request, in the order of the public listener's checks.
func (d *dataVerify) read(w http.ResponseWriter, x *exchange, call *dataCall) (*verify.Request, error) {
	if err := accepts(x.request, "application/json"); err != nil {
		return nil, err
	}
	if err := readInto(&call.body, w, x.request); err != nil {
		return nil, err
	}
	if call.body.Len() > 0 && !isJSON(x.request.Header["Content-Type"]) {
		return nil, errNotJSON()
	}
	if x.request.URL.RawQuery != "" {
		x.faults.Add("query", "has a parameter that is not known; none is")
	}
	body := call.decode(&x.faults)
	body.fill(&call.request, &parser{registry: d.Registry, now: x.start, faults: &x.faults})
	return &call.request, dedupe(x.faults).Err()
}

// decode reads the body of a check, the quick way where it is written plainly.
func (c *dataCall) decode(faults *keypin.Faults) *verifyBody {
	if c.plain.scan(c.body.String()) {
		return &c.plain
	}
	full := &verifyBody{}
	decodeBody(c.body.Bytes(), full, faults)
	return full
}

// refuse answers an error, and logs one that is ours.
func (d *dataVerify) refuse(w http.ResponseWriter, x *exchange, err error) {
	p := x.problemFor(err)
	p.write(w)
	d.logError(x, p.status)
	if verify.GivenUp(x.ctx(), err) {
		return
	}
	d.observe(p.ErrorBody.Code, d.Clock().Sub(x.start))
}

// Identify gives an answer of the data listener its request id, the caller's own if that
// has the form of one, and what every answer there carries. Asked again, it gives the
// same id.
func (a *API) Identify(w http.ResponseWriter, r *http.Request) string {
	h := w.Header()
	if known := h["X-Request-Id"]; len(known) == 1 {
		return known[0]
	}
	var id string
	if r.Header["X-Request-Id"] != nil {
		id = a.requestID(r)
	} else {
		id = quickRequestID()
	}
	h["X-Request-Id"] = []string{id}
	h["Cache-Control"], h["X-Content-Type-Options"] = noStore, noSniff
	return id
}

// quickRequestID makes an id of a version 4 UUID: these are not stored, so nothing is
// gained by sorting them.
func quickRequestID() string {
	var id keypin.ID
	binary.LittleEndian.PutUint64(id[:8], rand.Uint64()) //nolint:gosec // ids need to be different, not secret
	binary.LittleEndian.PutUint64(id[8:], rand.Uint64()) //nolint:gosec // as above
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	var b [40]byte
	return string(id.AppendTo(append(b[:0], "req_"...)))
}

// Problem answers an error of another door of the data listener, and logs one that is
// ours.
func (a *API) Problem(w http.ResponseWriter, r *http.Request, err error) {
	x := exchange{id: a.Identify(w, r), clock: a.Clock, start: a.Clock(), request: r, header: w.Header(), route: r.URL.Path}
	p := x.problemFor(err)
	p.write(w)
	a.logError(&x, p.status)
}

// Recover answers a panic of a door of the data listener with 500, and logs it. It is
// deferred.
func (a *API) Recover(w http.ResponseWriter, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler { //nolint:errorlint // a recovered value, compared as net/http does
		panic(p)
	}
	a.Problem(w, r, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
}

// readInto reads a body of at most maxBody bytes.
func readInto(to *bytes.Buffer, w http.ResponseWriter, r *http.Request) error {
	to.Reset()
	if r.ContentLength > maxBody {
		return errTooLarge()
	}
	body := r.Body
	if r.ContentLength < 0 {
		body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	if _, err := to.ReadFrom(body); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return errTooLarge()
		}
		return &keypin.Error{Code: keypin.CodeValidation, Message: "The request is not valid.", Cause: err,
			Details: []keypin.Detail{{Field: "body", Message: "must be sent to its end"}}}
	}
	return nil
}
