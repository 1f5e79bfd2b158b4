package admin

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Options are what a Service is made of.
type Options struct {
	Store       keypin.Store
	Registry    *keypin.Registry
	Invalidator keypin.Invalidator
	// Clock is time.Now when nil.
	Clock keypin.Clock
	// Random is crypto/rand's Reader when nil. It is read by many goroutines at once.
	Random io.Reader
	// Brand begins the prefix of a key whose caller asks for none; "op" when empty.
	Brand string
	// DefaultRateLimit is the limit per minute of a key that has none of its own; 0 =
	// no limit. It tells whether giving such a key a limit narrows or widens it.
	DefaultRateLimit int
}

// Service is the control plane. It is safe for use by many goroutines.
type Service struct {
	store        keypin.Store
	registry     *keypin.Registry
	invalidator  keypin.Invalidator
	clock        keypin.Clock
	random       io.Reader
	brand        string
	defaultLimit int
	flights      flights
	signedIn     signedIn
}

// New makes a Service.
func New(o Options) *Service {
	s := &Service{
		store: o.Store, registry: o.Registry, invalidator: o.Invalidator,
		clock: o.Clock, random: o.Random, brand: o.Brand, defaultLimit: o.DefaultRateLimit,
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.brand == "" {
		s.brand = "op"
	}
	return s
}

const (
	// attempts bounds how often a use case starts again because another request
	// made what it was about to make.
	attempts = 8
	// invalidationTimeout bounds how long an answer waits for the caches.
	invalidationTimeout = 5 * time.Second
)

func (s *Service) now() time.Time { return keypin.Timestamp(s.clock()) }

func (s *Service) newID(now time.Time) (keypin.ID, error) {
	id, err := keypin.NewID(now, s.random)
	if err != nil {
		return keypin.ID{}, noRandom(err)
	}
	return id, nil
}

func noRandom(cause error) error {
	return keypin.Wrap(keypin.CodeInternal, "Something went wrong.", cause)
}

func busy(cause error) error {
	return &keypin.Error{
		Code: keypin.CodeUnavailable, Message: "The service is busy; try again.",
		Cause: cause, RetryAfter: time.Second,
	}
}

// change runs do in one transaction with the access that the caller has in it.
// First sights are settled before. do may be run more than once.
func (s *Service) change(ctx context.Context, call Call, do func(keypin.Tx, *access) error) error {
	for range attempts {
		err := s.store.Tx(ctx, func(tx keypin.Tx) error {
			a, err := s.resolve(ctx, tx, call, s.now())
			if err != nil {
				return err
			}
			if err := s.recheckKey(ctx, tx, call, a); err != nil {
				return err
			}
			if err := a.touch(ctx, tx); err != nil {
				return err
			}
			return do(tx, a)
		})
		if !errors.Is(err, errUnsettled) {
			return err
		}
		if err := s.settle(ctx, call); err != nil {
			return err
		}
	}
	return busy(errUnsettled)
}

// read finds the access that the caller has now. In the steady state that is two
// look-ups for a session and none for a key.
func (s *Service) read(ctx context.Context, call Call) (*access, error) {
	for range attempts {
		a, err := s.resolve(ctx, s.store, call, s.now())
		if err == nil {
			s.touchLater(ctx, a)
			return a, nil
		}
		if !errors.Is(err, errUnsettled) {
			return nil, err
		}
		if err := s.settle(ctx, call); err != nil {
			return nil, err
		}
	}
	return nil, busy(errUnsettled)
}

// invalidateKeys drops keys from every cache. It does not stop when the caller goes
// away: the change is committed.
func (s *Service) invalidateKeys(ctx context.Context, hashes ...keypin.KeyHash) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), invalidationTimeout)
	defer cancel()
	return notInvalidated(s.invalidator.InvalidateKeys(ctx, hashes))
}

func (s *Service) invalidateWorkspace(ctx context.Context, workspace keypin.ID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), invalidationTimeout)
	defer cancel()
	return notInvalidated(s.invalidator.InvalidateWorkspace(ctx, workspace))
}

func notInvalidated(err error) error {
	if err == nil {
		return nil
	}
	return &keypin.Error{
		Code:    keypin.CodeUnavailable,
		Message: "The change is made, but not every node is known to have it yet; ask again to be sure.",
		Cause:   err, RetryAfter: time.Second,
	}
}
