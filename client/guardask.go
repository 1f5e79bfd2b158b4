package client

import (
	"context"
	"net/http"
	"net/netip"
	"time"
)

// headerEpoch names the life of the service's process that answered. Only what the
// process says whose stream is followed may be remembered: another one's stream would
// have to tell of its changes.
const headerEpoch = "X-Keypin-Epoch"

// ask asks the service, and remembers what it says if nothing was told to be forgotten
// since. hold is how much later the cost may be spent.
func (g *Guard) ask(ctx context.Context, hash [32]byte, p *check, cost int, hold time.Duration) (*Verification, error) {
	v, _, err := g.askFor(ctx, hash, p, cost, hold)
	return v, err
}

// asked is an answer of the service and what is needed to place it in time.
type asked struct {
	Data *Verification `json:"data"`
	Meta struct {
		Timestamp time.Time `json:"timestamp"`
	} `json:"meta"`
	sent   time.Time // by our clock, before the question was sent
	header http.Header
}

// until is when the service's clock shows t, by ours: no later than that.
func (a *asked) until(t time.Time) time.Time { return a.sent.Add(t.Sub(a.Meta.Timestamp)) }

func (g *Guard) askFor(ctx context.Context, hash [32]byte, p *check, cost int, hold time.Duration) (*Verification, *asked, error) {
	shard := g.shard(hash)
	shard.mu.Lock()
	before := shard.changes
	shard.mu.Unlock()
	body := VerifyParams{
		Key: NewSecret(p.secret), Scopes: p.scopes, ClientIP: p.clientIP, Cost: &cost, Hold: hold, UserAgent: p.userAgent,
	}.wire()
	k := &call{op: "verify-api-key", method: http.MethodPost, path: keysPath + "/verify", body: body, repeat: never,
		secrets: []Secret{NewSecret(p.secret)}}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	a := &asked{sent: g.c.now()}
	raw, err := g.c.do(ctx, k, nil, a, func() bool { return a.Data != nil && !a.Meta.Timestamp.IsZero() })
	if err != nil {
		return nil, nil, err
	}
	a.header = raw.header
	v := a.Data
	v.Valid = v.Valid && v.Code == OutcomeValid
	g.remember(hash, shard, before, a)
	return v, a, nil
}

// remember keeps an answer, if it comes from the process whose stream is followed, is
// fresh, and nothing was told to be forgotten since it was asked for.
func (g *Guard) remember(hash [32]byte, shard *guardShard, before uint64, a *asked) {
	epoch := g.epoch.Load()
	if epoch == nil || a.header.Get(headerEpoch) != *epoch || a.header.Get("X-Keypin-Stale") != "" {
		return
	}
	k := keyOf(a)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if shard.changes != before {
		return
	}
	switch {
	case a.Data.Code == OutcomeNotFound:
		g.unknown.Set(hash, a.sent.Add(unknownFor))
	case k != nil:
		// One that is there knows as much, unless it does not know the limit, and holds
		// what was taken of it.
		if known, ok := g.keys.GetIfPresent(hash); !ok || known.limit < 0 && k.limit >= 0 {
			g.keys.Set(hash, k)
		}
	}
}

// keyOf is what to remember of an answer; nil = nothing. One that says valid by half is none.
func keyOf(a *asked) *guardedKey {
	v := a.Data
	if v.APIKey == nil || v.Valid != (v.Code == OutcomeValid) {
		return nil
	}
	k := &guardedKey{answer: &Verification{Valid: true, Code: OutcomeValid, APIKey: v.APIKey}, limit: -1}
	switch v.Code {
	case OutcomeRevoked, OutcomeInactive:
		k.answer = &Verification{Code: v.Code, APIKey: v.APIKey}
		return k
	case OutcomeValid, OutcomeRateLimited:
		k.limit = 0
		if v.RateLimit != nil {
			k.limit = v.RateLimit.Limit
		}
	case OutcomeExpired, OutcomeIPNotAllowed, OutcomeInsufficientScope: // the limit was not asked
	default: // an outcome that this version does not know
		return nil
	}
	if v.APIKey.ExpiresAt != nil {
		k.expires = a.until(*v.APIKey.ExpiresAt)
	}
	for _, s := range v.APIKey.AllowedIPs {
		r, err := netip.ParsePrefix(s)
		if ip, ipErr := netip.ParseAddr(s); ipErr == nil {
			r, err = netip.PrefixFrom(ip, ip.BitLen()), nil
		}
		if err != nil {
			return nil // a form that this version does not know
		}
		k.allowed = append(k.allowed, r)
	}
	return k
}

func (g *Guard) shard(hash [32]byte) *guardShard { return &g.shards[hash[0]%guardShards] }

// forget forgets a key, and what is being asked of it.
func (g *Guard) forget(hash [32]byte) {
	shard := g.shard(hash)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	shard.changes++
	g.keys.Invalidate(hash)
	g.unknown.Invalidate(hash)
}

// forgetWorkspace forgets a workspace's keys, and what is being asked of any.
func (g *Guard) forgetWorkspace(id string) {
	g.noteChange()
	for hash, k := range g.keys.All() {
		if k.answer.APIKey.WorkspaceID == id {
			g.forget(hash)
		}
	}
}

// forgetAll forgets everything, and what is being asked.
func (g *Guard) forgetAll() {
	g.noteChange()
	g.keys.InvalidateAll()
	g.unknown.InvalidateAll()
}

func (g *Guard) noteChange() {
	for i := range g.shards {
		g.shards[i].mu.Lock()
		g.shards[i].changes++
		g.shards[i].mu.Unlock()
	}
}
