package verify

import (
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
)

const (
	// maxHeld bounds the memory.
	maxHeld = 1 << 16
	// flushFrom is how many entries wait at most for the next regular flush.
	flushFrom = maxHeld / 2
	// shardCount keeps two checks at once from waiting for one another, mostly.
	shardCount = 64
	// maxUserAgent, in bytes, is how much of a user agent is kept.
	maxUserAgent = 256
)

// Use is what a check tells of a key that exists.
type Use struct {
	KeyID       keypin.ID
	ChainID     keypin.ID
	WorkspaceID keypin.ID
	Code        Code
	At          time.Time
	IP          netip.Addr // the client's; zero = unknown
	UserAgent   string     // the client's, as it was sent; "" = unknown
	Count       uint64     // how many uses these were, up to At; 0 means 1
}

// Usage counts how keys are used, per key, minute and outcome, remembers the last use
// of each, and stores both now and then, so that no check waits for a write. It is
// safe for concurrent use.
type Usage struct {
	store  Transactor
	clock  keypin.Clock
	logger *slog.Logger

	shards  [shardCount]shard
	held    atomic.Int64 // entries in the shards and in the flush that runs
	dropped atomic.Uint64
	full    chan struct{} // asks for a flush before its time

	flushing sync.Mutex // held by the one flush that runs; taken before a shard's
}

// shard is the part of the entries whose keys fall into it.
type shard struct {
	mu      sync.Mutex
	entries map[period]*entry
	_       [48]byte // to the end of the cache line, so that shards do not share one
}

// period is one minute of one key.
type period struct {
	key    keypin.ID
	minute int64 // since 1970
}

// entry is what is known of a period.
type entry struct {
	chain, workspace keypin.ID
	counts           [len(counted)]uint64
	last             lastUse
}

// lastUse is the newest accepted use of a period; its zero time means that there is none.
type lastUse struct {
	at        time.Time
	ip        netip.Addr
	userAgent string
}

// counted are the outcomes that have a key.
var counted = [...]Code{
	CodeValid, CodeRevoked, CodeInactive, CodeExpired, CodeIPNotAllowed, CodeInsufficientScope, CodeRateLimited, CodeQuotaExceeded,
}

// Counted lists the outcomes that have a key, which are those that usage counts.
func Counted() []Code { return slices.Clone(counted[:]) }

// indexOf is the code's place in counted, -1 for an outcome without a key.
func indexOf(code Code) int {
	for i := range counted {
		if counted[i] == code {
			return i
		}
	}
	return -1
}

// NewUsage makes a Usage. Nothing is stored until Run or Flush is called.
func NewUsage(store Transactor, clock keypin.Clock, logger *slog.Logger) *Usage {
	u := &Usage{store: store, clock: clock, logger: logger, full: make(chan struct{}, 1)}
	for i := range u.shards {
		u.shards[i].entries = map[period]*entry{}
	}
	return u
}

// Dropped counts the uses dropped so far because too many entries waited.
func (u *Usage) Dropped() uint64 { return u.dropped.Load() }

// Waiting is how many minutes of keys wait to be stored.
func (u *Usage) Waiting() int { return int(u.held.Load()) }

// Note counts the use. It never waits for the store. While 65,536 others wait to be
// stored, a use of a key that was not used in this minute yet is dropped and counted.
func (u *Usage) Note(use Use) {
	code := indexOf(use.Code)
	if code < 0 {
		return
	}
	count := max(use.Count, 1)
	p := period{key: use.KeyID, minute: minuteOf(use.At)}
	s := u.shardOf(use.KeyID)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[p]
	if e == nil {
		if !u.reserve() {
			u.dropped.Add(count)
			return
		}
		e = &entry{chain: use.ChainID, workspace: use.WorkspaceID}
		s.entries[p] = e
	}
	e.counts[code] = saturate(e.counts[code], count)
	if use.Code == CodeValid && !use.At.Before(e.last.at) {
		e.last.at, e.last.ip = use.At, use.IP
		if e.last.userAgent != use.UserAgent {
			e.last.userAgent = presentable(use.UserAgent, e.last.userAgent)
		}
	}
}

// shardOf is where the key's entries are. Ids end in random bits.
func (u *Usage) shardOf(key keypin.ID) *shard { return &u.shards[key[len(key)-1]%shardCount] }

// reserve takes a place for an entry, if there is one.
func (u *Usage) reserve() bool {
	n := u.held.Add(1)
	if n > maxHeld {
		u.held.Add(-1)
		return false
	}
	if n == flushFrom {
		select {
		case u.full <- struct{}{}:
		default: // asked already
		}
	}
	return true
}

// minuteOf rounds down, before 1970 too.
func minuteOf(at time.Time) int64 {
	seconds := at.Unix()
	if seconds < 0 {
		seconds -= 59
	}
	return seconds / 60
}

// saturate adds, up to what the store can hold of one bucket.
func saturate(a, b uint64) uint64 {
	const most = math.MaxInt64 >> 20
	if b > most || a+b > most {
		return most
	}
	return a + b
}

// presentable is what is stored of a user agent: no secret, no control character, and
// not too long. What came of the one before is given back when it is the same.
func presentable(agent, before string) string {
	// Cleaned before it is cut: a part of a secret could not be told from other text.
	agent = strings.ToValidUTF8(telemetry.Redact(agent), "")
	agent = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, agent)
	if len(agent) > maxUserAgent {
		agent = strings.ToValidUTF8(agent[:maxUserAgent], "")
	}
	if agent == before {
		return before
	}
	return strings.Clone(agent) // not the request's memory
}
