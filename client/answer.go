package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of an answer. A page of 100 keys, each as large as a key can be, is 10 MiB.
const (
	maxAnswer  = 32 << 20
	maxText    = 500 // characters of a message
	maxDetails = 64
)

// answer is a response, read to its end.
type answer struct {
	status   int
	header   http.Header
	body     []byte
	attempts int
}

// read reads a response.
func read(ctx context.Context, resp *http.Response, secrets []Secret) (*answer, *Error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, noAnswer(ctx, err, secrets)
	}
	if len(body) > maxAnswer {
		return nil, &Error{Status: resp.StatusCode, RequestID: requestID(resp.Header), final: true,
			Message: fmt.Sprintf("the answer is larger than %d MiB", maxAnswer>>20)}
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: body}, nil
}

func (a *answer) meta() ResponseMeta {
	return ResponseMeta{
		Status:    a.status,
		RequestID: requestID(a.header),
		RateLimit: rateLimit(a.header),
		Replayed:  a.header.Get("Idempotent-Replayed") == "true",
		Stale:     stale(a.header),
		Attempts:  a.attempts,
	}
}

// refusal makes the error of an answer that is not a 2xx.
func (c *Client) refusal(a *answer, secrets []Secret) *Error {
	e := &Error{
		Status:     a.status,
		RequestID:  requestID(a.header),
		RetryAfter: retryAfter(a.header.Get("Retry-After"), c.now()),
		RateLimit:  rateLimit(a.header),
	}
	var body struct {
		Error struct {
			Code    string   `json:"code"`
			Message string   `json:"message"`
			Details []Detail `json:"details"`
		} `json:"error"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil || !isCode(body.Error.Code) {
		e.Message = "the answer is not the service's own, perhaps a proxy's"
		if a.status/100 == 3 {
			e.Message = "the answer is a redirect, which is not followed; is the base URL the service's own?"
		}
		return e
	}
	e.Code, e.Message = Code(body.Error.Code), scrub(body.Error.Message, secrets)
	for _, d := range body.Error.Details[:min(len(body.Error.Details), maxDetails)] {
		e.Details = append(e.Details, Detail{Field: scrub(d.Field, secrets), Message: scrub(d.Message, secrets)})
	}
	return e
}

// isCode tells the service's errors from those of others who answer in JSON too.
func isCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

// scrub takes the secrets of the request out of a text: who answered may have put them
// there. It bounds the text, too.
func scrub(s string, secrets []Secret) string {
	for _, secret := range secrets {
		if value := secret.Reveal(); len(value) >= 8 {
			s = strings.ReplaceAll(s, value, maskedSecret)
			s = strings.ReplaceAll(s, url.PathEscape(value), maskedSecret)
		}
	}
	s = strings.ToValidUTF8(s, "")
	if utf8.RuneCountInString(s) > maxText {
		s = string([]rune(s)[:maxText]) + "…"
	}
	return s
}

// requestID is the answer's; "" for what no request id looks like.
func requestID(h http.Header) string {
	id := h.Get("X-Request-Id")
	if len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ""
	}
	return id
}

// rateLimit reads X-RateLimit-*; nil without them.
func rateLimit(h http.Header) *RateLimit {
	limit, err1 := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	remaining, err2 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	reset, err3 := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err1 != nil || err2 != nil || err3 != nil {
		return nil
	}
	return &RateLimit{Limit: limit, Remaining: remaining, ResetAt: time.Unix(reset, 0).UTC()}
}

// retryAfter reads seconds or a date (RFC 9110 section 10.2.3); 0 for neither.
func retryAfter(s string, now time.Time) time.Duration {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), math.MaxInt32)) * time.Second
	}
	if at, err := http.ParseTime(s); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// stale reads X-Keypin-Stale, whose presence alone says something.
func stale(h http.Header) time.Duration {
	s := h.Get("X-Keypin-Stale")
	if s == "" {
		return 0
	}
	n, _ := strconv.ParseInt(s, 10, 32) // what cannot be read is stale all the same
	return time.Duration(max(1, n)) * time.Second
}
