package ratelimit

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	shardCount = 64
	// Every sweepEvery-th question to a shard looks at sweepBatch windows of the
	// shard whose turn it is. Chains are spread evenly over the shards, so that
	// four windows are looked at for every one that can be added.
	sweepEvery = 16
	sweepBatch = 64
	// compactFrom is the capacity from which a shard gives memory back.
	compactFrom = 64
)

var _ keypin.Limiter = (*Memory)(nil)

// Memory is the keypin.Limiter of a single node. It is safe for concurrent use and
// returns no error. A chain that nobody asked about for 60 s costs nothing any more:
// the questions about others sweep it away.
type Memory struct {
	start  time.Time
	seed   maphash.Seed
	shards [shardCount]shard
}

// shard holds part of the chains, each under one lock.
type shard struct {
	mu     sync.Mutex
	index  map[keypin.ID]uint32 // into slots
	slots  []slot               // dense, in no order
	cursor int                  // the slot that the next sweep looks at first
	latest time.Duration        // the latest time seen: what a sweep forgot stays past
	asked  uint
}

type slot struct {
	chain  keypin.ID
	window Window
}

// NewMemory makes a limiter. Times are counted from start; it and the times given
// to Admit should carry Go's monotonic reading, as time.Now's do, so that a step of
// the wall clock neither refills nor freezes a limit.
func NewMemory(start time.Time) *Memory {
	return &Memory{start: start, seed: maphash.MakeSeed()}
}

// Admit implements keypin.Limiter.
func (m *Memory) Admit(_ context.Context, ask keypin.Admission, now time.Time) (keypin.RateLimit, bool, error) {
	hash := maphash.Bytes(m.seed, ask.Chain[:])
	s := &m.shards[hash%shardCount]
	d, at, sweep := s.admit(ask, now.Sub(m.start))
	if sweep >= 0 {
		m.shards[sweep].sweep(at)
	}
	return keypin.RateLimit{
		Limit:      ask.Limit,
		Remaining:  d.Remaining,
		ResetAt:    now.Add(d.Reset).Round(0),
		RetryAfter: d.RetryAfter,
	}, d.Admitted, nil
}

// admit decides, and tells the time that it took for now and which shard is to be
// swept (-1 for none).
func (s *shard) admit(ask keypin.Admission, now time.Duration) (d Decision, at time.Duration, sweep int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = max(s.latest, now)
	if i, ok := s.index[ask.Chain]; ok {
		d = s.slots[i].window.Lease(s.latest, ask.Limit, ask.Cost, ask.Hold)
	} else {
		var w Window
		d = w.Lease(s.latest, ask.Limit, ask.Cost, ask.Hold)
		if w.n > 0 { // one that only asks, or is refused, leaves nothing behind
			if s.index == nil {
				s.index = make(map[keypin.ID]uint32)
			}
			s.index[ask.Chain] = uint32(len(s.slots))
			s.slots = append(s.slots, slot{ask.Chain, w})
		}
	}
	sweep = -1
	if s.asked++; s.asked%sweepEvery == 0 {
		sweep = int(s.asked / sweepEvery % shardCount)
	}
	return d, s.latest, sweep
}

// sweep looks at the next few windows and forgets those that are idle.
func (s *shard) sweep(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = max(s.latest, now)
	for range min(sweepBatch, len(s.slots)) {
		if s.cursor >= len(s.slots) {
			s.cursor = 0
		}
		if !s.slots[s.cursor].window.idle(s.latest) {
			s.cursor++
			continue
		}
		s.forget(s.cursor)
	}
	s.compact()
}

// forget removes a slot; the last one takes its place.
func (s *shard) forget(i int) {
	last := len(s.slots) - 1
	delete(s.index, s.slots[i].chain)
	if i != last {
		s.slots[i] = s.slots[last]
		s.index[s.slots[i].chain] = uint32(i)
	}
	s.slots[last] = slot{}
	s.slots = s.slots[:last]
}

// compact gives memory back once three quarters of it are unused; a map keeps what
// it had at its largest, so both are made anew.
func (s *shard) compact() {
	if cap(s.slots) < compactFrom || len(s.slots) > cap(s.slots)/4 {
		return
	}
	slots := make([]slot, len(s.slots), 2*len(s.slots))
	copy(slots, s.slots)
	index := make(map[keypin.ID]uint32, len(slots))
	for i := range slots {
		index[slots[i].chain] = uint32(i)
	}
	s.slots, s.index = slots, index
}
