package freshness_test

import (
	"context"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/node"
)

// link is the way between a node and a server. Of w.mu.
type link struct {
	stalledUntil time.Time // nothing arrives; nothing is lost
	deadUntil    time.Time // what is sent is lost, and so is every connection
}

// pipe carries messages in their order, in one direction of one connection. Of w.mu.
type pipe struct {
	w      *world
	random *rand.Rand
	link   *link
	queue  []message
	last   time.Time
	err    error // at once
	dead   bool  // nothing arrives any more, and nobody says so
	wake   chan struct{}
}

type message struct {
	at   time.Time
	what any
}

func (p *pipe) send(what any) {
	if p.dead || time.Now().Before(p.link.deadUntil) {
		p.dead = true
		return
	}
	at := time.Now().Add(p.w.moment(p.random))
	if at.Before(p.last) {
		at = p.last
	}
	p.last = at
	p.queue = append(p.queue, message{at, what})
	p.poke()
}

func (p *pipe) fail(err error) {
	if !p.dead {
		p.err = err
		p.poke()
	}
}

func (p *pipe) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// receive gives the next message when it has arrived.
func (p *pipe) receive(ctx context.Context) (any, error) {
	for {
		p.w.mu.Lock()
		wait := time.Hour
		if len(p.queue) > 0 && !p.dead {
			at := p.queue[0].at
			if p.link.stalledUntil.After(at) {
				at = p.link.stalledUntil
			}
			if wait = time.Until(at); wait <= 0 {
				what := p.queue[0].what
				p.queue = p.queue[1:]
				p.w.mu.Unlock()
				return what, nil
			}
		} else if p.err != nil {
			p.w.mu.Unlock()
			return nil, p.err
		}
		p.w.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-p.wake:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
		timer.Stop()
	}
}

// session is a node.Session on the simulated server.
type session struct {
	p          *process
	b          *backend
	up         *link
	down, side *pipe
	heard      func(string)
	random     *rand.Rand
}

// reach waits for the way to a server, and gives the life that the server is in.
func (w *world) reach(ctx context.Context, s *server, l *link, random *rand.Rand) (life int, err error) {
	for {
		w.mu.Lock()
		d := max(time.Until(l.stalledUntil), time.Until(l.deadUntil), time.Until(s.stalledUntil))
		life, up, delay := s.life, s.up, w.moment(random)
		w.mu.Unlock()
		if d <= 0 && !up {
			return 0, errLost
		}
		pause := time.NewTimer(max(d, delay))
		select {
		case <-ctx.Done():
			pause.Stop()
			return 0, ctx.Err()
		case <-pause.C:
		}
		if d <= 0 {
			return life, nil
		}
	}
}

// dialer takes the servers in turn, as the one for PostgreSQL does.
func (w *world) dialer(p *process, links []*link, random *rand.Rand) node.Dial {
	attempt := 0
	return func(ctx context.Context, _ node.Row, heard func(string)) (node.Session, error) {
		k := attempt % len(w.servers)
		attempt++
		life, err := w.reach(ctx, w.servers[k], links[k], random)
		p.run()
		if err != nil {
			return nil, err
		}
		down := &pipe{w: w, random: random, link: links[k], wake: make(chan struct{}, 1)}
		side := &pipe{w: w, random: random, link: links[k], wake: make(chan struct{}, 1)}
		b := &backend{s: w.servers[k], life: life, down: down}
		return w.saboteur(&session{p: p, b: b, up: links[k], down: down, side: side, heard: heard, random: random}), nil
	}
}

// ask sends a query on its way to the server.
func (s *session) ask(serve func()) {
	s.p.w.mu.Lock()
	d := max(s.p.w.moment(s.random), time.Until(s.up.stalledUntil))
	lost := s.down.dead || time.Now().Before(s.up.deadUntil)
	s.down.dead = lost
	s.p.w.mu.Unlock()
	if !lost {
		time.AfterFunc(d, serve)
	}
}

func (s *session) Listen(ctx context.Context) (string, error) {
	s.p.run()
	s.ask(s.b.listen)
	what, err := s.until(ctx, s.down, func(what any) bool { _, ok := what.(listening); return ok })
	if err != nil {
		return "", err
	}
	return string(what.(listening)), nil
}

func (s *session) Ping(ctx context.Context) (int, error) {
	answer := s.down
	if s.p.w.sabotage == pingsElsewhere {
		answer = s.side
	}
	s.p.run()
	s.ask(func() { s.b.ping(answer) })
	_, err := s.until(ctx, answer, func(what any) bool { _, ok := what.(pong); return ok })
	s.p.run()
	return 1, err
}

func (s *session) Wait(ctx context.Context) error {
	_, err := s.until(ctx, s.down, func(any) bool { return false })
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// until reads messages until the right one. Notifications are handed over.
func (s *session) until(ctx context.Context, from *pipe, right func(any) bool) (any, error) {
	for {
		what, err := from.receive(ctx)
		s.p.run()
		if err != nil {
			return nil, err
		}
		switch what := what.(type) {
		case error:
			return nil, what
		case commit:
			hash := hashOf(what.key)
			s.heard("key " + hex.EncodeToString(hash[:]))
		}
		if right(what) {
			return what, nil
		}
	}
}

func (s *session) Others(context.Context) ([]node.Row, error) { return nil, nil }
func (s *session) Leave(context.Context) error                { return nil }

func (s *session) Close() {
	s.p.w.mu.Lock()
	defer s.p.w.mu.Unlock()
	delete(s.b.s.listeners, s.b)
	s.b.listening = false
}

func hashOf(key int) keypin.KeyHash { return keypin.KeyHash{byte(key), 1} }
