package verify

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// feedLength is how many changes a Feed keeps for those who come back.
const feedLength = 1 << 14

// Change says what a cache has to forget: keys, or all of a workspace's.
type Change struct {
	Hashes    []keypin.KeyHash
	Workspace *keypin.ID
}

// Feed tells caches outside the process what to forget. Changes are numbered from 1,
// within an epoch, which is this Feed's life. It is a keypin.Follower: a change is in
// it before it is answered. Whoever reads it learns, besides the changes, an instant of
// the Feed's own time as of which it has been told of all that was answered; what a
// cache may conclude from that is in package client. It is safe for concurrent use.
type Feed struct {
	clock     keypin.Clock
	freshness Freshness
	epoch     string
	start     time.Time

	mu      sync.Mutex
	log     []Change // a ring of feedLength, once so many were made: the change number n is at (n-1) % feedLength
	last    uint64   // the number of the latest change
	changed chan struct{}
}

// NewFeed begins an epoch, named by random.
func NewFeed(clock keypin.Clock, random io.Reader, freshness Freshness) (*Feed, error) {
	var name [12]byte
	if _, err := io.ReadFull(random, name[:]); err != nil {
		return nil, fmt.Errorf("reading randomness for the name of an epoch: %w", err)
	}
	return &Feed{
		clock: clock, freshness: freshness, epoch: hex.EncodeToString(name[:]), start: clock(),
		changed: make(chan struct{}),
	}, nil
}

// Epoch names the Feed. Another one, of another process or after a restart, knows
// nothing of its numbers.
func (f *Feed) Epoch() string { return f.epoch }

// Now is the present in the Feed's own time, which began with it and never steps.
func (f *Feed) Now() time.Duration { return f.clock().Sub(f.start) }

// InvalidateKeys adds a change of keys.
func (f *Feed) InvalidateKeys(_ context.Context, hashes []keypin.KeyHash) error {
	if len(hashes) > 0 {
		f.add(Change{Hashes: hashes})
	}
	return nil
}

// InvalidateWorkspace adds a change of all keys of a workspace.
func (f *Feed) InvalidateWorkspace(_ context.Context, workspace keypin.ID) error {
	f.add(Change{Workspace: &workspace})
	return nil
}

// InvalidateAll makes every reader begin anew, and forget everything: the numbers skip
// more than is kept.
func (f *Feed) InvalidateAll(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = make([]Change, feedLength) // nobody can ask for what is in it
	f.last += feedLength + 1
	f.announce()
	return nil
}

func (f *Feed) add(change Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.log) < feedLength {
		f.log = append(f.log, change)
	} else {
		f.log[f.last%feedLength] = change
	}
	f.last++
	f.announce()
}

// announce wakes who waits for a change. f.mu is held.
func (f *Feed) announce() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// News is what a reader of a Feed does not know yet.
type News struct {
	// Lost says that changes that the reader does not know are not kept any more, or are
	// of another epoch: it has to forget everything. There are no Changes then.
	Lost    bool
	Changes []Change // those after the reader's last, in order
	Last    uint64   // the number of the latest change
	// AsOf is an instant of the Feed's time: every change that was answered before it
	// has a number of at most Last.
	AsOf time.Duration
	// Changed is closed when there is a further change.
	Changed <-chan struct{}
}

// After gives what came after the change number last of the epoch.
func (f *Feed) After(epoch string, last uint64) News {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Within the lock: a change that is answered before this instant was added before.
	news := News{Last: f.last, AsOf: f.freshness.AsOf(f.clock()).Sub(f.start), Changed: f.changed}
	if epoch != f.epoch || last > f.last || f.last-last > feedLength {
		news.Lost = true
		return news
	}
	for n := last + 1; n <= f.last; n++ {
		news.Changes = append(news.Changes, f.log[(n-1)%feedLength])
	}
	return news
}
