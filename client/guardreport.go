package client

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// reportEvery is how often uses are reported; last_used_at is at most 60 s behind.
	reportEvery = 10 * time.Second
	// reportAtOnce is how many keys' uses one report holds.
	reportAtOnce = 500
	// maxUnreported bounds the keys that wait for a report that succeeds.
	maxUnreported = 1 << 16
)

// counted are the outcomes that a Guard decides itself, in the order of useCounters.
var counted = [...]Outcome{
	OutcomeValid, OutcomeRevoked, OutcomeInactive, OutcomeExpired, OutcomeIPNotAllowed, OutcomeInsufficientScope, OutcomeRateLimited,
}

// useCounters count what was decided here of one key, since the last report.
type useCounters struct {
	counts [len(counted)]atomic.Uint64
	last   atomic.Int64 // when it was let through last, in nanoseconds of Unix time
	from   atomic.Pointer[useFrom]
}

// useFrom is who used a key.
type useFrom struct {
	ip        netip.Addr
	userAgent string
}

// count counts one decision. Who merely looks (cost 0) uses nothing.
func (u *useCounters) count(code Outcome, now time.Time, p *check) {
	if p.cost == 0 {
		return
	}
	for i := range counted {
		if counted[i] == code {
			u.counts[i].Add(1)
			break
		}
	}
	if code != OutcomeValid {
		return
	}
	// Once in a while is enough, and spares the others the wait for this memory.
	if at := now.UnixNano(); at-u.last.Load() > int64(time.Second) {
		u.last.Store(at)
		if from := u.from.Load(); from == nil || from.ip != p.clientIP || from.userAgent != p.userAgent {
			u.from.Store(&useFrom{p.clientIP, strings.Clone(p.userAgent)})
		}
	}
}

// use is a line of a report.
type use struct {
	KeyHash   string     `json:"key_hash"`
	Code      Outcome    `json:"code"`
	Count     uint64     `json:"count"`
	At        time.Time  `json:"at"`
	ClientIP  netip.Addr `json:"client_ip,omitzero"`
	UserAgent string     `json:"user_agent,omitempty"`
}

// reports are the uses of keys that are not remembered any more, or whose report failed.
type reports struct {
	mu   sync.Mutex
	uses []use
}

func (r *reports) add(uses ...use) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.uses = append(r.uses, uses[:min(len(uses), maxUnreported-len(r.uses))]...)
}

func (r *reports) take() []use {
	r.mu.Lock()
	defer r.mu.Unlock()
	uses := r.uses
	r.uses = nil
	return uses
}

// collect takes what was counted of a key.
func (r *reports) collect(hash [32]byte, k *guardedKey) {
	for i := range counted {
		n := k.uses.counts[i].Swap(0)
		if n == 0 {
			continue
		}
		u := use{KeyHash: hex.EncodeToString(hash[:]), Code: counted[i], Count: n, At: time.Unix(0, k.uses.last.Load()).UTC()}
		if from := k.uses.from.Load(); from != nil && u.Code == OutcomeValid {
			u.ClientIP, u.UserAgent = from.ip, from.userAgent
		}
		r.add(u)
	}
}

// reportUses reports every 10 s until ctx ends, and then once more.
func (g *Guard) reportUses(ctx context.Context) {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			g.report(ctx, "kept for the next report")
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
			g.report(last, "not counted")
			cancel()
			return
		}
	}
}

// report tells the service what was decided here. What it cannot take now is kept for the
// next report, which otherwise says for the log; what it refuses it would refuse again.
func (g *Guard) report(ctx context.Context, otherwise string) {
	for hash, k := range g.keys.All() {
		g.reports.collect(hash, k)
	}
	uses := g.reports.take()
	for len(uses) > 0 {
		n := min(len(uses), reportAtOnce)
		k := &call{op: "report-usage", method: http.MethodPost, path: "/api/v1/usage-reports", repeat: never,
			body: map[string]any{"uses": uses[:n]}}
		var answer struct {
			Data *struct{} `json:"data"`
		}
		_, err := g.c.do(ctx, k, nil, &answer, func() bool { return answer.Data != nil })
		if err != nil && !refused(err) {
			g.options.logger.WarnContext(ctx, "the uses of keys could not be reported; they are "+otherwise, "error", err)
			g.reports.add(uses...)
			return
		}
		if err != nil {
			g.options.logger.WarnContext(ctx, "the uses of keys could not be reported; they are not counted", "error", err)
		}
		uses = uses[n:]
	}
}

// refused reports whether the report itself is at fault, so that it would fail again and hold up
// those behind it. A token or an address that is wrong may be put right.
func refused(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
		http.StatusUnprocessableEntity, http.StatusUpgradeRequired:
		return true
	}
	return false
}
