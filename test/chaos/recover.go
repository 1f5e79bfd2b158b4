package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/keypin/keypin/test/chaos/check"
)

const (
	// recoveryPatience is how long a node is asked whether it is as before: longer than
	// it may take, so that the log tells how long it took.
	recoveryPatience = 15 * time.Second
	// askPatience is how long one of these questions may take.
	askPatience = 1500 * time.Millisecond
)

// recover asks every node until it is as before, and logs when it was.
func (w *world) recover(ctx context.Context, ended time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, recoveryPatience)
	defer cancel()
	asks := map[string]func(context.Context, *clients) bool{check.Verifies: w.verifies, check.Creates: w.creates, check.Fresh: w.fresh, check.Limits: w.limits}
	var mu sync.Mutex
	took := map[string]time.Duration{}
	var running sync.WaitGroup
	for _, c := range w.clients {
		for _, what := range w.needs {
			running.Go(func() {
				at := w.recovered(ctx, c, what, asks[what])
				mu.Lock()
				took[what] = max(took[what], at-ended)
				mu.Unlock()
			})
		}
	}
	running.Wait()
	line := ""
	for _, what := range w.needs {
		line += fmt.Sprintf("  %s %.2f s", what, took[what].Seconds())
	}
	say(w.out, "%7.2f s         as before:%s\n", w.record.now().Seconds(), line)
}

// recovered asks a node until it answers as it should, and gives when it did.
func (w *world) recovered(ctx context.Context, c *clients, what string, ask func(context.Context, *clients) bool) time.Duration {
	for ctx.Err() == nil {
		e := check.Entry{Kind: check.Recovered, Node: c.node, What: what, Begin: w.record.now()}
		once, cancel := context.WithTimeout(ctx, askPatience)
		ok := ask(once, c)
		cancel()
		if e.End = w.record.now(); ok {
			w.record.add(e)
			return e.End
		}
		pause(ctx, 30*time.Millisecond)
	}
	return w.record.now()
}

func (w *world) verifies(ctx context.Context, c *clients) bool {
	a := c.check(ctx, door{"verify", (*clients).verify}, w.good)
	return a.status == http.StatusOK && a.code == "valid"
}

// creates makes a key at this node, which is one more to be there in the end.
func (w *world) creates(ctx context.Context, c *clients) bool {
	e := check.Entry{Kind: check.Change, Change: "create", Node: c.node, Door: "manage", Begin: w.record.now()}
	a := c.send(ctx, http.MethodPost, c.at.URL()+keysPath, c.token, body(map[string]any{"name": "as before", "scopes": narrow()}))
	e.End = w.record.now()
	var k key
	if a.status == http.StatusCreated {
		if err := decode(a, &k); err != nil {
			a = answer{status: http.StatusInternalServerError, why: err.Error()}
		} else {
			e.New = &check.NewKey{Key: k.ID, Chain: k.ID, State: k.state()}
			w.pool.add(target{id: k.ID, secret: k.Secret})
		}
	}
	a.enter(&e)
	w.record.add(e)
	return a.status == http.StatusCreated
}

// fresh reports whether the node trusts what it remembers.
func (w *world) fresh(ctx context.Context, c *clients) bool {
	a := c.send(ctx, http.MethodGet, c.at.DataURL()+"/metrics", "", "")
	age, ok := figure(a.body, "keypin_freshness_age_seconds")
	return a.status == http.StatusOK && ok && age < 1
}

// limits reports whether the node decides about a key with a limit.
func (w *world) limits(ctx context.Context, c *clients) bool {
	a := c.check(ctx, door{"verify", (*clients).verify}, w.limited)
	return a.code == "valid" || a.code == "rate_limited"
}

// figure reads a value out of the metrics.
func figure(metrics []byte, name string) (float64, bool) {
	for lines := bufio.NewScanner(bytes.NewReader(metrics)); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			return v, err == nil
		}
	}
	return 0, false
}

// finalWorkers ask each node at the end.
const finalWorkers = 6

// finish asks every node about every key that there ever was.
func (w *world) finish(ctx context.Context) {
	var ids []string
	for _, e := range w.record.all() {
		if e.Kind == check.Change && e.New != nil {
			ids = append(ids, e.New.Key)
		}
	}
	ids = slices.Compact(ids)
	say(w.out, "%7.2f s  asking every node about %d keys\n", w.record.now().Seconds(), len(ids))
	var running sync.WaitGroup
	for _, c := range w.clients {
		for i := range finalWorkers {
			running.Go(func() {
				for j := i; j < len(ids); j += finalWorkers {
					w.view(ctx, c, ids[j])
				}
			})
		}
	}
	running.Wait()
}

// view logs what a node shows of a key, and what it answers to its plaintext.
func (w *world) view(ctx context.Context, c *clients, id string) {
	e := check.Entry{Kind: check.Final, Node: c.node, Door: "manage", Key: id, Begin: w.record.now()}
	a := c.send(ctx, http.MethodGet, c.at.URL()+keysPath+"/"+id, c.token, "")
	e.End = w.record.now() // what follows is asked later, of a state that does not change any more
	var k key
	if a.status == http.StatusOK && decode(a, &k) == nil {
		seen := k.state()
		e.Seen = &seen
	}
	w.pool.mu.Lock()
	secret := w.pool.secrets[id]
	w.pool.mu.Unlock()
	verified := outcome(c.send(ctx, http.MethodPost, c.at.DataURL()+verifyPath, "", question(secret, nil, 0)))
	a.enter(&e)
	if e.Code = verified.code; e.Code == "" {
		e.Code = "not_found" // no answer of the verification is one that is lost
	}
	w.record.add(e)
}
