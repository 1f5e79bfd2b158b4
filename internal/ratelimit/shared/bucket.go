package shared

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	bucketCount = 256
	// probeEvery is how often Redis is looked at beside the requests: those that are without
	// it are with it again that soon.
	probeEvery = 250 * time.Millisecond
	// probeAtOnce is how many buckets are looked at each time while all is well. Each is
	// looked at every 4 s, so that a loss is noticed where nobody asks.
	probeAtOnce = 16
)

// bucket is a part of the chains. Their windows and one epoch are in one slot of a Redis
// Cluster, hence on one server.
type bucket struct {
	broken atomic.Bool // Redis did not answer the latest call
	// doubted is until when admissions may exist of which Redis does not know, since
	// Limiter.start.
	doubted atomic.Int64

	mu    sync.Mutex
	epoch string // "" = not known yet
}

// bucketOf is the bucket of a chain. The last bits of an id are random in every version
// of UUIDs that is given out.
func bucketOf(chain keypin.ID) int { return int(chain[15]) }

func epochKey(bucket int) string { return fmt.Sprintf("keypin:{%02x}:epoch", bucket) }

func chainKey(bucket int, chain keypin.ID) string {
	return fmt.Sprintf("keypin:{%02x}:%s", bucket, chain)
}

// doubt remembers that admissions may exist until then of which Redis does not know.
func (b *bucket) doubt(until time.Duration) {
	for {
		old := b.doubted.Load()
		if int64(until) <= old || b.doubted.CompareAndSwap(old, int64(until)) {
			return
		}
	}
}

// heard judges whether the epoch tells of a loss.
func (l *Limiter) heard(b *bucket, r *reply) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.epoch != r.epoch {
		if b.epoch != "" {
			// Not only until it is old enough: what this node was admitted by the
			// server that it heard until now, the other need not know.
			b.doubt(r.heard + memory)
			l.losses.Add(1)
			l.counts.losses.Add(1)
			if !l.all.Swap(true) {
				l.options.Logger.Warn("Redis may have lost what was admitted: it was restarted, emptied, or another server took its place; for 61 s limits are kept as rate_limits_without_redis says",
					"rate_limits_without_redis", string(l.options.WithoutRedis))
			}
		}
		b.epoch = r.epoch
	}
	if r.age < memory {
		b.doubt(r.heard + memory - max(r.age, 0))
	}
}

// lost makes everybody do without the server that did not answer.
func (l *Limiter) lost(ctx context.Context, n int, cause error) {
	if l.buckets[n].broken.Swap(true) {
		return
	}
	l.losses.Add(1)
	l.options.Logger.WarnContext(ctx, "Redis does not answer; limits are kept as rate_limits_without_redis says until it does",
		"rate_limits_without_redis", string(l.options.WithoutRedis), "error", cause)
	if _, ok := l.client.(*redis.ClusterClient); ok {
		l.all.Store(true) // the other servers may be well: each bucket is looked at
		return
	}
	for i := range l.buckets {
		l.buckets[i].broken.Store(true)
	}
}

// found makes everybody ask Redis again.
func (l *Limiter) found(b *bucket, at time.Duration) {
	if !b.broken.Load() {
		return
	}
	if l.options.WithoutRedis == Local {
		b.doubt(at + memory) // for what the nodes have admitted meanwhile
	}
	b.broken.Store(false)
}

// watch looks at Redis until ctx ends.
func (l *Limiter) watch(ctx context.Context) {
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	for turn := 0; ; turn++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		all := l.all.Swap(false)
		var which []int
		for i := range l.buckets {
			if all || l.buckets[i].broken.Load() || i/probeAtOnce == turn%(bucketCount/probeAtOnce) {
				which = append(which, i)
			}
		}
		_ = l.look(ctx, which) // what failed is noted for each bucket
		if turn%4 == 0 {
			l.chains.sweep(l)
		}
	}
}

// look asks for the epochs of buckets, which begins those that are missing. The error is
// the first bucket's whose server did not answer.
func (l *Limiter) look(ctx context.Context, which []int) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	cmds, err := l.lookOnce(ctx, which)
	if err != nil {
		return err
	}
	for _, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			// On a Cluster it may fail at one server and succeed at the others.
			_ = window.Load(ctx, l.client).Err()
			if cmds, err = l.lookOnce(ctx, which); err != nil {
				return err
			}
			break
		}
	}
	var first error
	for i, cmd := range cmds {
		r := reply{heard: l.now()}
		err := cmd.Err()
		if err == nil {
			err = r.read(cmd.Val())
		}
		l.counts.probed(err)
		switch {
		case err == nil:
			b := &l.buckets[which[i]]
			l.heard(b, &r)
			l.found(b, r.heard)
			continue
		case first == nil:
			first = err
		}
		if !errors.Is(ctx.Err(), context.Canceled) {
			l.lost(ctx, which[i], err)
		}
	}
	return first
}

func (l *Limiter) lookOnce(ctx context.Context, which []int) ([]*redis.Cmd, error) {
	cmds := make([]*redis.Cmd, len(which))
	pipe := l.client.Pipeline()
	for i, n := range which {
		epoch, err := l.newEpoch()
		if err != nil {
			return nil, err
		}
		cmds[i] = window.EvalSha(ctx, pipe, []string{epochKey(n)}, l.testTime(), epoch)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	return cmds, nil
}
