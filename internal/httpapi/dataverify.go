package httpapi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
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
	d.calls.New = d.newCall
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
	body   bytes.Buffer
	answer []byte
	ids    *rand.ChaCha8 // of request ids, which need to be different, not secret
}

func (d *dataVerify) newCall() any {
	var seed [32]byte
	if _, err := io.ReadFull(d.Random, seed[:]); err != nil {
		d.Logger.Error("no randomness for request ids", slog.String("error", err.Error()))
		binary.LittleEndian.PutUint64(seed[:], rand.Uint64()) //nolint:gosec // ids need to be different, not secret
	}
	return &dataCall{ids: rand.NewChaCha8(seed)}
}

// The values of headers that are always the same. Nobody changes them.
var (
	jsonType = []string{"application/json"}
	noStore  = []string{"no-store"}
	noSniff  = []string{"nosniff"}
)

func (d *dataVerify) serve(w http.ResponseWriter, r *http.Request) {
	call, _ := d.calls.Get().(*dataCall)
	defer d.calls.Put(call)
	x := exchange{id: d.dataRequestID(r, call), clock: d.Clock, start: d.Clock(), request: r, header: w.Header(), route: VerifyPath}
	x.header["X-Request-Id"] = []string{x.id}
	x.header["Cache-Control"], x.header["X-Content-Type-Options"] = noStore, noSniff
	request, err := d.read(w, &x, call)
	if err != nil {
		d.refuse(w, &x, err)
		return
	}
	outcome, err := d.Keys.Verify(r.Context(), request)
	if err != nil {
		d.refuse(w, &x, err)
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
	body := decodeVerify(call.body.Bytes(), &x.faults)
	request := body.parse(&parser{registry: d.Registry, now: x.start, faults: &x.faults})
	return request, dedupe(x.faults).Err()
}

// decodeVerify reads the body of a check, the quick way where it is written plainly.
func decodeVerify(data []byte, faults *keypin.Faults) *verifyBody {
	plain := &verifyBody{}
	if plain.scan(string(data)) {
		return plain
	}
	full := &verifyBody{}
	decodeBody(data, full, faults)
	return full
}

// refuse answers an error, and logs one that is ours.
func (d *dataVerify) refuse(w http.ResponseWriter, x *exchange, err error) {
	p := x.problemFor(err)
	p.write(w)
	d.logError(x, p.status)
	d.observe(p.ErrorBody.Code, d.Clock().Sub(x.start))
}

// dataRequestID keeps the caller's id as requestID does, and makes one quicker.
func (d *dataVerify) dataRequestID(r *http.Request, call *dataCall) string {
	if r.Header["X-Request-Id"] != nil {
		return d.requestID(r)
	}
	// A version 4 UUID: these ids are not stored, so nothing is gained by sorting them.
	var id keypin.ID
	binary.LittleEndian.PutUint64(id[:8], call.ids.Uint64())
	binary.LittleEndian.PutUint64(id[8:], call.ids.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	var b [40]byte
	return string(id.AppendTo(append(b[:0], "req_"...)))
}

// Problem answers an error of another door of the data listener, and logs one that is
// ours.
func (a *API) Problem(w http.ResponseWriter, r *http.Request, err error) {
	x := exchange{id: a.requestID(r), clock: a.Clock, start: a.Clock(), request: r, header: w.Header(), route: r.URL.Path}
	x.header["X-Request-Id"] = []string{x.id}
	x.header["Cache-Control"], x.header["X-Content-Type-Options"] = noStore, noSniff
	p := x.problemFor(err)
	p.write(w)
	a.logError(&x, p.status)
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
