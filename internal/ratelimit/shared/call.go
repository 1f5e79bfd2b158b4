package shared

import (
	"context"
	_ "embed" // window.lua
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/keypin/keypin/internal/keypin"
)

// callTimeout bounds a call to Redis, with everything that it waits for.
const callTimeout = 250 * time.Millisecond

//go:embed window.lua
var windowSource string

var window = redis.NewScript(windowSource)

// errWithout says that Redis did not decide.
var errWithout = errors.New("Redis did not answer")

// question is what is asked of one chain's window.
type question struct {
	chain      keypin.ID
	limit      int
	need, want int
	hold       time.Duration // of those that are needed
	holdMore   time.Duration // of all, when more than those are given

	back     int // units given back,
	backOf   int64
	backFrom string // of which entry, of which epoch
}

// reply is what Redis says.
type reply struct {
	epoch     string
	age       time.Duration // of the epoch
	given     int
	remaining int
	reset     time.Duration // until the oldest counted unit leaves
	wait      time.Duration // until what is needed fits again
	entry     int64         // that the given units are in

	losses      uint64        // before it was sent
	sent, heard time.Duration // since Limiter.start
}

// call asks Redis. When it fails, the bucket is without Redis from then on and the error
// is errWithout; it is logged here.
//
// Nothing is tried twice: go on without Redis is what a node can do at once, and a call
// whose answer was lost may have counted.
func (l *Limiter) call(ctx context.Context, b *bucket, q *question) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	n := bucketOf(q.chain)
	epoch, err := l.newEpoch()
	if err != nil {
		return reply{}, err
	}
	keys := []string{epochKey(n), chainKey(n, q.chain)}
	r := reply{losses: l.losses.Load(), sent: l.now()}
	args := []any{
		l.testTime(), epoch, q.limit, q.need, q.want, q.hold.Microseconds(), q.holdMore.Microseconds(),
		q.back, q.backOf, q.backFrom,
	}
	cmd := window.EvalSha(ctx, l.client, keys, args...)
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		cmd = window.Eval(ctx, l.client, keys, args...)
	}
	err = cmd.Err()
	if err == nil {
		err = r.read(cmd.Val())
	}
	r.heard = l.now()
	l.counts.called(err)
	if err != nil {
		l.lost(ctx, n, err)
		return reply{}, errWithout
	}
	l.heard(b, &r)
	return r, nil
}

// read reads what the script returns; all but the epoch and its age may be absent.
func (r *reply) read(value any) error {
	values, ok := value.([]any)
	if !ok || len(values) != 2 && len(values) != 7 {
		return fmt.Errorf("the script returned %T", value)
	}
	if r.epoch, ok = values[0].(string); !ok {
		return fmt.Errorf("the script returned %T for the epoch", values[0])
	}
	var numbers [7]int64
	for i := 1; i < len(values); i++ {
		if numbers[i], ok = values[i].(int64); !ok {
			return fmt.Errorf("the script returned %T for number %d", values[i], i)
		}
	}
	r.age = time.Duration(numbers[1]) * time.Microsecond
	r.given, r.remaining = int(numbers[2]), int(numbers[3])
	r.reset, r.wait = time.Duration(numbers[4])*time.Microsecond, time.Duration(numbers[5])*time.Microsecond
	r.entry = numbers[6]
	return nil
}

// now is the time by the clock that measures, since start.
func (l *Limiter) now() time.Duration { return l.options.Clock().Sub(l.start) }

// newEpoch is an id for an epoch that may have to begin.
func (l *Limiter) newEpoch() (string, error) {
	var id [8]byte
	if _, err := io.ReadFull(l.options.Random, id[:]); err != nil {
		return "", fmt.Errorf("reading randomness for an epoch: %w", err)
	}
	return hex.EncodeToString(id[:]), nil
}

// testTime is what the script is told of the time: nothing, but in tests.
func (l *Limiter) testTime() string {
	if l.serverTime == nil {
		return ""
	}
	return l.serverTime()
}
