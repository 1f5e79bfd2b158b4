package shared

import "sync/atomic"

// Stats are plain numbers since the start, for telemetry.
type Stats struct {
	// How many of the 256 parts of the chains are decided by Redis now, by Redis and by
	// WithoutRedis (it may have lost what was admitted), or by WithoutRedis alone.
	Shared, Doubted, Without int

	Calls  uint64 // to Redis, for requests
	Probes uint64 // to Redis, one for each part of the chains that was looked at
	Errors uint64 // of both
	Losses uint64 // times that an epoch ended: emptied, restarted, another server

	Admitted    uint64 // by Redis, or from what was leased from it
	Refused     uint64 // by Redis, or by a refusal of it that was remembered
	RefusedHere uint64 // those of Refused for which Redis was not asked

	LocalAdmitted, LocalRefused uint64 // by the node's share
	Denied                      uint64 // for want of Redis
	Allowed                     uint64 // for want of Redis

	// Units that were leased, and what became of them. Those that are in none of the last
	// three are held now.
	LeaseTaken, LeaseSpent, LeaseReturned, LeaseLapsed uint64
}

type counts struct {
	calls, probes, errors, losses                atomic.Uint64
	admitted, refused, refusedHere               atomic.Uint64
	localAdmitted, localRefused, denied, allowed atomic.Uint64
	taken, spent, returned, lapsed               atomic.Uint64
}

// Stats tells the state and what has happened.
func (l *Limiter) Stats() Stats {
	c := &l.counts
	s := Stats{
		Calls: c.calls.Load(), Probes: c.probes.Load(), Errors: c.errors.Load(), Losses: c.losses.Load(),
		Admitted: c.admitted.Load(), Refused: c.refused.Load(), RefusedHere: c.refusedHere.Load(),
		LocalAdmitted: c.localAdmitted.Load(), LocalRefused: c.localRefused.Load(),
		Denied: c.denied.Load(), Allowed: c.allowed.Load(),
		LeaseTaken: c.taken.Load(), LeaseSpent: c.spent.Load(), LeaseReturned: c.returned.Load(), LeaseLapsed: c.lapsed.Load(),
	}
	now := l.options.Clock()
	for i := range l.buckets {
		switch b := &l.buckets[i]; {
		case b.broken.Load():
			s.Without++
		case l.doubts(b, now):
			s.Doubted++
		default:
			s.Shared++
		}
	}
	return s
}

func (c *counts) called(err error) {
	c.calls.Add(1)
	if err != nil {
		c.errors.Add(1)
	}
}

func (c *counts) probed(err error) {
	c.probes.Add(1)
	if err != nil {
		c.errors.Add(1)
	}
}

func (c *counts) decided(admitted bool) {
	if admitted {
		c.admitted.Add(1)
	} else {
		c.refused.Add(1)
	}
}

func (c *counts) shared(admitted bool) {
	if admitted {
		c.localAdmitted.Add(1)
	} else {
		c.localRefused.Add(1)
	}
}
