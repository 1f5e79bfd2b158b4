package freshness_test

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// fault does something that the nodes must withstand.
func (w *world) fault(random *rand.Rand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m := w.nodes[random.IntN(len(w.nodes))]
	s := w.servers[random.IntN(len(w.servers))]
	l := m.links[random.IntN(len(m.links))]
	until := time.Now().Add(time.Duration(random.Int64N(int64(3 * time.Second))))
	switch random.IntN(9) {
	case 0: // SIGSTOP, or a very long collection of garbage
		m.stoppedUntil = later(m.stoppedUntil, until)
	case 1: // the machine sleeps, or somebody sets its clock
		if m.sleeps {
			m.slept += max(0, time.Until(until)-max(0, time.Until(m.stoppedUntil)))
			m.stoppedUntil = later(m.stoppedUntil, until)
		} else {
			m.stepped += time.Duration(random.Int64N(int64(4*time.Second))) - 2*time.Second
		}
	case 2:
		l.stalledUntil = until
	case 3: // every connection is half-open
		l.deadUntil = until
	case 4: // reset
		for _, s := range w.servers {
			for b := range s.listeners {
				if b.down.link == l {
					b.down.fail(errLost)
				}
			}
		}
	case 5:
		s.stalledUntil = until
	case 6: // restart
		if s.up {
			s.end()
			s.up = false
			time.AfterFunc(time.Until(until), func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				s.begin()
			})
		}
	default:
		w.failover(random, until)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// failover promotes the standby. With a synchronous standby the old primary may go on
// for a while, cut off; without, it is ended first, and what the standby did not have is
// lost. w.mu is held.
func (w *world) failover(random *rand.Rand, until time.Time) {
	if len(w.servers) == 1 || w.partitioned {
		return
	}
	old := w.servers[0]
	if !old.primary {
		old = w.servers[1]
	}
	promoted := w.other(old)
	if !old.up || !promoted.up {
		return
	}
	demote := func() {
		old.end()
		old.begin()
		old.primary = false
		old.log = nil
		old.state = map[int]uint64{}
		for k, id := range promoted.state {
			old.state[k] = id
		}
		for _, e := range promoted.queue { // what is being written now streams to it too
			old.state[e.key] = max(old.state[e.key], e.id)
		}
		w.partitioned = false
		promoted.synchronous = w.synchronous // it has a standby again
	}
	promoted.synchronous = false
	if w.synchronous {
		w.partitioned = true
		if random.IntN(2) == 0 {
			demote()
		} else {
			time.AfterFunc(time.Until(until)+time.Second, func() {
				w.mu.Lock()
				defer w.mu.Unlock()
				demote()
			})
		}
	} else {
		w.lose(old, promoted, time.Now().Add(-time.Duration(random.Int64N(int64(300*time.Millisecond)))))
		demote()
	}
	w.timelines++
	promoted.end()
	promoted.begin()
	promoted.primary, promoted.timeline = true, fmt.Sprint(w.timelines)
}

// lose gives the standby what was committed until then, and takes what was answered later
// from what is promised.
func (w *world) lose(old, promoted *server, until time.Time) {
	lost := map[uint64]bool{}
	for _, c := range old.log {
		if c.at.Before(until) {
			promoted.state[c.key] = c.id
		} else {
			lost[c.id] = true
		}
	}
	promoted.log = nil
	for key, all := range w.answered {
		w.answered[key] = nil
		for _, c := range all {
			if !lost[c.id] {
				w.answered[key] = append(w.answered[key], c)
			}
		}
	}
}
