package verify

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/keypin/keypin/internal/keypin"
)

// Bound is promise 1: so long after a change was answered, no request that arrives is
// judged by the state before it.
const Bound = time.Second

const (
	// joinWithin is how long after its begin a look-up answers those who come later. It
	// reads a state that is no older than its begin, so who joins may be told something
	// that was true so long before they came; half of what the bound allows.
	joinWithin = Bound / 2
	// loadTimeout bounds a look-up, which reads one row. It goes on when the one who began
	// it goes away, because others wait for it.
	loadTimeout = 2 * time.Second
	// missingFor is how long it is remembered that there is no key with a hash.
	missingFor = 5 * time.Second
	// maxMissing bounds how many of those are remembered.
	maxMissing = 1 << 16

	flightShards = 64
)

// KeySource finds keys. A keypin.Store is one.
type KeySource interface {
	// KeyByHash finds a key of any workspace; CodeNotFound when there is none. The
	// key is not changed by anybody afterwards.
	KeyByHash(ctx context.Context, hash keypin.KeyHash) (*keypin.APIKey, error)
}

// Freshness says how far a cache knows the changes that others make.
type Freshness interface {
	// AsOf is the latest instant known, at now, for which this holds: every change that
	// was answered before it has been told to the cache.
	AsOf(now time.Time) time.Time
}

// AlwaysFresh is the Freshness of a node that makes every change itself, and tells its
// cache before it answers.
type AlwaysFresh struct{}

// AsOf is now.
func (AlwaysFresh) AsOf(now time.Time) time.Time { return now }

// CacheOptions are what a Cache is built of.
type CacheOptions struct {
	Source KeySource
	// Proven is asked in place of Source while the cache is not fresh, and proves that
	// what it read was the truth then: a database that was replaced by another, which
	// takes changes already, may still answer reads. nil = Source does.
	Proven    KeySource
	Freshness Freshness
	Clock     keypin.Clock
	// MaxBytes bounds what the keys take in memory, about.
	MaxBytes uint64
	// ServeStale, when more than 0, lets a key that the cache holds be judged by what it
	// holds while the cache is not fresh and the source cannot answer, until so long
	// after it was fresh last. It trades the bound of a revocation for availability.
	ServeStale time.Duration
}

// Cache remembers keys by the hash of their plaintext. It is a keypin.Follower, and
// safe for concurrent use.
type Cache struct {
	options CacheOptions
	found   *otter.Cache[keypin.KeyHash, *Key]
	missing *otter.Cache[keypin.KeyHash, time.Time] // until when it is remembered
	flights [flightShards]flights
	commons commons

	loads, stale atomic.Uint64
}

// flights are the look-ups under way of a part of the hashes.
type flights struct {
	mu     sync.Mutex
	byHash map[keypin.KeyHash]*flight
}

// flight is one look-up that many wait for.
type flight struct {
	began time.Time
	done  chan struct{}
	key   *Key // nil = there is none
	err   error
	// proven says that Proven is asked.
	proven bool
	// outdated is set when a change is made while the look-up is under way: what it
	// finds is told to those who wait already, and not remembered. Under flights.mu.
	outdated bool
}

// joinable reports whether the look-up began lately, by the clock on the wall too: it may
// have read before the machine slept.
func (f *flight) joinable(now time.Time) bool {
	return max(now.Sub(f.began), now.Round(0).Sub(f.began.Round(0))) < joinWithin
}

// NewCache makes an empty Cache.
func NewCache(options CacheOptions) (*Cache, error) {
	if options.Proven == nil {
		options.Proven = options.Source
	}
	c := &Cache{options: options}
	var err error
	c.found, err = otter.New(&otter.Options[keypin.KeyHash, *Key]{
		MaximumWeight: max(options.MaxBytes, 1),
		Weigher:       func(_ keypin.KeyHash, k *Key) uint32 { return k.weight() },
	})
	if err != nil {
		return nil, err
	}
	// Apart from the keys, so that a flood of unknown ones evicts nothing useful.
	c.missing, err = otter.New(&otter.Options[keypin.KeyHash, time.Time]{MaximumSize: maxMissing})
	for i := range c.flights {
		c.flights[i].byHash = map[keypin.KeyHash]*flight{}
	}
	return c, err
}

// Found is what a Cache knows of a hash.
type Found struct {
	Key *Key      // nil = there is no such key
	At  time.Time // the present, read no earlier than the key
	// Stale is more than 0 when the key could not be proven to be no older than Bound:
	// how long ago the cache was fresh last.
	Stale time.Duration
}

// Find finds the key with the hash, for a request that has arrived already.
func (c *Cache) Find(ctx context.Context, hash keypin.KeyHash) (Found, error) {
	now := c.options.Clock()
	if found, ok := c.known(hash, now); ok {
		return found, nil
	}
	return c.ask(ctx, hash, now)
}

// age is how long before now the cache was fresh last.
func (c *Cache) age(now time.Time) time.Duration { return now.Sub(c.options.Freshness.AsOf(now)) }

