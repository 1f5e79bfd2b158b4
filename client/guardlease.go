package client

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// leaseHold is for how long admissions are kept: 0.4 % of the window in which they
	// count, so that a client that calls steadily at its limit loses no more than that.
	leaseHold = 250 * time.Millisecond
	// leaseAim is in how much time those that are taken should be used up. What is left
	// of leaseHold is for those who call less steadily; admissions that are not used are lost.
	leaseAim = 150 * time.Millisecond
	// oneByOne is the limit below which one is taken at a time.
	oneByOne = 480
	maxCost  = 1000 // the service's bound
)

// lease is what a Guard has taken of a key's limit.
type lease struct {
	batch atomic.Pointer[leaseBatch]
	// refusedUntil is when the limit may admit again, by the Guard's clock, in
	// nanoseconds of Unix time; 0 = it is not known to be reached.
	refusedUntil atomic.Int64

	mu    sync.Mutex // held while more is taken
	size  int        // of the latest batch
	taken time.Time  // when that was
}

// leaseBatch is what was taken at once.
type leaseBatch struct {
	left  atomic.Int64
	until time.Time // when what is left lapses
}

// spend takes n admissions, if they are there.
func (l *lease) spend(n int, now time.Time) bool {
	b := l.batch.Load()
	return b != nil && now.Before(b.until) && b.left.Load() >= int64(n) && b.left.Add(-int64(n)) >= 0
}

// refusedFor is for how long the limit is known to be reached; 0 = it is not.
func (l *lease) refusedFor(now time.Time) time.Duration {
	return max(0, time.Duration(l.refusedUntil.Load()-now.UnixNano()))
}

// admit decides about a key that is valid but for its limit.
func (g *Guard) admit(ctx context.Context, hash [32]byte, k *guardedKey, p *check, now time.Time) (*Verification, error) {
	if v := g.admitHere(k, p, now); v != nil {
		return v, nil
	}
	if k.limit < oneByOne || p.cost > 1 {
		v, a, err := g.askFor(ctx, hash, p, p.cost, 0)
		if err == nil && p.cost == 1 {
			k.lease.learn(v, a)
		}
		return v, err
	}
	k.lease.mu.Lock()
	defer k.lease.mu.Unlock()
	now = g.c.now()
	if v := g.admitHere(k, p, now); v != nil { // who held the lock has taken enough
		return v, nil
	}
	return g.refill(ctx, hash, k, p, now)
}

// admitHere decides from what was taken and what is known; nil = the service decides.
func (g *Guard) admitHere(k *guardedKey, p *check, now time.Time) *Verification {
	if k.lease.spend(p.cost, now) {
		k.uses.count(OutcomeValid, now, p)
		return k.answer
	}
	if wait := k.lease.refusedFor(now); wait > 0 {
		k.uses.count(OutcomeRateLimited, now, p)
		v := k.refused(OutcomeRateLimited)
		v.RateLimit = &RateLimit{Limit: k.limit, ResetAt: now.Add(wait)}
		return v
	}
	return nil
}

// refill takes more, of which one is for p. k.lease.mu is held.
func (g *Guard) refill(ctx context.Context, hash [32]byte, k *guardedKey, p *check, now time.Time) (*Verification, error) {
	size := k.lease.next(now, k.limit)
	v, a, err := g.askFor(ctx, hash, p, size, leaseHold)
	if err == nil && v.Code == OutcomeRateLimited && v.RateLimit != nil && v.RateLimit.Remaining > 0 && v.RateLimit.Remaining < size {
		size = v.RateLimit.Remaining
		v, a, err = g.askFor(ctx, hash, p, size, leaseHold)
	}
	if err != nil {
		return nil, err
	}
	k.lease.size, k.lease.taken = size, now
	k.lease.learn(v, a)
	if !v.Valid {
		k.lease.size = 1
		if v.Code == OutcomeRateLimited {
			k.uses.count(v.Code, now, p) // the service does not count questions for more
		}
		return v, nil
	}
	k.uses.count(OutcomeValid, now, p)
	b := &leaseBatch{until: a.sent.Add(leaseHold)}
	b.left.Store(int64(size - 1))
	k.lease.batch.Store(b)
	return v, nil
}

// next is how many to take: as many as are used in leaseAim at the rate at which the
// last were, at most twice those and a fiftieth of the limit.
func (l *lease) next(now time.Time, limit int) int {
	if l.size == 0 {
		return 1
	}
	used := l.size
	if b := l.batch.Load(); b != nil {
		used -= max(0, int(b.left.Load()))
	}
	took := max(now.Sub(l.taken), time.Millisecond)
	n := int(time.Duration(used) * leaseAim / took)
	return max(1, min(n, 2*l.size, limit/50, maxCost))
}

// learn notes when a limit that is reached may admit again.
func (l *lease) learn(v *Verification, a *asked) {
	if v.Code == OutcomeRateLimited && v.RateLimit != nil && v.RateLimit.Remaining == 0 {
		l.refusedUntil.Store(a.until(v.RateLimit.ResetAt).UnixNano())
	}
}
