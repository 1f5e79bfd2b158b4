package verify

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
)

// Request asks whether a key may be used.
type Request struct {
	Secret    keypin.Secret
	Workspace *keypin.ID     // whose keys the asker may see; nil = all
	Needed    []keypin.Scope // all of them
	ClientIP  netip.Addr     // zero = unknown
	UserAgent string         // of the client, as it was sent; "" = unknown
	Cost      int            // units to spend of the limit; 0 only looks at it
	At        time.Time      // the present, read after the request has come; zero = read it
	// Hold is how much later than now the units may be spent, 0 to keypin.MaxHold.
	Hold time.Duration
}

// Options are what a Service is built of.
type Options struct {
	Keys    *Cache
	Limiter keypin.Limiter
	// DefaultRateLimit, in admissions per 60 s, holds for keys without a limit of
	// their own; 0 = none.
	DefaultRateLimit int
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
func (s *Service) Verify(ctx context.Context, request *Request) (Outcome, error) {
	f := facts{workspace: request.Workspace, needed: request.Needed, clientIP: request.ClientIP}
	hash, ok := token.Hash(request.Secret.Reveal())
	if !ok {
		f.malformed = true
		return s.noted(ctx, request, decide(&f), f.now), nil
	}
	if request.At.IsZero() {
		request.At = s.options.Keys.options.Clock()
	}
	found, known := s.options.Keys.known(hash, request.At)
	var err error
	switch {
	case known: // by its whole plaintext, so its checksum fits
	case !token.ChecksumFits(request.Secret.Reveal()):
		f.malformed = true
		return s.noted(ctx, request, decide(&f), f.now), nil
	default:
		if found, err = s.options.Keys.ask(ctx, hash, request.At); err != nil {
			return Outcome{}, unavailable(err)
		}
	}
	f.key, f.now = found.Key, found.At
	outcome := decide(&f)
	if limit := s.limitOf(outcome); limit > 0 {
		ask := keypin.Admission{Chain: f.key.ChainID, Limit: limit, Cost: request.Cost, Hold: request.Hold}
		f.limit.asked = true
		f.limit.state, f.limit.admitted, err = s.admit(ctx, ask, f.now)
		if err != nil {
			return Outcome{}, unavailable(err)
		}
		outcome = decide(&f)
	}
	outcome.Stale, outcome.Hash = found.Stale, hash
	return s.noted(ctx, request, outcome, f.now), nil
}

const (
	// patience is how much too early a request may come to be admitted: it waits.
	patience = 50 * time.Millisecond
	// patientBelow is from what limit on nobody waits. A client that calls steadily loses
	// one call for each window that it comes early in, which is 1 % or less of those.
	patientBelow = 100
)

// admit asks the limiter. A client that calls once a second at a limit of 60 comes at the
// very moment when its call of a minute ago stops to count, and a little unevenness of its
// clock, the network or the servers decides. So a request that comes a moment before its
// turn waits for it, and is asked for once more. The limit is as strict as without: the
// instant of an admission may be any between the request and its answer.
func (s *Service) admit(ctx context.Context, ask keypin.Admission, now time.Time) (keypin.RateLimit, bool, error) {
	state, admitted, err := s.options.Limiter.Admit(ctx, ask, now)
	if admitted || err != nil || ask.Limit >= patientBelow || state.RetryAfter > patience {
		return state, admitted, err
	}
	turn := time.NewTimer(state.RetryAfter)
	defer turn.Stop()
	select {
	case <-ctx.Done():
		return state, admitted, err
	case <-turn.C:
		return s.options.Limiter.Admit(ctx, ask, s.options.Keys.options.Clock())
	}
}

// limitOf is the limit that a key that is valid so far has still to pass; 0 = none.
func (s *Service) limitOf(o Outcome) int {
	switch {
	case o.Code != CodeValid:
		return 0
	case o.Key.rateLimit > 0:
		return int(o.Key.rateLimit)
	default:
		return s.options.DefaultRateLimit
	}
}

// GivenUp tells a check that could not be decided because whoever asked went away. Nothing
// failed, and nobody is answered, so it is not to count as an outage.
func GivenUp(ctx context.Context, err error) bool {
	return keypin.CodeOf(err) == keypin.CodeUnavailable && errors.Is(ctx.Err(), context.Canceled)
}

func unavailable(cause error) error {
	err := keypin.Wrap(keypin.CodeUnavailable, "Keys cannot be checked at the moment.", cause)
	err.RetryAfter = time.Second
	return err
}
