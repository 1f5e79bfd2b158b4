package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/keypin/keypin/test/chaos/check"
)

const keysPath = "/api/v1/api-keys"

// What keys may do, and what is left of that after narrowing.
func wide() []string   { return []string{"workflows:read", "workflows:run", "voices:read"} }
func narrow() []string { return []string{"workflows:read"} }

// owned is a key that one owner changes.
type owned struct {
	id, secret, chain string
	limit             int
	suspended, narrow bool
	// doubtful says that a change of it was not answered: whenever that may yet take
	// effect, so that only what is final is certain after it.
	doubtful bool
}

// owner changes keys of its own, one change after the other, through any node.
type owner struct {
	*world
	random *rand.Rand
	number int
	keys   []*owned
	asked  int // for Idempotency-Key and names
}

// run changes keys until ctx ends. What is under way then is answered before it returns.
func (o *owner) run(ctx context.Context) {
	for ctx.Err() == nil {
		o.step(ctx)
		pause(ctx, between(o.random, 50*time.Millisecond, 500*time.Millisecond))
	}
}

// step makes one change.
func (o *owner) step(ctx context.Context) {
	if len(o.keys) < 3 || len(o.keys) < 8 && o.random.IntN(3) == 0 {
		if k := o.create(ctx, 0); k != nil {
			o.keys = append(o.keys, k)
		}
		return
	}
	i := o.random.IntN(len(o.keys))
	k := o.keys[i]
	yes, no := true, false
	wide, narrow := wide(), narrow()
	switch what := o.random.IntN(10); {
	case k.limit > 0:
		if what == 0 { // that the chain keeps its count
			o.rotate(ctx, i)
		}
	case k.doubtful, what == 0:
		if o.patient(ctx, k, "revoke", check.State{Revoked: &yes}, http.MethodDelete, "", "") {
			o.keys = append(o.keys[:i], o.keys[i+1:]...)
		}
	case k.suspended:
		k.suspended = !o.patient(ctx, k, "resume", check.State{Active: &yes}, http.MethodPatch, "", `{"active":true}`)
	case what <= 3:
		k.suspended = o.patient(ctx, k, "suspend", check.State{Active: &no}, http.MethodPatch, "", `{"active":false}`)
	case k.narrow:
		k.narrow = !o.patient(ctx, k, "widen", check.State{Scopes: &wide}, http.MethodPatch, "", body(map[string]any{"scopes": wide}))
	case what <= 6:
		k.narrow = o.patient(ctx, k, "narrow", check.State{Scopes: &narrow}, http.MethodPatch, "", body(map[string]any{"scopes": narrow}))
	default:
		o.rotate(ctx, i)
	}
}

func body(v map[string]any) string {
	text, _ := json.Marshal(v) // strings, lists of them and numbers
	return string(text)
}

// patient makes a change until it is answered, and reports whether it was done.
func (o *owner) patient(ctx context.Context, k *owned, what string, sets check.State, method, path, body string) bool {
	a := o.insist(ctx, check.Entry{Change: what, Key: k.id, Sets: &sets}, func(c *clients) answer {
		return c.send(context.WithoutCancel(ctx), method, c.at.URL()+keysPath+"/"+k.id+path, c.token, body)
	}, nil, &k.doubtful)
	o.pool.changed(target{id: k.id, secret: k.secret})
	return a.status == http.StatusOK
}

// insist sends a change through one node after the other until it is answered, and
// logs every attempt. read takes what was made out of the answer.
func (o *owner) insist(ctx context.Context, e check.Entry, send func(*clients) answer, read func(answer, *check.Entry) error, doubtful *bool) answer {
	for attempt := 0; ; attempt++ {
		c := pick(o.random, o.clients)
		e.Kind, e.Node, e.Door, e.Begin = check.Change, c.node, "manage", o.record.now()
		a := send(c)
		e.End = o.record.now()
		if a.status >= 200 && a.status < 300 && read != nil {
			if err := read(a, &e); err != nil {
				a = answer{status: http.StatusInternalServerError, why: err.Error()}
			}
		}
		a.enter(&e)
		o.record.add(e)
		again := a.status == 0 || a.status >= 500 || a.status == http.StatusConflict && a.code == "conflict"
		if !again || ctx.Err() != nil {
			return a
		}
		*doubtful = true
		pause(ctx, 50*time.Millisecond*time.Duration(min(1<<attempt, 16)))
	}
}

// once is an Idempotency-Key that no other request has.
func (o *owner) once() string {
	o.asked++
	return fmt.Sprintf("chaos-%d-%d-%d", o.seed, o.number, o.asked)
}

// create makes a key; nil when the run ended before it was answered.
func (o *owner) create(ctx context.Context, limit int) *owned {
	once := o.once()
	fields := map[string]any{"name": once, "scopes": wide()}
	if limit > 0 {
		fields["rate_limit_per_min"] = limit
	}
	var made *owned
	var doubtful bool // the retry makes the same key, which then is certain
	o.insist(ctx, check.Entry{Change: "create"}, func(c *clients) answer {
		return c.send(context.WithoutCancel(ctx), http.MethodPost, c.at.URL()+keysPath, c.token, body(fields), "Idempotency-Key", once)
	}, func(a answer, e *check.Entry) error {
		var k key
		if err := decode(a, &k); err != nil {
			return err
		}
		made = &owned{id: k.ID, secret: k.Secret, chain: k.ID, limit: limit}
		e.New = &check.NewKey{Key: k.ID, Chain: k.ID, Limit: limit, State: k.state()}
		return nil
	}, &doubtful)
	o.made(made)
	return made
}

// rotate replaces a key at once.
func (o *owner) rotate(ctx context.Context, i int) {
	old := o.keys[i]
	if old.suspended || old.doubtful {
		return // it may not be usable
	}
	once, yes := o.once(), true
	var made *owned
	a := o.insist(ctx, check.Entry{Change: "rotate", Key: old.id, Sets: &check.State{Revoked: &yes}}, func(c *clients) answer {
		return c.send(context.WithoutCancel(ctx), http.MethodPatch, c.at.URL()+keysPath+"/"+old.id+"/rotate", c.token, "", "Idempotency-Key", once)
	}, func(a answer, e *check.Entry) error {
		var got struct {
			New key `json:"new_key"`
		}
		if err := decode(a, &got); err != nil {
			return err
		}
		made = &owned{id: got.New.ID, secret: got.New.Secret, chain: old.chain, limit: old.limit, narrow: len(got.New.Scopes) == len(narrow())}
		e.New = &check.NewKey{Key: made.id, Chain: made.chain, Limit: made.limit, State: got.New.state()}
		return nil
	}, &old.doubtful)
	o.pool.changed(target{id: old.id, secret: old.secret})
	if made != nil {
		o.made(made)
		o.keys[i] = made
	} else if a.status == http.StatusConflict {
		old.doubtful = true // something that was not answered took effect
	}
}

// made lets a new key be checked, and remembers its plaintext for the end.
func (o *owner) made(k *owned) {
	switch {
	case k == nil:
	case k.limit > 0:
		o.pool.addLimited(target{id: k.id, secret: k.secret}, k.chain)
	default:
		o.pool.add(target{id: k.id, secret: k.secret})
	}
}
