package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Code is the stable name of an error. Switch on it where the kind that [errors.Is]
// tells is not enough.
type Code string

// The codes, in the order of their statuses.
const (
	CodeUnauthorized         Code = "unauthorized"           // 401
	CodeForbidden            Code = "forbidden"              // 403
	CodeInsufficientScope    Code = "insufficient_scope"     // 403
	CodeWorkspaceForbidden   Code = "workspace_forbidden"    // 403
	CodeNotFound             Code = "not_found"              // 404
	CodeMethodNotAllowed     Code = "method_not_allowed"     // 405
	CodeNotAcceptable        Code = "not_acceptable"         // 406
	CodeKeyRevoked           Code = "api_key_revoked"        // 409
	CodeKeyInactive          Code = "api_key_inactive"       // 409
	CodeKeyExpired           Code = "api_key_expired"        // 409
	CodeSlugTaken            Code = "workspace_slug_taken"   // 409
	CodeConflict             Code = "conflict"               // 409
	CodeGone                 Code = "gone"                   // 410
	CodePreconditionFailed   Code = "precondition_failed"    // 412
	CodePayloadTooLarge      Code = "payload_too_large"      // 413
	CodeUnsupportedMediaType Code = "unsupported_media_type" // 415
	CodeValidation           Code = "validation_error"       // 422
	CodeUpgradeRequired      Code = "sdk_upgrade_required"   // 426
	CodeRateLimited          Code = "rate_limited"           // 429
	CodeQuotaExceeded        Code = "quota_exceeded"         // 429
	CodeInternal             Code = "internal_error"         // 500
	CodeUnavailable          Code = "unavailable"            // 503
)

// The kinds of errors, for [errors.Is].
var (
	ErrUnauthorized       = errors.New("keypin: the credentials are missing or not valid")       // 401
	ErrForbidden          = errors.New("keypin: the caller may not do this")                     // 403
	ErrNotFound           = errors.New("keypin: there is no such thing in the workspace")        // 404
	ErrConflict           = errors.New("keypin: the state of the thing forbids it")              // 409
	ErrGone               = errors.New("keypin: the invite can no longer be used")               // 410
	ErrPreconditionFailed = errors.New("keypin: the thing has changed since it was read")        // 412
	ErrValidation         = errors.New("keypin: the request is not valid")                       // 422, or refused before it was sent
	ErrUpgradeRequired    = errors.New("keypin: this version of the client is not served")       // 426
	ErrRateLimited        = errors.New("keypin: the caller has reached its limit")               // 429
	ErrUnavailable        = errors.New("keypin: the service did not answer, or cannot just now") // 502, 503, 504, or no answer
)

// Detail is one fault of a request: the field by its JSON path, such as body.name or
// query.limit, and what would be right.
type Detail struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// RateLimit is the state of a key's limit.
type RateLimit struct {
	Limit     int       `json:"limit"`     // admissions in any 60 s
	Remaining int       `json:"remaining"` // admissions left
	ResetAt   time.Time `json:"reset_at"`  // when the oldest counted admission leaves the window
}

// Error is the failure of a call.
type Error struct {
	// Op is the operation by its name in the OpenAPI document, such as create-api-key.
	Op string
	// Status is the answer's HTTP status; 0 when there was no answer, or nothing was sent.
	Status int
	// Code is the service's name of the error; "" when the answer was not the service's,
	// such as a proxy's, or there was none.
	Code Code
	// Message is a sentence for a person.
	Message string
	// Details name every field at fault.
	Details []Detail
	// RequestID is what to name when asking for help; "" when there was no answer.
	RequestID string
	// RetryAfter is how long the service asks to wait; 0 when it says nothing.
	RetryAfter time.Duration
	// RateLimit is the state of the calling key's limit; nil when it has none, or the
	// caller is no key.
	RateLimit *RateLimit
	// Attempts is how many requests were sent. If it is above 1, an earlier one, whose
	// answer was lost, may have done the work: a deletion that ends in [ErrNotFound]
	// then was very likely done.
	Attempts int

	cause    error
	noAnswer bool // the request was sent, or was to be, and no whole answer came
	unsent   bool // no connection was made
	final    bool // another request would fare no better
}

// Error tells everything but what led to it.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("keypin: " + e.Op + ": ")
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d ", e.Status)
	}
	if e.Code != "" {
		b.WriteString(string(e.Code) + ": ")
	}
	b.WriteString(e.Message)
	for _, d := range e.Details {
		b.WriteString("; " + d.Field + " " + d.Message)
	}
	if e.RequestID != "" {
		b.WriteString(" (" + e.RequestID + ")")
	}
	return b.String()
}

// Unwrap gives what led to the error, such as [context.DeadlineExceeded]; nil when the
// service answered it.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is the error's kind.
func (e *Error) Is(target error) bool { return target != nil && target == e.kind() }

func (e *Error) kind() error {
	switch e.Status {
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusTooManyRequests:
		return ErrRateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return ErrUnavailable
	}
	switch {
	case e.noAnswer:
		return ErrUnavailable
	case e.Code == "": // a proxy's 404 says nothing about a key
		return nil
	case e.Status == 0:
		return ErrValidation
	}
	return map[int]error{
		http.StatusNotFound:            ErrNotFound,
		http.StatusConflict:            ErrConflict,
		http.StatusGone:                ErrGone,
		http.StatusPreconditionFailed:  ErrPreconditionFailed,
		http.StatusUnprocessableEntity: ErrValidation,
		http.StatusUpgradeRequired:     ErrUpgradeRequired,
	}[e.Status]
}
