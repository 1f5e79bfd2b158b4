package shared

import (
	"context"
	"errors"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

var (
	errDenied  = errors.New("Redis does not know what was admitted, and rate_limits_without_redis is deny")
	errNoShare = errors.New("Redis does not answer, and the limit is lower than the number of nodes")
)

// without decides while Redis does not answer.
func (l *Limiter) without(ctx context.Context, ask keypin.Admission, now time.Time) (keypin.RateLimit, bool, error) {
	switch l.options.WithoutRedis {
	case Deny:
		l.counts.denied.Add(1)
		return keypin.RateLimit{}, false, unavailable(errDenied)
	case Allow:
		l.counts.allowed.Add(1)
		return keypin.RateLimit{Limit: ask.Limit, Remaining: max(ask.Limit-ask.Cost, 0), ResetAt: now.Round(0)}, true, nil
	case Local:
	}
	share := l.share(ask.Limit)
	if share == 0 && ask.Limit > 0 {
		l.counts.denied.Add(1)
		return keypin.RateLimit{}, false, unavailable(errNoShare)
	}
	return l.byShare(ctx, ask, share, now)
}

// doubting decides while Redis answers but may not know all that was admitted.
//
// In Local both must admit: the node's share, which holds over the time without Redis,
// and Redis' window, which holds from its beginning. A node that has no share admitted
// nothing meanwhile, so that Redis alone may decide.
func (l *Limiter) doubting(ctx context.Context, b *bucket, ask keypin.Admission, now time.Time) (keypin.RateLimit, bool, error) {
	if l.options.WithoutRedis == Deny {
		return l.without(ctx, ask, now)
	}
	mine := keypin.RateLimit{Limit: ask.Limit, Remaining: ask.Limit}
	share := l.share(ask.Limit)
	if share > 0 {
		var ok bool
		var err error
		// First, so that who is over the share does not cost Redis anything.
		if mine, ok, err = l.byShare(ctx, ask, share, now); err != nil || !ok {
			return mine, ok, err
		}
	}
	state, ok, err := l.ask(ctx, b, ask, now)
	switch {
	case errors.Is(err, errWithout) && share > 0:
		return mine, true, nil
	case errors.Is(err, errWithout):
		return l.without(ctx, ask, now)
	case err != nil:
		return keypin.RateLimit{}, false, unavailable(err)
	}
	state.Remaining = min(state.Remaining, mine.Remaining)
	return state, ok, nil
}

// within decides about what Redis has admitted when its answer told of a loss.
func (l *Limiter) within(ctx context.Context, ask keypin.Admission, state keypin.RateLimit, now time.Time) (keypin.RateLimit, bool, error) {
	if l.options.WithoutRedis == Local && l.share(ask.Limit) == 0 {
		return state, true, nil
	}
	return l.without(ctx, ask, now)
}

// byShare decides by the node's share of the limit.
func (l *Limiter) byShare(ctx context.Context, ask keypin.Admission, share int, now time.Time) (keypin.RateLimit, bool, error) {
	limit := ask.Limit
	ask.Limit = share
	state, ok, err := l.options.Local.Admit(ctx, ask, now)
	state.Limit = limit
	l.counts.shared(ok)
	return state, ok, err
}

// share is what each node may admit, so that all together do not exceed the limit.
func (l *Limiter) share(limit int) int { return limit / max(l.options.Nodes(), 1) }
