package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keypin/keypin/test/measure"
)

const (
	// together are so many revocations under way at once.
	together = 4
	// alone are revoked one after the other.
	alone = 1_000
	// between is how soon after a request the next one goes to the same node, or as soon as
	// it is answered.
	between = time.Millisecond
	// bound is the time after a revocation was answered when no node may accept the key.
	bound = time.Second
	// giveUp is how long a node is asked that goes on accepting.
	giveUp = 5 * time.Second
)

// revocation is what was seen of one. Times are of the run.
type revocation struct {
	answered time.Duration
	// By node that was asked: when the key was refused, and what was accepted before.
	refused  [nodeCount - 1]time.Duration
	accepted [nodeCount - 1][]request
}

// request is when a request was sent and answered.
type request struct{ begin, end time.Duration }

// delay is from the answer until the last node has refused.
func (r *revocation) delay() time.Duration {
	var last time.Duration
	for _, at := range r.refused {
		last = max(last, at-r.answered)
	}
	return last
}

// late is how many requests were accepted that began after the bound.
func (r *revocation) late() (n int) {
	for _, accepted := range r.accepted {
		for _, a := range accepted {
			if a.begin > r.answered+bound {
				n++
			}
		}
	}
	return n
}

// doubt is by how much a delay may be shown too long: until a node's refusal was
// answered, it is not seen to refuse.
func (r *revocation) doubt() (longest time.Duration) {
	for i, accepted := range r.accepted {
		if len(accepted) > 0 {
			longest = max(longest, r.refused[i]-accepted[len(accepted)-1].begin)
		}
	}
	return longest
}

// revoke measures how soon a revocation that one node answers holds on the others.
func (b *bench) revoke(ctx context.Context) (rows []row, err error) {
	single := min(alone, b.revocations)
	keys, err := b.keys(ctx, b.revocations+single, 0)
	if err != nil {
		return nil, err
	}
	for _, group := range []struct {
		keys []key
		at   int
	}{{keys[:b.revocations], together}, {keys[b.revocations:], 1}} {
		began := time.Now()
		seen, err := b.revokeAll(ctx, group.keys, group.at)
		if err != nil {
			return nil, err
		}
		took := time.Since(began)
		wait(time.Now().Add(bound))
		again, err := b.accepted(ctx, group.keys)
		if err != nil {
			return nil, err
		}
		rows = append(rows, delays(seen, group.at, took, again)...)
	}
	return rows, nil
}

func delays(seen []revocation, together int, took time.Duration, again int) []row {
	all, doubts := make([]time.Duration, len(seen)), make([]time.Duration, len(seen))
	late, zero := 0, 0
	for i := range seen {
		all[i], doubts[i] = seen[i].delay(), seen[i].doubt()
		late += seen[i].late()
		if all[i] == 0 {
			zero++
		}
	}
	longest := percentile(all, 100)
	what := fmt.Sprintf("%s revocations, %d at once", measure.Grouped(len(seen)), together)
	return []row{
		{
			what + ": from the answer until the last of two other nodes refuses",
			fmt.Sprintf("p50 %s, p99 %s, at most %s", measure.Milliseconds(percentile(all, 50)), measure.Milliseconds(percentile(all, 99)), measure.Milliseconds(longest)),
			fmt.Sprintf("seen to %s (p99 %s); refused before the answer: %s; %.0f revocations a second",
				measure.Milliseconds(percentile(doubts, 50)), measure.Milliseconds(percentile(doubts, 99)), share(float64(zero)/float64(len(seen))), float64(len(seen))/took.Seconds()),
			measure.Judged("≤ 1 s", longest <= bound),
		},
		{
			what + ": accepted in requests that began 1 s after the answer, or later", measure.Grouped(late + again),
			fmt.Sprintf("each key was asked about again at each of %d nodes", nodeCount), measure.Judged("0", late+again == 0),
		},
	}
}

