package freshness_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/node"
	"github.com/keypin/keypin/internal/verify"
)

// A sabotage breaks one step of the argument.
const (
	nothing            = ""
	neverEmpties       = "what is remembered is not forgotten on a new connection"
	emptiesTooEarly    = "what is remembered is forgotten before LISTEN"
	countsFromTheEnd   = "the end of a ping is taken for its begin"
	pingsElsewhere     = "the ping goes over another connection"
	pingsWithoutCommit = "the ping commits nothing"
	trustsForTwo       = "the cache is trusted for two seconds"
	ignoresTheWall     = "the clock on the wall is not looked at"
	readsAnywhere      = "reads are not vouched for"
	provesNothing      = "a cache that is not fresh asks without a proof"
)

const keys = 4

// world is everything that a run simulates.
type world struct {
	mu          sync.Mutex
	ctx         context.Context
	began       time.Time
	sabotage    string
	synchronous bool
	slow        bool // moments may be long
	partitioned bool // the servers from one another
	servers     []*server
	nodes       []*machine
	lastID      uint64
	timelines   int
	answered    [keys][]commit
	violations  []string
	hits, asked int
}

// machine is a node with what belongs to it.
type machine struct {
	*process
	w      *world
	links  []*link // to each server
	random *rand.Rand
	node   *node.Node
	cache  *verify.Cache
	sleeps bool       // the machine may be suspended; else its wall clock may be set
	pool   int        // the server that its pool is connected to
	endAt  *time.Time // of the last ping, for a sabotage
}

// moment is how long a step takes: mostly little. w.mu is held.
func (w *world) moment(random *rand.Rand) time.Duration {
	d := time.Duration(random.Int64N(int64(3 * time.Millisecond)))
	if w.slow {
		switch random.IntN(40) {
		case 0:
			d += time.Duration(random.Int64N(int64(400 * time.Millisecond)))
		case 1, 2, 3:
			d += time.Duration(random.Int64N(int64(40 * time.Millisecond)))
		}
	}
	return d
}

func (w *world) other(s *server) *server {
	if w.servers[0] == s {
		return w.servers[len(w.servers)-1]
	}
	return w.servers[0]
}

// start makes a node.
func (w *world) start(m *machine) error {
	var err error
	var freshness lateFreshness
	m.cache, err = verify.NewCache(verify.CacheOptions{Source: m, Proven: proven{m}, Freshness: &freshness, Clock: m.now, MaxBytes: 1 << 20})
	if err != nil {
		return err
	}
	m.node, err = node.Start(w.ctx, node.Options{
		Name: "n", Version: "v", Follower: w.follower(m), Clock: m.now, Random: chacha(m.random),
		Logger: slog.New(slog.DiscardHandler), Dial: w.dialer(m.process, m.links, rand.New(rand.NewPCG(m.random.Uint64(), 1))),
	})
	freshness.Freshness = w.freshness(m)
	return err
}

// lateFreshness is known after the cache is.
type lateFreshness struct{ verify.Freshness }

func chacha(r *rand.Rand) io.Reader {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(r.Uint32())
	}
	return rand.NewChaCha8(seed)
}

// KeyByHash reads what the node vouches for, and has it proven otherwise.
func (m *machine) KeyByHash(ctx context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	key, timeline, err := m.read(ctx, hash, false)
	if err == nil && m.w.sabotage != readsAnywhere && !m.node.Vouches(timeline) {
		key, _, err = m.read(ctx, hash, true)
	}
	return key, err
}

// proven commits after it has read.
type proven struct{ m *machine }

func (p proven) KeyByHash(ctx context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	key, _, err := p.m.read(ctx, hash, p.m.w.sabotage != provesNothing)
	return key, err
}

// read reads from the server that the node's pool is connected to: the first that says
// that it takes commits.
func (m *machine) read(ctx context.Context, hash keypin.KeyHash, prove bool) (*keypin.APIKey, string, error) {
	m.run()
	defer m.run()
	w := m.w
	w.mu.Lock()
	k := m.pool
	random := rand.New(rand.NewPCG(m.random.Uint64(), 2))
	w.mu.Unlock()
	s := w.servers[k]
	life, err := w.reach(ctx, s, m.links[k], random)
	w.mu.Lock()
	ok := err == nil && s.life == life && s.primary
	if !ok {
		m.pool = (m.pool + 1) % len(w.servers)
	}
	id, timeline := s.state[int(hash[0])], s.timeline
	w.mu.Unlock()
	if !ok || prove && !s.replicated(ctx, life, nil) {
		return nil, "", errLost
	}
	back, err := w.reach(ctx, s, m.links[k], random)
	if err == nil && back != life {
		err = errLost
	}
	return &keypin.APIKey{Name: strconv.FormatUint(id, 10), Active: true, Hash: hash}, timeline, err
}

// ask makes requests until the run ends.
func (m *machine) ask(random *rand.Rand) {
	for m.w.ctx.Err() == nil {
		time.Sleep(time.Duration(random.Int64N(int64(60 * time.Millisecond))))
		key := random.IntN(keys)
		arrived := time.Now()
		m.run()
		ctx, cancel := context.WithTimeout(m.w.ctx, 2*time.Second)
		loads := m.cache.Stats().Loads
		found, err := m.cache.Find(ctx, hashOf(key))
		cancel()
		if err == nil {
			m.w.check(key, arrived, found.Key.Name, m.cache.Stats().Loads == loads)
		}
	}
}

// check looks for an answer by a state before a change that was answered more than a
// second before the request arrived.
func (w *world) check(key int, arrived time.Time, name string, hit bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if hit {
		w.hits++
	}
	id, err := strconv.ParseUint(name, 10, 64)
	if err != nil {
		panic(err)
	}
	for _, c := range w.answered[key] {
		if c.id > id && arrived.Sub(c.at) > verify.Bound {
			w.violations = append(w.violations, fmt.Sprintf("at %s a request was judged by change %d of key %d; %d had been answered %s before it arrived",
				time.Since(w.began), id, key, c.id, arrived.Sub(c.at)))
			return
		}
	}
}
