package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/keypin/keypin/internal/keypin"
)

// statusOf is the one map from an error's code to its HTTP status.
var statusOf = map[keypin.Code]int{
	keypin.CodeUnauthorized:         http.StatusUnauthorized,
	keypin.CodeForbidden:            http.StatusForbidden,
	keypin.CodeInsufficientScope:    http.StatusForbidden,
	keypin.CodeWorkspaceForbidden:   http.StatusForbidden,
	keypin.CodeNotFound:             http.StatusNotFound,
	keypin.CodeMethodNotAllowed:     http.StatusMethodNotAllowed,
	keypin.CodeNotAcceptable:        http.StatusNotAcceptable,
	keypin.CodeKeyRevoked:           http.StatusConflict,
	keypin.CodeKeyInactive:          http.StatusConflict,
	keypin.CodeKeyExpired:           http.StatusConflict,
	keypin.CodeSlugTaken:            http.StatusConflict,
	keypin.CodeConflict:             http.StatusConflict,
	keypin.CodeGone:                 http.StatusGone,
	keypin.CodePreconditionFailed:   http.StatusPreconditionFailed,
	keypin.CodePayloadTooLarge:      http.StatusRequestEntityTooLarge,
	keypin.CodeUnsupportedMediaType: http.StatusUnsupportedMediaType,
	keypin.CodeValidation:           http.StatusUnprocessableEntity,
	keypin.CodeUpgradeRequired:      http.StatusUpgradeRequired,
	keypin.CodeRateLimited:          http.StatusTooManyRequests,
	keypin.CodeQuotaExceeded:        http.StatusTooManyRequests,
	keypin.CodeInternal:             http.StatusInternalServerError,
	keypin.CodeUnavailable:          http.StatusServiceUnavailable,
}

// errorDetail is one fault of a request.
type errorDetail struct {
	Field   string `json:"field" doc:"The JSON path of the field, such as body.name, query.limit, path.key_id or header.X-Workspace-Id." example:"body.name"`
	Message string `json:"message" doc:"What would be right. It never repeats what was sent." example:"must be 1 to 120 characters after trimming, without control characters"`
}

// errorBody says what went wrong.
type errorBody struct {
	Code    string        `json:"code" doc:"The stable name of the error, in lower snake case. Switch on it." example:"validation_error"`
	Message string        `json:"message" doc:"A sentence for a person." example:"The request is not valid."`
	Details []errorDetail `json:"details" doc:"Every fault of the request; empty for errors that are not about a field."`
}

// problem is an error as it is answered. It implements huma's StatusError and
// HeadersError, so that an operation can return it.
type problem struct {
	ErrorBody errorBody `json:"error"`
	Meta      meta      `json:"meta"`

	status int
	header http.Header
}

func (p *problem) Error() string           { return p.ErrorBody.Code }
func (p *problem) GetStatus() int          { return p.status }
func (p *problem) GetHeaders() http.Header { return p.header }

// problemFor makes the answer of an error, and notes the cause for the log. Errors
// that are not the domain's say nothing about themselves.
func (x *exchange) problemFor(err error) *problem {
	var e *keypin.Error
	if !errors.As(err, &e) {
		e = keypin.Wrap(keypin.CodeInternal, "", err)
	}
	status, known := statusOf[e.Code]
	if !known {
		e, status = keypin.Wrap(keypin.CodeInternal, "", err), http.StatusInternalServerError
	}
	x.err = err
	p := &problem{status: status, header: http.Header{}, Meta: x.meta()}
	p.ErrorBody = errorBody{Code: string(e.Code), Message: e.Message, Details: []errorDetail{}}
	if status >= http.StatusInternalServerError {
		p.ErrorBody.Message = "Something went wrong here. The request id tells us what."
		if e.Code == keypin.CodeUnavailable {
			p.ErrorBody.Message = "The service cannot answer right now. Try again."
		}
	} else {
		for _, d := range e.Details[:min(len(e.Details), maxFaults)] {
			p.ErrorBody.Details = append(p.ErrorBody.Details, errorDetail{Field: d.Field, Message: d.Message})
		}
	}
	p.setHeaders(e)
	return p
}

// setHeaders adds what the status owes besides its body.
func (p *problem) setHeaders(e *keypin.Error) {
	switch e.Code {
	case keypin.CodeUnauthorized:
		challenge := `Bearer realm="keypin"`
		if !e.NoCredentials {
			challenge += `, error="invalid_token"`
		}
		p.header.Set("WWW-Authenticate", challenge)
	case keypin.CodeInsufficientScope:
		p.header.Set("WWW-Authenticate",
			`Bearer realm="keypin", error="insufficient_scope", scope="`+joinScopes(e.Needed)+`"`)
	case keypin.CodeUnavailable:
		p.header.Set("Retry-After", strconv.Itoa(max(1, seconds(e.RetryAfter))))
	default:
		if e.RetryAfter > 0 {
			p.header.Set("Retry-After", strconv.Itoa(seconds(e.RetryAfter)))
		}
	}
}

// seconds rounds up, so that who waits so long has waited long enough.
func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

func joinScopes(scopes []keypin.Scope) string {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	return strings.Join(names, " ")
}

// write answers p outside of huma.
func (p *problem) write(w http.ResponseWriter) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(p.status)
	_ = encodeJSON(w, p) // the client is gone; nobody is left to tell
}

var replaceHumaErrors sync.Once

// useOwnErrors makes huma build our errors. Its hooks are global, so every API of
// the process shares them; the request's exchange carries what is an API's own.
func useOwnErrors() {
	replaceHumaErrors.Do(func() {
		huma.NewError = func(status int, _ string, _ ...error) huma.StatusError {
			return &problem{status: status}
		}
		huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
			x := exchangeOf(ctx.Context())
			if status >= http.StatusInternalServerError || len(errs) == 0 {
				return x.problemFor(errors.Join(append(errs, errors.New(msg))...))
			}
			faults := x.faults
			for _, err := range errs {
				var d huma.ErrorDetailer
				if !errors.As(err, &d) {
					faults.Add("request", "is not valid")
					continue
				}
				// One fault a field is enough, and ours are in plainer words.
				field := d.ErrorDetail().Location
				if !slices.ContainsFunc(x.faults, func(f keypin.Detail) bool { return f.Field == field }) {
					faults.Add(field, d.ErrorDetail().Message)
				}
			}
			return x.problemFor(faults.Err())
		}
	})
}

// logRefusal writes why a client was refused, if it was told less: which rule a session
// token breaks, say.
func (x *exchange) logRefusal(logger *slog.Logger, status int) {
	var e *keypin.Error
	if !errors.As(x.err, &e) || e.Cause == nil {
		return
	}
	logger.LogAttrs(x.ctx(), slog.LevelDebug, "request refused",
		slog.String("request_id", x.id), slog.String("route", x.route), slog.Int("status", status), slog.String("error", e.Cause.Error()))
}

// logError writes what the caller was not told. What a client did wrong is debug,
// what we did wrong is an error.
func (a *API) logError(x *exchange, status int) {
	if x.err == nil {
		return
	}
	if status < http.StatusInternalServerError {
		x.logRefusal(a.Logger, status)
		return
	}
	if errors.Is(x.ctx().Err(), context.Canceled) {
		return // the client went away, and what was under way for it was given up
	}
	a.Logger.LogAttrs(x.ctx(), slog.LevelError, "request failed",
		slog.String("request_id", x.id), slog.String("route", x.route), slog.Int("status", status), slog.String("error", x.err.Error()))
}
