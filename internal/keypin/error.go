package keypin

import (
	"errors"
	"fmt"
	"time"
)

// Code is the stable, machine-readable name of an error. Clients switch on it.
type Code string

// The codes, in the order of the statuses they are answered with.
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

// Detail is one fault of a request: the field by its JSON path (`body.name`,
// `query.limit`, `path.key_id`, `header.X-Workspace-Id`) and what would be right.
// Neither ever holds a value that the caller sent.
type Detail struct {
	Field   string
	Message string
}

// Error is the one error type that crosses package borders. Message and Details
// are for the caller; Cause is for the log and is never shown.
type Error struct {
	Code    Code
	Message string
	Details []Detail
	Cause   error

	// NoCredentials marks a 401 of a request that presented none (RFC 6750
	// section 3.1: its challenge carries no error code).
	NoCredentials bool
	// Needed are the scopes that an insufficient_scope error asks for.
	Needed []Scope
	// RateLimit is the state of the caller's limit, set with rate_limited.
	RateLimit *RateLimit
	// RetryAfter says when to come back; zero says nothing.
	RetryAfter time.Duration
}

// E makes an Error with a public message.
func E(code Code, message string) *Error { return &Error{Code: code, Message: message} }

// Wrap makes an Error whose cause is kept for the log.
func Wrap(code Code, message string, cause error) *Error {
	return &Error{Code: code, Message: message, Cause: cause}
}

// Error is for logs and tests: the code, the public message and the cause.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	for _, d := range e.Details {
		s += fmt.Sprintf("; %s: %s", d.Field, d.Message)
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// CodeOf is the code of the first Error in err's chain, and CodeInternal for any
// other error. It is "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}

// NotFound is the answer for a thing that does not exist or belongs to another
// workspace. It is the same to the byte in both cases.
func NotFound() *Error { return E(CodeNotFound, "There is no such thing in this workspace.") }

// Faults collects everything that is wrong with a request, so that one answer
// can name it all.
type Faults []Detail

// Add notes one fault.
func (f *Faults) Add(field, message string) { *f = append(*f, Detail{Field: field, Message: message}) }

// Err is nil when nothing was added.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return &Error{Code: CodeValidation, Message: "The request is not valid.", Details: f}
}
