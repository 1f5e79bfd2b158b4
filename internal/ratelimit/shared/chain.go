package shared

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	// leaseHold is for how long units are leased: a quarter of 1 % of the window in which
	// they count, which is what a client that calls steadily at its limit may lose by it.
	leaseHold = 150 * time.Millisecond
	// leaseAim is in how much time a lease should be used up at the rate of late.
	leaseAim = 100 * time.Millisecond
	// leaseShare bounds a lease to this part of the limit, for all nodes together.
	leaseShare = 32
	// refusalHold bounds for how long a refusal is remembered: another node may give
	// back what it did not use before the oldest unit leaves.
	refusalHold = 100 * time.Millisecond
	// rateSpan is over how much time the rate is measured; after rateMemory without a
	// question it is forgotten.
	rateSpan   = 50 * time.Millisecond
	rateMemory = 500 * time.Millisecond
	// maxTogether is the highest cost for which requests ask together.
	maxTogether = 16

	chainShards = 64
	idleAfter   = 2 * time.Second
)

// chains are those that were asked about lately.
type chains struct {
	seed   maphash.Seed
	shards [chainShards]chainShard
}

type chainShard struct {
	mu    sync.Mutex
	known map[keypin.ID]*chain
}

// chain is what this node holds and knows of one chain's limit. Instants are counted from
// Limiter.start.
type chain struct {
	id keypin.ID

	mu        sync.Mutex
	forgotten bool // who finds it so looks the chain up again
	last      time.Duration

	// The lease.
	left      int
	until     time.Duration // when the request came that may still be served, by the clock that measures
	untilWall int64         // and by the clock on the wall, which goes on while a machine sleeps
	losses    uint64        // as when it was taken: it is worth nothing after another
	entry     int64
	epoch     string

	// What Redis said at the last call.
	remaining int // besides the lease
	reset     time.Duration
	refused   refusal

	rate    rate
	flight  *flight
	waiting int // units that wait for the flight's end
}

// refusal is remembered for a moment, so that a flood of requests does not reach Redis.
type refusal struct {
	limit, cost int           // that limit or a lower one; that cost
	until       time.Duration // for how long it is remembered
	retry       time.Duration // when the cost fits
	losses      uint64
}

// flight is a call to Redis that several requests wait for.
type flight struct {
	done     chan struct{}
	err      error
	decision decision // for who began it
}

func (c *chains) init() {
	c.seed = maphash.MakeSeed()
	for i := range c.shards {
		c.shards[i].known = make(map[keypin.ID]*chain)
	}
}

// locked is the chain, locked.
func (c *chains) locked(id keypin.ID) *chain {
	s := &c.shards[maphash.Bytes(c.seed, id[:])%chainShards]
	for {
		s.mu.Lock()
		found := s.known[id]
		if found == nil {
			found = &chain{id: id}
			s.known[id] = found
		}
		s.mu.Unlock()
		found.mu.Lock()
		if !found.forgotten {
			return found
		}
		found.mu.Unlock()
	}
}

// sweep forgets the chains that nobody asks about any more.
func (c *chains) sweep(l *Limiter) {
	now := l.now()
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		for id, known := range s.known {
			if !known.mu.TryLock() {
				continue // it is in use
			}
			if known.flight == nil && known.waiting == 0 && now-known.last > idleAfter {
				known.forgotten = true
				l.counts.lapsed.Add(uint64(known.left))
				delete(s.known, id)
			}
			known.mu.Unlock()
		}
		s.mu.Unlock()
	}
}

// askTogether decides from what this node has leased, or asks Redis together with the
// other requests for the chain: one call is under way at a time.
func (l *Limiter) askTogether(ctx context.Context, b *bucket, ask keypin.Admission, now time.Duration, wall int64) (decision, error) {
	c := l.chains.locked(ask.Chain)
	c.last = max(c.last, now)
	c.rate.count(now, ask.Cost)
	for {
		if d, ok := c.decide(l, ask, now, wall); ok {
			c.mu.Unlock()
			return d, nil
		}
		f := c.flight
		first := f == nil
		if first {
			f = c.fly(context.WithoutCancel(ctx), l, b, ask)
		} else {
			c.waiting += ask.Cost
		}
		c.mu.Unlock()
		var err error
		select {
		case <-f.done:
			err = f.err
		case <-ctx.Done():
			err = ctx.Err()
		}
		if first {
			return f.outcome(err)
		}
		c.mu.Lock()
		c.waiting -= ask.Cost
		if err != nil {
			c.mu.Unlock()
			return decision{}, err
		}
	}
}

