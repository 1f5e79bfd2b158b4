package freshness_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// server is a PostgreSQL. Its fields are of w.mu.
type server struct {
	w            *world
	random       *rand.Rand
	timeline     string
	primary, up  bool
	synchronous  bool // commits wait for the other server
	life         int  // another one after each start and each demotion
	stalledUntil time.Time
	state        map[int]uint64 // what is committed and visible: the last change of each key
	log          []commit
	queue        []*entry
	listeners    map[*backend]bool
	notifying    chan struct{} // the lock on "database 0"
}

type commit struct {
	key int
	id  uint64
	at  time.Time
}

// entry is one notification in the queue.
type entry struct {
	commit
	committed bool
}

// backend serves one session.
type backend struct {
	s         *server
	life      int
	pos       int // in the queue
	listening bool
	pending   bool // notifyInterruptPending
	down      *pipe
}

var errLost = errors.New("the connection was lost")

// begin makes the server run, with an empty queue and no sessions.
func (s *server) begin() {
	s.life++
	s.up = true
	s.queue, s.listeners, s.notifying = nil, map[*backend]bool{}, make(chan struct{}, 1)
}

// end ends every session of the server.
func (s *server) end() {
	s.life++
	for b := range s.listeners {
		b.down.fail(errLost)
	}
	s.listeners = map[*backend]bool{}
}

// step lets a moment pass on the server, and reports whether it is still the same life.
func (s *server) step(life int) bool {
	s.w.mu.Lock()
	d := s.w.moment(s.random)
	s.w.mu.Unlock()
	time.Sleep(d)
	return s.awake(life)
}

// awake waits while the server is stalled.
func (s *server) awake(life int) bool {
	for {
		s.w.mu.Lock()
		d, same := time.Until(s.stalledUntil), s.life == life && s.up
		s.w.mu.Unlock()
		if d <= 0 || !same {
			return same
		}
		time.Sleep(d)
	}
}

// replicated waits until the standby has what was committed, where there has to be one.
func (s *server) replicated(ctx context.Context, life int, c *commit) bool {
	for waits := true; waits; {
		s.w.mu.Lock()
		other := s.w.other(s)
		ok := s.synchronous && s.life == life && other.up && !other.primary && !s.w.partitioned
		if ok && c != nil {
			other.state[c.key] = c.id
		}
		waits = s.synchronous && !ok
		s.w.mu.Unlock()
		if !waits {
			break
		}
		time.Sleep(10 * time.Millisecond)
		if !s.awake(life) || ctx.Err() != nil {
			return false
		}
	}
	return s.step(life)
}

// change commits a change of a key with its notification, as PostgreSQL's backend does:
// queue, write, wait for the standby, become visible, signal, answer.
func (s *server) change(key int) {
	s.w.mu.Lock()
	life, lock := s.life, s.notifying
	ok := s.up && s.primary
	s.w.mu.Unlock()
	if !ok || !s.step(life) {
		return
	}
	select {
	case lock <- struct{}{}:
	case <-s.w.ctx.Done():
		return
	}
	s.w.mu.Lock()
	if s.life != life || !s.primary {
		s.w.mu.Unlock()
		return
	}
	s.w.lastID++
	e := &entry{commit: commit{key: key, id: s.w.lastID}}
	s.queue = append(s.queue, e)
	s.w.mu.Unlock()
	if !s.step(life) || !s.replicated(s.w.ctx, life, &e.commit) {
		return // its outcome is unknown, and it is not answered
	}
	s.w.mu.Lock()
	if s.life != life {
		s.w.mu.Unlock()
		return
	}
	e.at = time.Now()
	s.state[key] = e.id
	s.log = append(s.log, e.commit)
	e.committed = true
	<-lock
	s.w.mu.Unlock()
	if !s.step(life) {
		return
	}
	s.signal()
	if !s.step(life) {
		return
	}
	s.w.mu.Lock()
	s.w.answered[key] = append(s.w.answered[key], commit{key, e.id, time.Now()})
	s.w.mu.Unlock()
}

// signal interrupts the backends that listen; each reads the queue when it comes to it.
func (s *server) signal() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	for b := range s.listeners {
		b.pending = true
		time.AfterFunc(s.w.moment(s.random), func() {
			if s.awake(b.life) {
				b.deliver()
			}
		})
	}
}

// deliver sends what is in the queue, up to the first change that is not committed yet.
func (b *backend) deliver() {
	b.s.w.mu.Lock()
	defer b.s.w.mu.Unlock()
	if !b.pending || !b.listening || b.life != b.s.life {
		return
	}
	b.pending = false
	for b.pos < len(b.s.queue) && b.s.queue[b.pos].committed {
		b.down.send(b.s.queue[b.pos].commit)
		b.pos++
	}
}

// listen begins behind what is committed.
func (b *backend) listen() {
	if !b.s.step(b.life) {
		return
	}
	b.s.w.mu.Lock()
	defer b.s.w.mu.Unlock()
	if !b.s.primary {
		b.down.send(errors.New("cannot execute LISTEN during recovery"))
		return
	}
	for b.pos < len(b.s.queue) && b.s.queue[b.pos].committed {
		b.pos++
	}
	b.listening = true
	b.s.listeners[b] = true
	b.down.send(listening(b.s.timeline))
}

type pong struct{}

// listening is the answer to LISTEN: the timeline.
type listening string

// ping commits, reads the queue if it was told to, and is ready for the next query.
func (b *backend) ping(answer *pipe) {
	if !b.s.step(b.life) {
		return
	}
	b.s.w.mu.Lock()
	primary := b.s.primary
	if !primary {
		answer.send(errors.New("cannot execute UPDATE in a read-only transaction"))
	}
	b.s.w.mu.Unlock()
	if !primary || b.s.w.sabotage != pingsWithoutCommit && !b.s.replicated(b.s.w.ctx, b.life, nil) {
		return
	}
	if answer == b.down {
		b.deliver()
	}
	b.s.w.mu.Lock()
	defer b.s.w.mu.Unlock()
	if b.s.life == b.life {
		answer.send(pong{})
	}
}
