package app

import (
	"context"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// readOnly is a store that refuses every change, while it is being copied elsewhere.
type readOnly struct{ keypin.Store }

// Tx refuses.
func (readOnly) Tx(context.Context, func(keypin.Tx) error) error {
	return &keypin.Error{
		Code: keypin.CodeUnavailable, RetryAfter: 10 * time.Second,
		Message: "The service is read-only for a while: nothing can be changed, and keys are checked as always. Try again later.",
	}
}
