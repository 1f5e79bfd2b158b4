package verify

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	// flushInterval leaves room for two failed attempts, and for slow ones, before
	// what is shown is more than 60 s behind.
	flushInterval = 10 * time.Second
	// finalFlush bounds the flush at shutdown.
	finalFlush = 5 * time.Second
	// maxPerTx bounds how long one transaction of a flush keeps other writers waiting.
	maxPerTx = 1 << 10
)

// Transactor is the part of a keypin.Store that Usage needs.
type Transactor interface {
	Tx(ctx context.Context, change func(keypin.Tx) error) error
}

// taken is an entry on its way to the store.
type taken struct {
	period
	*entry
}

// Run flushes every 10 s, and earlier when many entries wait, until ctx ends, and then
// once more, for at most 5 s. A failed flush is logged and made good by a later one;
// the last one's error is returned.
func (u *Usage) Run(ctx context.Context) error {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return u.flushLast(ctx)
		case <-ticker.C:
		case <-u.full:
		}
		// An error is logged by Flush, and what it could not store waits for the next time.
		_ = u.Flush(ctx)
	}
}

// flushLast flushes although ctx has ended.
func (u *Usage) flushLast(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalFlush)
	defer cancel()
	return u.Flush(ctx)
}

// Flush stores what was noted, in one transaction for every 1,024 minutes of keys.
// What could not be stored is kept for the next flush; the error is the store's.
func (u *Usage) Flush(ctx context.Context) error {
	u.flushing.Lock()
	defer u.flushing.Unlock()
	rest := u.take()
	for len(rest) > 0 {
		part := rest[:min(len(rest), maxPerTx)]
		if err := u.storePart(ctx, part); err != nil {
			u.logger.WarnContext(ctx, "storing the usage of keys failed; it is kept for the next attempt",
				"entries", len(rest), "behind", u.behind(rest), "error", err)
			u.putBack(rest)
			return err
		}
		u.held.Add(-int64(len(part)))
		rest = rest[len(part):]
	}
	return nil
}

// take empties the shards. The entries come in the order of the store's rows, so that
// one transaction changes few pages.
func (u *Usage) take() []taken {
	var all []taken
	for i := range u.shards {
		s := &u.shards[i]
		s.mu.Lock()
		entries := s.entries
		if len(entries) == 0 {
			s.mu.Unlock()
			continue
		}
		s.entries = make(map[period]*entry, len(entries))
		s.mu.Unlock()
		for p, e := range entries {
			all = append(all, taken{p, e})
		}
	}
	slices.SortFunc(all, func(a, b taken) int {
		return cmp.Or(cmp.Compare(a.minute, b.minute), bytes.Compare(a.workspace[:], b.workspace[:]),
			bytes.Compare(a.chain[:], b.chain[:]), bytes.Compare(a.key[:], b.key[:]))
	})
	return all
}

// storePart stores entries in one transaction.
func (u *Usage) storePart(ctx context.Context, part []taken) error {
	var counts []keypin.UsageCount
	var uses []keypin.LastUse
	for _, e := range part {
		for i, n := range e.counts {
			if n > 0 {
				counts = append(counts, keypin.UsageCount{
					WorkspaceID: e.workspace, ChainID: e.chain, Minute: time.Unix(e.minute*60, 0).UTC(), Code: string(counted[i]), Count: int64(n),
				})
			}
		}
		if !e.last.at.IsZero() {
			uses = append(uses, keypin.LastUse{KeyID: e.key, At: keypin.Timestamp(e.last.at), IP: e.last.ip, UserAgent: e.last.userAgent})
		}
	}
	return u.store.Tx(ctx, func(tx keypin.Tx) error {
		for _, use := range uses {
			if err := tx.TouchKey(ctx, use); err != nil {
				return err
			}
		}
		return tx.AddUsage(ctx, counts)
	})
}

// putBack notes again what could not be stored.
func (u *Usage) putBack(rest []taken) {
	for _, e := range rest {
		s := u.shardOf(e.key)
		s.mu.Lock()
		since := s.entries[e.period]
		if since == nil {
			s.entries[e.period] = e.entry // its place is still reserved
		} else {
			since.add(e.entry)
			u.held.Add(-1)
		}
		s.mu.Unlock()
	}
}

// add joins another entry of the same period.
func (e *entry) add(other *entry) {
	for i, n := range other.counts {
		e.counts[i] = saturate(e.counts[i], n)
	}
	if other.last.at.After(e.last.at) {
		e.last = other.last
	}
}

// behind is how long ago the oldest minute began that is not stored.
func (u *Usage) behind(rest []taken) time.Duration {
	return u.clock().Sub(time.Unix(rest[0].minute*60, 0))
}