func (f *flight) outcome(err error) (decision, error) {
	if err != nil {
		return decision{}, err
	}
	return f.decision, nil
}

// decide decides without asking, if that is possible. c.mu is held.
//
// A request that came before the lease's end may be served from it after that, since the
// instant of its admission may be any from its coming to its answer.
func (c *chain) decide(l *Limiter, ask keypin.Admission, now time.Duration, wall int64) (decision, bool) {
	losses := l.losses.Load()
	if c.left >= ask.Cost && now < c.until && wall < c.untilWall && c.losses == losses {
		c.left -= ask.Cost
		l.counts.spent.Add(uint64(ask.Cost))
		return decision{admitted: true, remaining: c.remaining + c.left, reset: c.reset}, true
	}
	r := &c.refused
	if now < r.until && ask.Cost == r.cost && ask.Limit <= r.limit && r.losses == losses {
		l.counts.refusedHere.Add(1)
		return decision{remaining: c.remaining, reset: c.reset, retry: max(r.retry, now)}, true
	}
	return decision{}, false
}

// fly asks Redis for what ask costs, for those who wait, and for a lease. c.mu is held.
func (c *chain) fly(ctx context.Context, l *Limiter, b *bucket, ask keypin.Admission) *flight {
	q := &question{
		chain: c.id, limit: ask.Limit, need: ask.Cost, holdMore: leaseHold,
		want: ask.Cost + c.waiting + c.rate.lease(ask.Limit, l.options.Nodes()),
	}
	if c.losses == l.losses.Load() {
		q.back, q.backOf, q.backFrom = c.left, c.entry, c.epoch
	} else {
		l.counts.lapsed.Add(uint64(c.left))
	}
	c.left = 0
	f := &flight{done: make(chan struct{})}
	c.flight = f
	wall := l.options.Clock().UnixNano()
	go func() {
		defer close(f.done)
		r, err := l.call(ctx, b, q)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.flight = nil
		if f.err = err; err != nil {
			l.counts.lapsed.Add(uint64(q.back))
			return
		}
		l.counts.returned.Add(uint64(q.back))
		f.decision = c.learn(l, q, &r, wall)
	}()
	return f
}

// learn takes what Redis said. c.mu is held.
func (c *chain) learn(l *Limiter, q *question, r *reply, wall int64) decision {
	c.remaining, c.reset = r.remaining, r.heard+r.reset
	d := decision{admitted: r.given > 0, remaining: r.remaining, reset: c.reset}
	if r.given > q.need {
		c.left = r.given - q.need
		c.until, c.untilWall = r.sent+q.holdMore, wall+int64(q.holdMore)
		c.losses, c.entry, c.epoch = r.losses, r.entry, r.epoch
		d.remaining += c.left
		l.counts.taken.Add(uint64(c.left))
	}
	if r.wait > 0 {
		d.retry = r.heard + r.wait
		c.refused = refusal{limit: q.limit, cost: q.need, until: r.heard + min(r.wait, refusalHold), retry: d.retry, losses: r.losses}
	} else {
		c.refused = refusal{}
	}
	return d
}

// rate measures how many units of a chain are asked for.
type rate struct {
	since     time.Duration
	asked     int
	perSecond float64
}

// count notes a question.
func (r *rate) count(now time.Duration, cost int) {
	switch took := now - r.since; {
	case took >= rateMemory:
		*r = rate{since: now}
	case took >= rateSpan:
		of := float64(r.asked) / took.Seconds()
		if r.perSecond > 0 {
			of = (of + r.perSecond) / 2
		}
		*r = rate{since: now, perSecond: of}
	}
	r.asked += cost
}

// lease is how many units to take for later: as many as are used in leaseAim, but never
// more than a part of the limit, so that the other nodes are not left without. One is
// not worth it.
func (r *rate) lease(limit, nodes int) int {
	n := min(int(r.perSecond*leaseAim.Seconds()), limit/(leaseShare*max(nodes, 1)))
	if n < 2 {
		return 0
	}
	return n
}
