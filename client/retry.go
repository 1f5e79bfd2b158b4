package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	firstWait = 250 * time.Millisecond
	longestOf = 4 * time.Second  // our own waits
	patience  = 30 * time.Second // the longest wait that the service can ask for
)

// repetition says when a call that failed may be sent again.
type repetition int

const (
	// byMethod: as usualRepetition has it.
	byMethod repetition = iota
	// whenUnsure: sending it again comes to the same as sending it once.
	whenUnsure
	// whenNothingDone: only if the first request cannot have done anything.
	whenNothingDone
	// never: the answer is about this moment.
	never
)

// usualRepetition is what follows from the call's form.
func (k *call) usualRepetition(conditional bool) repetition {
	switch {
	case k.takes&takesIdempotencyKey != 0:
		return whenUnsure
	case k.method == http.MethodPost:
		return whenNothingDone
	case k.method == http.MethodPatch && conditional:
		return whenNothingDone // what the first request made would fail the second one's condition
	}
	return whenUnsure
}

// attempts sends the request until it is answered, or must not be sent again.
func (c *Client) attempts(ctx context.Context, r *request) (*answer, *Error) {
	for n := 1; ; n++ {
		a, failure := c.attempt(ctx, r)
		if failure == nil {
			a.attempts = n
			return a, nil
		}
		failure.Op, failure.Attempts = r.op, n
		if n > c.maxRetries || !r.mayRepeat(failure) {
			return nil, failure
		}
		wait := c.wait(n, failure.RetryAfter)
		deadline, limited := ctx.Deadline()
		if failure.RetryAfter > patience || limited && c.now().Add(wait).After(deadline) {
			return nil, failure
		}
		if err := pause(ctx, wait); err != nil {
			failure.Message += "; the context ended before it could be sent again"
			failure.cause = errors.Join(failure.cause, err)
			return nil, failure
		}
	}
}

// mayRepeat reports whether the call may be sent again after the failure.
func (k *call) mayRepeat(e *Error) bool {
	switch {
	case k.repeat == never, e.final:
		return false
	case e.unsent:
		return true
	case e.Status == http.StatusTooManyRequests:
		return e.Code != CodeQuotaExceeded // refused before anything was done; a quota takes longer than we would wait
	case k.repeat == whenNothingDone:
		return false
	case e.noAnswer:
		return true
	}
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusConflict:
		// Our own first request is still being worked on; its answer will be this one's.
		return k.takes&takesIdempotencyKey != 0 && e.Code == CodeConflict && e.RetryAfter > 0
	}
	return false
}

// wait is how long to wait after the n-th request failed: at least what the service
// asks for, and random, so that many clients do not come back at once.
func (c *Client) wait(n int, retryAfter time.Duration) time.Duration {
	if retryAfter > 0 {
		return retryAfter + c.jitter(firstWait)
	}
	longest := min(longestOf, firstWait<<min(n-1, 10))
	return longest/2 + c.jitter(longest/2)
}

// jitter is a random duration below d.
func (c *Client) jitter(d time.Duration) time.Duration {
	var b [8]byte
	if _, err := io.ReadFull(c.random, b[:]); err != nil {
		return d / 2 // any wait will do
	}
	return time.Duration(binary.NativeEndian.Uint64(b[:]) % uint64(d))
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

// contextError is the context's error, and its cause where that says more.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return errors.Join(err, cause)
}

// attempt sends the request once. Its error is nil for a 2xx only.
func (c *Client) attempt(ctx context.Context, r *request) (*answer, *Error) {
	if ctx.Err() != nil {
		return nil, &Error{Message: "the context ended before the request was sent", cause: contextError(ctx), final: true}
	}
	secrets := r.secrets
	header := r.header.Clone()
	if c.token != nil && !r.public {
		token, err := c.token(ctx)
		if err == nil {
			err = checkToken(token)
		}
		if err != nil {
			return nil, &Error{Message: "there is no token to send: " + err.Error(), cause: err, final: true}
		}
		header.Set("Authorization", "Bearer "+token)
		secrets = append(secrets[:len(secrets):len(secrets)], NewSecret(token))
	}
	once, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var body io.Reader
	if r.payload != nil {
		body = bytes.NewReader(r.payload)
	}
	req, err := http.NewRequestWithContext(once, r.method, r.url, body)
	if err != nil {
		return nil, &Error{Message: "the request cannot be made", cause: err, final: true}
	}
	req.Header = header
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, noAnswer(ctx, err, secrets)
	}
	defer resp.Body.Close()
	a, failure := read(ctx, resp, secrets)
	if failure == nil && a.status/100 != 2 {
		failure = c.refusal(a, secrets)
	}
	return a, failure
}

// noAnswer makes the error of a request that got none, or not to its end.
func noAnswer(ctx context.Context, err error, secrets []Secret) *Error {
	if ctx.Err() != nil {
		return &Error{Message: "the context ended before the answer came", cause: contextError(ctx), final: true}
	}
	// Its text would have the URL, which may have a token in it.
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	e := &Error{Message: "no answer: " + scrub(err.Error(), secrets), cause: err, noAnswer: true}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		e.unsent = op.Op == "dial"
	}
	_, e.final = errors.AsType[*tls.CertificateVerificationError](err)
	return e
}