// revokeAll revokes the keys, so many at once.
func (b *bench) revokeAll(ctx context.Context, keys []key, at int) ([]revocation, error) {
	seen, errs := make([]revocation, len(keys)), make([]error, at)
	var next atomic.Int64
	began := time.Now()
	var running sync.WaitGroup
	for i := range at {
		running.Go(func() {
			r, err := b.newRevoker(ctx, began)
			if err != nil {
				errs[i] = err
				return
			}
			defer r.close()
			for k := int(next.Add(1)) - 1; k < len(keys) && errs[i] == nil; k = int(next.Add(1)) - 1 {
				seen[k], errs[i] = r.revoke(keys[k])
				errs[i] = errors.Join(errs[i], ctx.Err())
			}
		})
	}
	running.Wait()
	return seen, first(errs)
}

// revoker revokes keys at the first node and watches the others.
type revoker struct {
	*service
	began  time.Time
	manage *measure.Connection
	watch  []*measure.Connection // of the data listeners, the first node's first
}

func (b *bench) newRevoker(ctx context.Context, began time.Time) (*revoker, error) {
	watch, err := b.dial(ctx, nodeCount)
	if err != nil {
		return nil, err
	}
	manage, err := measure.Dial(ctx, b.Nodes[0].Listen)
	if err != nil {
		hangUp(watch)
		return nil, err
	}
	return &revoker{b.service, began, manage, watch}, nil
}

func (r *revoker) close() {
	r.manage.Close()
	hangUp(r.watch)
}

// revoke revokes a key that every node remembers, while the other nodes are asked about
// it one time after the other.
func (r *revoker) revoke(k key) (v revocation, err error) {
	for node, c := range r.watch {
		for range 2 { // the second is answered from what the node remembers
			if code, err := ask(c, r.request(node, k)); err != nil || code != "valid" {
				return v, errors.Join(fmt.Errorf("a new key ends with %q", code), err)
			}
		}
	}
	errs := make([]error, nodeCount-1)
	var begun, running sync.WaitGroup
	begun.Add(nodeCount - 1)
	for i := range nodeCount - 1 {
		running.Go(func() {
			v.refused[i], v.accepted[i], errs[i] = r.awaitRefusal(i+1, k, begun.Done)
		})
	}
	begun.Wait()
	_, err = r.manage.Do(measure.NewRequest(r.Nodes[0].Listen, r.Token, http.MethodDelete, "/api/v1/api-keys/"+k.id, ""), http.StatusOK)
	v.answered = time.Since(r.began)
	running.Wait()
	return v, errors.Join(err, first(errs))
}

// awaitRefusal asks a node about the key until it refuses. Begun is called after the
// first answer.
func (r *revoker) awaitRefusal(node int, k key, begun func()) (refused time.Duration, accepted []request, err error) {
	q := r.request(node, k)
	from := time.Since(r.began)
	once := sync.OnceFunc(begun)
	defer once()
	for {
		at := time.Now()
		code, err := ask(r.watch[node], q)
		begin, end := at.Sub(r.began), time.Since(r.began)
		switch {
		case err != nil:
			return 0, nil, err
		case code == "revoked":
			return end, accepted, nil
		case code != "valid":
			return 0, nil, fmt.Errorf("a key that is being revoked ends with %q", code)
		case end-from > giveUp:
			return 0, nil, fmt.Errorf("%s still accepts a revoked key after %s", r.Nodes[node].Name, giveUp)
		}
		accepted = append(accepted, request{begin, end})
		once()
		wait(at.Add(between))
	}
}

// accepted asks every node about every key, and counts what is not refused.
func (b *bench) accepted(ctx context.Context, keys []key) (accepted int, err error) {
	counts, errs := make([]int, nodeCount), make([]error, nodeCount)
	clients, err := b.dial(ctx, nodeCount)
	if err != nil {
		return 0, err
	}
	defer hangUp(clients)
	var running sync.WaitGroup
	for node, c := range clients {
		running.Go(func() {
			for _, k := range keys {
				code, err := ask(c, b.request(node, k))
				switch {
				case err != nil:
					errs[node] = err
					return
				case code != "revoked":
					counts[node]++
				}
			}
		})
	}
	running.Wait()
	for _, n := range counts {
		accepted += n
	}
	return accepted, first(errs)
}
