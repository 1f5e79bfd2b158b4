package verify

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	// flushInterval leaves room for two failed attempts before last_used_at is more
	// than 60 s behind.
	flushInterval = 20 * time.Second
	// finalFlush bounds the flush at shutdown.
	finalFlush = 5 * time.Second
	// maxTouched bounds the memory: about 10 MB.
	maxTouched = 1 << 16
	// maxPerTx bounds how long one flush keeps other writers waiting.
	maxPerTx = 1 << 12
)

// Transactor is the part of a keypin.Store that LastUsed needs.
type Transactor interface {
	Tx(ctx context.Context, change func(keypin.Tx) error) error
}

// LastUsed remembers when keys were last used and stores it now and then, so that
// no check waits for a write. It is safe for concurrent use.
type LastUsed struct {
	store  Transactor
	clock  keypin.Clock
	logger *slog.Logger

	flushing sync.Mutex // held by the one flush that runs; taken before mu

	mu      sync.Mutex
	touched map[keypin.ID]time.Time
	dropped uint64
}

// NewLastUsed makes a LastUsed. Nothing is stored until Run or Flush is called.
func NewLastUsed(store Transactor, clock keypin.Clock, logger *slog.Logger) *LastUsed {
	return &LastUsed{store: store, clock: clock, logger: logger, touched: map[keypin.ID]time.Time{}}
}

// Touch notes that the key was used at that time. It never waits for the store. While
// 65,536 other keys wait to be stored, the note is dropped and counted.
func (l *LastUsed) Touch(id keypin.ID, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.note(id, at)
}

// note keeps the later of two times. l.mu is held.
func (l *LastUsed) note(id keypin.ID, at time.Time) {
	before, known := l.touched[id]
	switch {
	case known && !at.After(before):
	case !known && len(l.touched) >= maxTouched:
		l.dropped++
	default:
		l.touched[id] = at
	}
}

// Dropped counts the notes dropped so far because too many keys waited.
func (l *LastUsed) Dropped() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Run flushes every 20 s until ctx ends, and then once more, for at most 5 s. A
// failed flush is logged and made good by a later one; the last one's error is
// returned.
func (l *LastUsed) Run(ctx context.Context) error {
	ticker := time.NewTicker(flushInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return l.flushLast(ctx)
		case <-ticker.C:
			// An error is logged by Flush, and what it could not store waits for the
			// next tick.
			_ = l.Flush(ctx)
		}
	}
}

// flushLast flushes although ctx has ended.
func (l *LastUsed) flushLast(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finalFlush)
	defer cancel()
	return l.Flush(ctx)
}

// Flush stores what was noted, in one transaction for every 4,096 keys. What could
// not be stored is kept for the next flush; the error is the store's.
func (l *LastUsed) Flush(ctx context.Context) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	batch := l.touched
	l.touched = make(map[keypin.ID]time.Time, min(len(batch), maxPerTx))
	l.mu.Unlock()

	for len(batch) > 0 {
		part := takePart(batch)
		err := l.store.Tx(ctx, func(tx keypin.Tx) error {
			for id, at := range part {
				if err := tx.TouchKey(ctx, id, keypin.Timestamp(at)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			l.keep(part, batch)
			l.logger.WarnContext(ctx, "storing the times of last use failed; they are kept for the next attempt",
				"keys", len(part)+len(batch), "behind", l.behind(part, batch), "error", err)
			return err
		}
	}
	return nil
}

// takePart moves up to maxPerTx entries out of batch.
func takePart(batch map[keypin.ID]time.Time) map[keypin.ID]time.Time {
	part := make(map[keypin.ID]time.Time, min(len(batch), maxPerTx))
	for id, at := range batch {
		if len(part) == maxPerTx {
			break
		}
		part[id] = at
		delete(batch, id)
	}
	return part
}

// keep notes again what could not be stored.
func (l *LastUsed) keep(parts ...map[keypin.ID]time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, part := range parts {
		for id, at := range part {
			l.note(id, at)
		}
	}
}

// behind is how long ago the oldest use was that could not be stored.
func (l *LastUsed) behind(parts ...map[keypin.ID]time.Time) time.Duration {
	now, longest := l.clock(), time.Duration(0)
	for _, part := range parts {
		for _, at := range part {
			longest = max(longest, now.Sub(at))
		}
	}
	return longest
}
