package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
)

// exchange is one request and its answer, as far as the handlers share it. It
// lives in the request's context.
type exchange struct {
	id        string // the request id
	clock     keypin.Clock
	start     time.Time
	request   *http.Request
	header    http.Header // of the answer
	clientIP  netip.Addr
	route     string // the pattern that matched, for logs and metrics
	principal *keypin.Principal
	faults    keypin.Faults // found before huma looked
	body      any           // the parsed body
	// idempotencyKey is zero when none was given, or the operation takes none.
	idempotencyKey keypin.Secret
	err            error // the cause of the error that was answered
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

func (x *exchange) ctx() context.Context { return x.request.Context() }

// meta is the same part of every answer.
type meta struct {
	RequestID string    `json:"request_id" doc:"The id of this request, also in the header X-Request-Id. Name it when you ask for help." example:"req_123e4567-e89b-12d3-a456-426614174000"`
	Timestamp time.Time `json:"timestamp" doc:"When the answer was made, UTC." example:"2026-04-25T12:00:00Z"`
}

func (x *exchange) meta() meta {
	return meta{RequestID: x.id, Timestamp: x.now()}
}

// now is the present, which an answer describes: later than start, when the request
// came, by as long as the change took.
func (x *exchange) now() time.Time { return keypin.Timestamp(x.clock()) }

// envelope is the body of a successful answer.
type envelope[T any] struct {
	Data T    `json:"data"`
	Meta meta `json:"meta"`
}

type answer[T any] struct{ Body envelope[T] }

func answered[T any](x *exchange, data T) *answer[T] {
	return &answer[T]{Body: envelope[T]{Data: data, Meta: x.meta()}}
}

// pagination tells where the page is in its list.
type pagination struct {
	Next  *string `json:"next" format:"uri" doc:"The URL of the next page; null on the last one."`
	Prev  *string `json:"prev" format:"uri" doc:"The URL of the page before; null on the first one."`
	Limit int     `json:"limit" doc:"How many items a page holds at most." example:"50" minimum:"1" maximum:"100"`
	Total int     `json:"total" doc:"How many items all pages hold together." example:"1" minimum:"0"`
}

type listEnvelope[T any] struct {
	Data       []T        `json:"data"`
	Meta       meta       `json:"meta"`
	Pagination pagination `json:"pagination"`
}

type listAnswer[T any] struct{ Body listEnvelope[T] }

func (a *API) listed(x *exchange, page keypin.Page, total int) pagination {
	p := pagination{Limit: page.Limit, Total: total}
	if page.Offset+page.Limit < total {
		p.Next = a.pageURL(x, page.Offset+page.Limit)
	}
	if page.Offset > 0 {
		p.Prev = a.pageURL(x, max(0, page.Offset-page.Limit))
	}
	return p
}

// call is what the use cases know of this request. workspace is the one that it
// names; nil for none.
func (x *exchange) call(workspace *keypin.ID) admin.Call {
	return admin.Call{
		Principal: x.principal,
		Workspace: workspace,
		Origin: keypin.Origin{
			RequestID: x.id,
			IP:        x.clientIP,
			UserAgent: clip(telemetry.Redact(x.request.UserAgent()), 256),
		},
		IdempotencyKey: x.idempotencyKey,
	}
}

// clip shortens s to at most n bytes of valid UTF-8 without control characters.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// encodeJSON writes v as every answer is written.
func encodeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
