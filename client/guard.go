package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Guard checks API keys in your process. The first request with a key asks the service;
// from then on the key is checked here, without the network, because the Guard follows
// the stream of what changes. Make one with [NewGuard], keep it, and [Guard.Close] it.
//
// # When a key is revoked
//
// Once a revocation, suspension, rotation without grace or narrowing has been answered
// by the service, no request that arrives here more than 1 s later is let through on the
// old state, whatever fails. A Guard that cannot prove that its memory is fresh asks; and
// when it cannot ask, it refuses with 503. The proof, step by step:
//
//  1. The service tells a change on the stream before it answers it.
//  2. Every 0.2 s the stream says: as of the instant s of the service's own clock, you
//     have been told everything. Where it broke off, a new one resumes; where that is not
//     possible, the Guard forgets everything.
//  3. The Guard reads its clock before it connects (t0), and the service's first event
//     tells the service's clock at some instant after that (s0). So the instant s was no
//     earlier here than t0 + (s - s0), but for what the two clocks drift apart in the life
//     of a stream, a minute, for which 1 part in 1000 is taken off. How long an event was
//     under way, or lay in a buffer, does not matter.
//  4. The Guard trusts its memory until 1 s after that instant, no longer.
//
// A process that is stopped, or a machine that is suspended, finds its memory too old when
// it wakes up: the clock on the wall is looked at beside the one that measures, and the
// earlier end counts. A virtual machine whose clocks are both stopped and not set right
// before it goes on would not notice.
//
// # Limits
//
// A key with a limit needs an admission for every request, counted by the service over
// all who check it. The Guard takes them a few at a time, as many as the key has lately
// used in 0.15 s; they count for the limit from when they are taken until 60 s after they
// may last be used (0.25 s later), so the limit is never exceeded. Keys with a limit
// below 480 a minute, 2 in 0.25 s, take one at a time: one call to the service for each
// request. A key that has reached its limit is refused here until it may try again.
type Guard struct {
	c       *Client
	options guardOptions
	keys    *otter.Cache[[32]byte, *guardedKey]
	unknown *otter.Cache[[32]byte, time.Time] // no such key; until when that is believed
	shards  [guardShards]guardShard
	trust   atomic.Pointer[time.Time] // until when the memory is fresh, by both clocks
	epoch   atomic.Pointer[string]    // of the stream that is followed

	// wall reads the clock on the wall out of a time; else than UnixNano in tests only.
	wall func(time.Time) int64

	reports reports
	stop    context.CancelFunc
	done    sync.WaitGroup
}

const (
	guardShards = 64
	// askWithin bounds a question to the service.
	askWithin = 5 * time.Second
	// unknownFor is how long it is believed that there is no such key, and maxUnknown of
	// how many, so that a flood of them evicts nothing useful.
	unknownFor = 5 * time.Second
	maxUnknown = 1 << 12

	defaultGuardedKeys = 100_000
)

// guardShard orders what is remembered of a part of the keys and what is to be forgotten.
type guardShard struct {
	mu sync.Mutex
	// changes counts what was told to be forgotten: an answer that was asked for before
	// is not remembered.
	changes uint64
}

// guardOptions are what a GuardOption changes.
type guardOptions struct {
	maxKeys  int
	clientIP func(*http.Request) netip.Addr
	refuse   func(http.ResponseWriter, *http.Request, *Refusal)
	logger   *slog.Logger
}

// GuardOption changes what [NewGuard] makes.
type GuardOption func(*guardOptions) error

// WithMaxKeys bounds how many keys are remembered; default 100,000.
func WithMaxKeys(n int) GuardOption {
	return func(o *guardOptions) error {
		if n < 1 {
			return errors.New("WithMaxKeys: must be 1 or more")
		}
		o.maxKeys = n
		return nil
	}
}

// WithClientIP says where a request comes from, for keys with allowed_ips. The default is
// the connection's other end, which behind a proxy is the proxy.
func WithClientIP(of func(*http.Request) netip.Addr) GuardOption {
	return func(o *guardOptions) error {
		if of == nil {
			return errors.New("WithClientIP: must not be nil")
		}
		o.clientIP = of
		return nil
	}
}

// WithRefusal answers the requests that are refused, in place of [WriteRefusal].
func WithRefusal(refuse func(http.ResponseWriter, *http.Request, *Refusal)) GuardOption {
	return func(o *guardOptions) error {
		if refuse == nil {
			return errors.New("WithRefusal: must not be nil")
		}
		o.refuse = refuse
		return nil
	}
}

// WithGuardLogger tells of streams that break and reports that fail; default nobody. No
// key is ever logged.
func WithGuardLogger(logger *slog.Logger) GuardOption {
	return func(o *guardOptions) error {
		if logger == nil {
			return errors.New("WithGuardLogger: must not be nil")
		}
		o.logger = logger
		return nil
	}
}

// NewGuard makes a Guard that asks c, a client of the service's data listener, with its
// data token as WithToken if one is set. It begins to follow the stream and does not wait
// for it: until it is there, every check asks.
func NewGuard(c *Client, options ...GuardOption) (*Guard, error) {
	g := &Guard{c: c, wall: time.Time.UnixNano, options: guardOptions{
		maxKeys: defaultGuardedKeys, clientIP: peerAddr, refuse: WriteRefusal, logger: slog.New(slog.DiscardHandler),
	}}
	for _, option := range options {
		if err := option(&g.options); err != nil {
			return nil, fmt.Errorf("keypin: %w", err)
		}
	}
	var err error
	if g.keys, err = otter.New(&otter.Options[[32]byte, *guardedKey]{
		MaximumSize: g.options.maxKeys,
		OnDeletion:  func(e otter.DeletionEvent[[32]byte, *guardedKey]) { g.reports.collect(e.Key, e.Value) },
	}); err != nil {
		return nil, fmt.Errorf("keypin: %w", err)
	}
	if g.unknown, err = otter.New(&otter.Options[[32]byte, time.Time]{MaximumSize: maxUnknown}); err != nil {
		return nil, fmt.Errorf("keypin: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	g.stop = stop
	g.done.Go(func() { g.follow(ctx) })
	g.done.Go(func() { g.reportUses(ctx) })
	return g, nil
}

// Close stops following the stream and reports what was used since the last report. The
// Guard must not be used afterwards.
func (g *Guard) Close() {
	g.stop()
	g.done.Wait()
	g.trust.Store(nil)
}

// Fresh reports whether keys are checked from memory now. It is false while the stream is
// not there, and every check asks the service.
func (g *Guard) Fresh() bool { return g.fresh(g.c.now()) }

func (g *Guard) fresh(now time.Time) bool {
	until := g.trust.Load()
	// Both clocks: the one that measures may have stood still while the machine did.
	return until != nil && now.Before(*until) && g.wall(now) < until.UnixNano()
}
