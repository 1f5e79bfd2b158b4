package client

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	testToken = "op_live_0000000000000000000000000009BlC0"
	testID    = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
	testReqID = "req_123e4567-e89b-12d3-a456-426614174000"
)

// script is a service that answers each request with the next of its steps, without a
// network, so that it runs inside a synctest bubble.
type script struct {
	steps []step
	seen  []*http.Request
	sent  []string // the bodies
	at    []time.Time
}

// step answers a request, or fails it.
type step func(*http.Request) (*http.Response, error)

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(b)
	}
	s.seen, s.sent, s.at = append(s.seen, r), append(s.sent, body), append(s.at, time.Now())
	if len(s.steps) == 0 {
		return nil, errors.New("the script is at its end")
	}
	next := s.steps[0]
	s.steps = s.steps[1:]
	return next(r)
}

// answers makes a step. Headers are "Name: value".
func answers(status int, body string, headers ...string) step {
	return func(r *http.Request) (*http.Response, error) {
		h := http.Header{"X-Request-Id": {testReqID}, "Content-Type": {"application/json"}}
		for _, line := range headers {
			name, value, _ := strings.Cut(line, ": ")
			h.Set(name, value)
		}
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
	}
}

// refuses makes a step that answers an error of the service.
func refuses(status int, code Code, headers ...string) step {
	return answers(status, `{"error":{"code":"`+string(code)+`","message":"No.","details":[]},"meta":{"request_id":"`+testReqID+`"}}`, headers...)
}

// breaks makes a step whose request arrived, and whose answer did not.
func breaks() step {
	return func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "read", Net: "tcp", Err: errors.New("connection reset by peer")}
	}
}

// unreachable makes a step that had no connection.
func unreachable() step {
	return func(*http.Request) (*http.Response, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
}

const keyJSON = `{"id":"` + testID + `","name":"first","scopes":["workflows:read"],"active":true}`

func keyAnswer() step { return answers(http.StatusOK, `{"data":`+keyJSON+`,"meta":{}}`, `ETag: "v3"`) }

func createdAnswer() step {
	return answers(http.StatusCreated, `{"data":{"id":"`+testID+`","name":"first","api_key":"`+testToken+`"},"meta":{}}`)
}

// scripted makes a client of the steps.
func scripted(t *testing.T, options []Option, steps ...step) (*Client, *script) {
	t.Helper()
	s := &script{steps: steps}
	options = append([]Option{WithToken(testToken), WithHTTPClient(&http.Client{Transport: s})}, options...)
	c, err := New("http://keypin.test/base/", options...)
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

// asError fails the test unless err is an Error.
func asError(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("%v (%T) is not an *Error", err, err)
	}
	return e
}
