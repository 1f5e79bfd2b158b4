package main

import (
	"math/rand/v2"
	"sync"
	"time"
)

// The time for which a key that was changed is checked more often than others: what is
// wrong about it shows in the seconds after.
const recently = 8 * time.Second

// pool holds the keys that are checked.
type pool struct {
	now func() time.Duration

	mu      sync.Mutex
	secrets map[string]string // by id, of all keys there were
	others  []target
	limited []limited
	recent  []changed
}

// limited is the newest key of a chain with a limit.
type limited struct {
	target
	chain string
}

type changed struct {
	target
	at time.Duration
}

func newPool(now func() time.Duration) *pool {
	return &pool{now: now, secrets: map[string]string{}}
}

// kept bounds the keys that are checked though nothing happened to them lately.
const kept = 60

// addLimited takes the place of the key before it in its chain.
func (p *pool) addLimited(t target, chain string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets[t.id] = t.secret
	for i := range p.limited {
		if p.limited[i].chain == chain {
			p.limited[i].target = t
			return
		}
	}
	p.limited = append(p.limited, limited{t, chain})
}

func (p *pool) add(t target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets[t.id] = t.secret
	p.others = append(p.others, t)
	if len(p.others) > kept {
		p.others = p.others[1:]
	}
}

// changed makes the key one that is checked often for a while.
func (p *pool) changed(t target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recent = append(p.recent, changed{t, p.now()})
	for len(p.recent) > 0 && p.recent[0].at < p.now()-recently {
		p.recent = p.recent[1:]
	}
}

// draw gives a key to check.
func (p *pool) draw(r *rand.Rand) target {
	p.mu.Lock()
	defer p.mu.Unlock()
	var t target
	switch n := r.IntN(10); {
	case n < 5 && len(p.recent) > 0:
		t = pick(r, p.recent).target
	case n < 7 && len(p.limited) > 0:
		t = pick(r, p.limited).target
	case len(p.others) > 0:
		t = pick(r, p.others)
	}
	switch r.IntN(3) {
	case 0:
		t.needs = []string{"workflows:read"}
	case 1:
		t.needs = []string{"workflows:run"} // what narrowing takes away
	}
	return t
}