// known is what is remembered and may be believed at now.
func (c *Cache) known(hash keypin.KeyHash, now time.Time) (Found, bool) {
	if c.age(now) >= Bound {
		return Found{}, false
	}
	if key, ok := c.found.GetIfPresent(hash); ok {
		return Found{Key: key, At: now}, true
	}
	until, ok := c.missing.GetIfPresent(hash)
	return Found{At: now}, ok && now.Before(until)
}

// ask asks the source for who came at now, and falls back on what is remembered only
// where the operator allows it.
func (c *Cache) ask(ctx context.Context, hash keypin.KeyHash, now time.Time) (Found, error) {
	key, err := c.load(ctx, hash, now)
	if err == nil {
		return Found{Key: key, At: c.options.Clock()}, nil
	}
	if age := c.age(now); age >= Bound && age-Bound < c.options.ServeStale {
		if key, ok := c.found.GetIfPresent(hash); ok {
			c.stale.Add(1)
			return Found{Key: key, At: now, Stale: age}, nil
		}
	}
	return Found{}, err
}

// load asks the source, or joins who asks it.
func (c *Cache) load(ctx context.Context, hash keypin.KeyHash, now time.Time) (*Key, error) {
	doubtful := c.age(now) >= Bound
	s := c.shard(hash)
	s.mu.Lock()
	f := s.byHash[hash]
	if f == nil || !f.joinable(now) || doubtful && !f.proven {
		if f != nil {
			f.outdated = true // nobody would tell it of changes any more
		}
		f = &flight{began: now, done: make(chan struct{}), proven: doubtful}
		s.byHash[hash] = f
		s.mu.Unlock()
		c.fly(ctx, s, hash, f)
		return f.key, f.err
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.key, f.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fly asks the source and remembers what it says, unless a change came in between.
func (c *Cache) fly(ctx context.Context, s *flights, hash keypin.KeyHash, f *flight) {
	f.err = errors.New("the look-up was not finished") // should the source panic
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.byHash[hash] == f {
			delete(s.byHash, hash)
		}
		if !f.outdated && f.err == nil {
			c.remember(hash, f.key)
		}
		close(f.done)
	}()
	c.loads.Add(1)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	source := c.options.Source
	if f.proven {
		source = c.options.Proven
	}
	row, err := source.KeyByHash(ctx, hash)
	switch {
	case keypin.CodeOf(err) == keypin.CodeNotFound:
		f.err = nil
	case err != nil:
		f.err = err
	case row == nil:
		f.err = errors.New("the key source returned neither a key nor an error")
	default:
		f.key, f.err = c.commons.keyOf(row)
	}
}

// remember keeps what was found. flights.mu of the hash is held, so that no
// invalidation comes between the look at outdated and this.
func (c *Cache) remember(hash keypin.KeyHash, key *Key) {
	if key != nil {
		c.found.Set(hash, key)
		return
	}
	c.missing.Set(hash, c.options.Clock().Add(missingFor))
}

func (c *Cache) shard(hash keypin.KeyHash) *flights { return &c.flights[hash[0]%flightShards] }

// InvalidateKeys forgets the keys, and what is being looked up of them. Who asks
// afterwards asks the source.
func (c *Cache) InvalidateKeys(_ context.Context, hashes []keypin.KeyHash) error {
	for _, hash := range hashes {
		s := c.shard(hash)
		s.mu.Lock()
		if f := s.byHash[hash]; f != nil {
			f.outdated = true
			delete(s.byHash, hash)
		}
		c.found.Invalidate(hash)
		c.missing.Invalidate(hash)
		s.mu.Unlock()
	}
	return nil
}

// InvalidateWorkspace forgets the workspace's keys. It looks at every key that is
// remembered; a workspace is seldom deleted.
func (c *Cache) InvalidateWorkspace(ctx context.Context, workspace keypin.ID) error {
	c.outdateFlights() // whose keys are being looked up is not known yet
	var hashes []keypin.KeyHash
	for hash, key := range c.found.All() {
		if key.WorkspaceID == workspace {
			hashes = append(hashes, hash)
		}
	}
	return c.InvalidateKeys(ctx, hashes)
}

// InvalidateAll forgets everything, and what is being looked up.
func (c *Cache) InvalidateAll(context.Context) error {
	c.outdateFlights()
	c.found.InvalidateAll()
	c.missing.InvalidateAll()
	return nil
}

// outdateFlights keeps what is being looked up from being remembered.
func (c *Cache) outdateFlights() {
	for i := range c.flights {
		s := &c.flights[i]
		s.mu.Lock()
		for hash, f := range s.byHash {
			f.outdated = true
			delete(s.byHash, hash)
		}
		s.mu.Unlock()
	}
}

// CacheStats says how a Cache fares.
type CacheStats struct {
	Keys    int    // remembered
	Bytes   uint64 // they take, about
	Missing int    // hashes remembered to belong to no key
	Loads   uint64 // look-ups in the source so far
	Stale   uint64 // answers so far that could not be proven fresh
}

// Stats counts.
func (c *Cache) Stats() CacheStats {
	return CacheStats{
		Keys: c.found.EstimatedSize(), Bytes: c.found.WeightedSize(), Missing: c.missing.EstimatedSize(),
		Loads: c.loads.Load(), Stale: c.stale.Load(),
	}
}
