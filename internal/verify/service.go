package verify

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

// KeySource finds keys. A keypin.Store is one; so will be a cache in front of it.
type KeySource interface {
	// KeyByHash finds a key of any workspace; CodeNotFound when there is none. The
	// key is not changed by anybody afterwards.
	KeyByHash(ctx context.Context, hash keypin.KeyHash) (*keypin.APIKey, error)
}

// Request asks whether a key may be used.
type Request struct {
	Secret    keypin.Secret
	Workspace *keypin.ID     // whose keys the asker may see; nil = all
	Needed    []keypin.Scope // all of them
	ClientIP  netip.Addr     // zero = unknown
	UserAgent string         // of the client, as it was sent; "" = unknown
	Cost      int            // units to spend of the limit; 0 only looks at it
}

// Options are what a Service is built of.
type Options struct {
	Keys    KeySource
	Limiter keypin.Limiter
	Clock   keypin.Clock
	// DefaultRateLimit, in admissions per 60 s, holds for keys without a limit of
	// their own; nil = none.
	DefaultRateLimit *int
	// Usage is told of every outcome that has a key; nil = nobody is.
	Usage *Usage
	// Unknown is told what a malformed key, or one that is not found, begins with: any
	// text. nil = nobody is.
	Unknown func(prefix string)
}

// Service checks keys. It is safe for concurrent use.
type Service struct {
	options Options
}

// New makes a Service.
func New(options Options) *Service { return &Service{options: options} }

// Verify decides about the key. An error means that nothing could be decided and
// is always CodeUnavailable; nothing was spent then.
func (s *Service) Verify(ctx context.Context, request Request) (Outcome, error) {
	f := facts{workspace: request.Workspace, needed: request.Needed, clientIP: request.ClientIP}
	parsed, ok := token.Parse(request.Secret.Reveal())
	if !ok {
		f.malformed = true
		return s.noted(&request, decide(f), f.now), nil
	}
	key, err := s.find(ctx, parsed.Hash)
	if err != nil {
		return Outcome{}, unavailable(err)
	}
	// Read after the key, so that no key is judged by a time before it was read.
	f.key, f.now = key, s.options.Clock()
	outcome := decide(f)
	if outcome.Code != CodeValid {
		return s.noted(&request, outcome, f.now), nil
	}
	if limit := s.limitOf(key); limit != nil {
		state, admitted, err := s.options.Limiter.Admit(key.ChainID, *limit, request.Cost, f.now)
		if err != nil {
			return Outcome{}, unavailable(err)
		}
		f.limit = &limitAnswer{state: state, admitted: admitted}
		outcome = decide(f)
	}
	return s.noted(&request, outcome, f.now), nil
}

// find is the key with the hash, nil when there is none.
func (s *Service) find(ctx context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	key, err := s.options.Keys.KeyByHash(ctx, hash)
	if keypin.CodeOf(err) == keypin.CodeNotFound {
		key, err = nil, nil
	} else if err == nil && key == nil {
		err = errors.New("the key source returned neither a key nor an error")
	}
	return key, err
}

func (s *Service) limitOf(key *keypin.APIKey) *int {
	if key.RateLimit != nil {
		return key.RateLimit
	}
	return s.options.DefaultRateLimit
}

func unavailable(cause error) error {
	err := keypin.Wrap(keypin.CodeUnavailable, "Keys cannot be checked at the moment.", cause)
	err.RetryAfter = time.Second
	return err
}
