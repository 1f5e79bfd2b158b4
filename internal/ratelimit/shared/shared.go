package shared

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/keypin/keypin/internal/keypin"
)

// Mode is what a node does about limits while Redis cannot tell what was admitted.
type Mode string

// The modes. The package's documentation says what holds in each.
const (
	// Local lets each node enforce the limit divided by the number of nodes.
	Local Mode = "local"
	// Deny refuses every key that has a limit.
	Deny Mode = "deny"
	// Allow admits whatever Redis cannot be asked about.
	Allow Mode = "allow"
)

const (
	windowLength = 60 * time.Second
	// memory is for how long an admission counts at most: those of which nobody knows any
	// more are out of every window after it.
	memory = windowLength + keypin.MaxHold
)

// Options are what a Limiter is made of.
type Options struct {
	URL          keypin.Secret
	WithoutRedis Mode       // "" = Local
	Nodes        func() int // how many share a limit in Local; nil = 1
	Clock        keypin.Clock
	Random       io.Reader
	Logger       *slog.Logger
	Local        keypin.Limiter // what enforces a node's share in Local
	Hooks        []redis.Hook   // for tracing
}

var _ keypin.Limiter = (*Limiter)(nil)

// Limiter is the keypin.Limiter of many nodes. It is safe for concurrent use.
type Limiter struct {
	options Options
	client  redis.UniversalClient
	start   time.Time
	buckets [bucketCount]bucket
	chains  chains
	losses  atomic.Uint64 // a lease that was taken before one is worth nothing
	all     atomic.Bool   // the next probe is to look at every bucket
	counts  counts

	stop context.CancelFunc
	done sync.WaitGroup

	// serverTime is the time that the script takes for its own, in tests only; nil = the
	// server's own clock.
	serverTime func() string
}

// Open connects to Redis and begins to watch over it. It refuses a server that cannot
// keep the limit; the error names the setting and the remedy.
func Open(ctx context.Context, options Options) (*Limiter, error) {
	l, err := connect(ctx, options, nil)
	if err != nil {
		return nil, err
	}
	watch, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.done.Go(func() { l.watch(watch) })
	return l, nil
}

// connect is Open without the watching. serverTime is for tests.
func connect(ctx context.Context, options Options, serverTime func() string) (*Limiter, error) {
	switch options.WithoutRedis {
	case "":
		options.WithoutRedis = Local
	case Local, Deny, Allow:
	default:
		return nil, errors.New("rate_limits_without_redis: must be local, deny or allow")
	}
	if options.Nodes == nil {
		options.Nodes = func() int { return 1 }
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Limiter{options: options, start: options.Clock(), serverTime: serverTime}
	l.chains.init()
	var err error
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	if l.client, err = dial(ctx, options); err != nil {
		return nil, err
	}
	if err := l.begin(ctx); err != nil {
		return nil, errors.Join(err, l.client.Close())
	}
	return l, nil
}

// Close ends the watching and the connections. What was leased lapses.
func (l *Limiter) Close() error {
	if l.stop != nil {
		l.stop()
	}
	l.done.Wait()
	return l.client.Close()
}

// Ping asks whether Redis answers. A failure concerns nobody but the asker.
func (l *Limiter) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := l.client.Ping(ctx).Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// Admit implements keypin.Limiter. now is read after the request has come: the instant
// of its admission lies between then and the answer.
func (l *Limiter) Admit(ctx context.Context, ask keypin.Admission, now time.Time) (keypin.RateLimit, bool, error) {
	ask.Limit = min(max(ask.Limit, 0), keypin.MaxRateLimit)
	ask.Cost, ask.Hold = max(ask.Cost, 0), min(max(ask.Hold, 0), keypin.MaxHold)
	b := &l.buckets[bucketOf(ask.Chain)]
	if b.broken.Load() {
		return l.without(ctx, ask, now)
	}
	if l.doubts(b, now) {
		return l.doubting(ctx, b, ask, now)
	}
	state, ok, err := l.ask(ctx, b, ask, now)
	switch {
	case errors.Is(err, errWithout):
		return l.without(ctx, ask, now)
	case err != nil:
		return keypin.RateLimit{}, false, unavailable(err)
	case ok && l.doubts(b, now): // the answer itself told of a loss
		return l.within(ctx, ask, state, now)
	}
	return state, ok, nil
}

// doubts reports whether Redis' answer alone does not decide.
func (l *Limiter) doubts(b *bucket, now time.Time) bool {
	return l.options.WithoutRedis != Allow && int64(now.Sub(l.start)) < b.doubted.Load()
}

// ask lets Redis decide, or what was leased from it. The error is errWithout, or the end
// of ctx.
func (l *Limiter) ask(ctx context.Context, b *bucket, ask keypin.Admission, now time.Time) (keypin.RateLimit, bool, error) {
	var d decision
	var err error
	if ask.Hold > 0 || ask.Cost == 0 || ask.Cost > maxTogether {
		d, err = l.askAlone(ctx, b, ask)
	} else {
		d, err = l.askTogether(ctx, b, ask, now.Sub(l.start), now.UnixNano())
	}
	if err != nil {
		return keypin.RateLimit{}, false, err
	}
	l.counts.decided(d.admitted)
	state := keypin.RateLimit{Limit: ask.Limit, Remaining: min(d.remaining, ask.Limit), ResetAt: now.Round(0)}
	if reset := d.reset - now.Sub(l.start); reset > 0 {
		state.ResetAt = now.Add(min(reset, windowLength)).Round(0)
	}
	if !d.admitted {
		state.RetryAfter = min(max(d.retry-now.Sub(l.start), time.Millisecond), windowLength)
	}
	return state, d.admitted, nil
}

// decision is what became of one question. Instants are counted from Limiter.start.
type decision struct {
	admitted  bool
	remaining int
	reset     time.Duration // when the oldest counted unit leaves
	retry     time.Duration // when the refused cost fits
}

// askAlone asks Redis about this request only.
func (l *Limiter) askAlone(ctx context.Context, b *bucket, ask keypin.Admission) (decision, error) {
	type outcome struct {
		reply reply
		err   error
	}
	answered := make(chan outcome, 1)
	// The call goes on when the asker does not wait any longer: a connection on which an
	// answer is still to come would be lost.
	go func() {
		r, err := l.call(context.WithoutCancel(ctx), b, &question{chain: ask.Chain, limit: ask.Limit, need: ask.Cost, want: ask.Cost, hold: ask.Hold})
		answered <- outcome{r, err}
	}()
	select {
	case <-ctx.Done():
		return decision{}, ctx.Err()
	case o := <-answered:
		r := &o.reply
		return decision{
			admitted:  ask.Cost == 0 || r.given > 0,
			remaining: r.remaining,
			reset:     r.heard + r.reset,
			retry:     r.heard + r.wait,
		}, o.err
	}
}

func unavailable(cause error) error {
	err := keypin.Wrap(keypin.CodeUnavailable, "Limits cannot be checked at the moment.", cause)
	err.RetryAfter = time.Second
	return err
}
