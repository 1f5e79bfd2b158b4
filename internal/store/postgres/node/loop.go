package node

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"time"
)

// run keeps a session until the node is closed.
func (n *Node) run(ctx context.Context, session *known) {
	defer close(n.done)
	compared := n.options.Clock()
	for pause := firstBackoff; ; {
		if session != nil {
			pause = firstBackoff
			err := n.follow(ctx, session, &compared)
			if ctx.Err() != nil {
				n.leave(session)
				return
			}
			session.Close()
			session = nil
			n.failed("The listening connection to the database was lost", err)
		}
		if !n.sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, maxBackoff)
		next, err := n.connect(ctx, dialWithin, pingWithin)
		switch {
		case err == nil:
			session = next
			n.options.Logger.Info("Listening to the database again")
		case ctx.Err() == nil:
			n.failed("The database cannot be listened to", err)
		}
	}
}

// connect makes a session that hears of every change from now on, and tells the
// Follower to forget what it knew, since changes may have been missed. The order is the
// argument: listen, then forget, then ping.
func (n *Node) connect(ctx context.Context, dial, within time.Duration) (_ *known, err error) {
	dialling, cancel := context.WithTimeout(ctx, dial)
	defer cancel()
	var broken error // what heard could not tell the Follower
	session, err := n.dial(dialling, n.row, func(payload string) {
		if err := n.heard(payload); err != nil && broken == nil {
			broken = err
		}
	})
	if err != nil {
		return nil, err
	}
	known := &known{Session: session, broken: &broken}
	defer func() {
		if err != nil {
			known.Close()
		}
	}()
	listening, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	if known.timeline, err = known.Listen(listening); err != nil {
		return nil, err
	}
	n.timeline.Store(&known.timeline) // before the Follower is emptied: see Vouches
	if err := n.empty(); err != nil {
		return nil, err
	}
	if err := n.ping(ctx, known, within); err != nil {
		return nil, err
	}
	n.stats.connections.Add(1)
	return known, nil
}

// follow pings and reads notifications until the session fails or the node is closed.
func (n *Node) follow(ctx context.Context, session *known, compared *time.Time) error {
	for {
		// A goroutine that could not run for a while pings at once: the deadline is past.
		next, cancel := context.WithDeadline(ctx, n.due())
		err := session.Wait(next)
		cancel()
		if err != nil || ctx.Err() != nil {
			return err
		}
		if err := n.ping(ctx, session, pingWithin); err != nil {
			return err
		}
		if now := n.options.Clock(); now.Sub(*compared) >= compareEvery {
			*compared = now
			if err := n.compareAgain(ctx, session); err != nil {
				return err
			}
		}
	}
}

// due is when the next ping should begin.
func (n *Node) due() time.Time {
	now := n.options.Clock()
	return time.Now().Add(pingEvery - now.Sub(n.AsOf(now)))
}

// ping pings, within the time given. AsOf moves to the ping's begin, and only when it succeeded: what was
// answered while it was under way may not have been heard of.
func (n *Node) ping(ctx context.Context, session *known, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	began := n.options.Clock()
	nodes, err := session.Ping(ctx)
	if err != nil {
		return fmt.Errorf("the ping failed: %w", err)
	}
	n.last.Store(&proof{began, session.timeline})
	n.count.Store(int64(max(nodes, 1)))
	n.stats.pings.Add(1)
	n.stats.connected.Store(true)
	return nil
}

// compareAgain looks at the settings of the nodes that live now.
func (n *Node) compareAgain(ctx context.Context, session *known) error {
	ctx, cancel := context.WithTimeout(ctx, pingWithin)
	defer cancel()
	others, err := session.Others(ctx)
	if err == nil {
		n.compare(others)
	}
	return err
}

// leave takes the node's row away, as well as it can be done in a second.
func (n *Node) leave(session *known) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	if err := session.Leave(ctx); err != nil {
		n.options.Logger.Warn("The node could not sign off; the others forget it in ten seconds", slog.Any("error", err))
	}
	session.Close()
}

// failed notes that the database cannot be listened to.
func (n *Node) failed(message string, err error) {
	n.stats.failures.Add(1)
	if n.stats.connected.Swap(false) {
		n.options.Logger.Warn(message, slog.Any("error", explain(n.options.Field, err)))
	}
}

// sleep waits for about as long, between half and all of it: nodes that lost the same
// server do not return as one. It reports whether the node is still wanted.
func (n *Node) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d/2 + time.Duration(n.random.Int64N(int64(d/2)+1)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// known is a session that listens to a server whose timeline is known. Its next call
// fails once the Follower could not be told of a change.
type known struct {
	Session
	timeline string
	broken   *error
}

// Ping pings, and fails when the Follower does not know all.
func (k *known) Ping(ctx context.Context) (int, error) {
	nodes, err := k.Session.Ping(ctx)
	if err == nil {
		err = *k.broken
	}
	return nodes, err
}

// Wait waits, and fails when the Follower does not know all.
func (k *known) Wait(ctx context.Context) error {
	if err := k.Session.Wait(ctx); err != nil {
		return err
	}
	return *k.broken
}

// jitter is randomness that need not be secret.
type jitter struct{ *rand.Rand }

func newJitter(random io.Reader) (*jitter, error) {
	var seed [16]byte
	if _, err := io.ReadFull(random, seed[:]); err != nil {
		return nil, fmt.Errorf("reading randomness for the node's pauses: %w", err)
	}
	source := rand.NewPCG(binary.LittleEndian.Uint64(seed[:8]), binary.LittleEndian.Uint64(seed[8:]))
	return &jitter{rand.New(source)}, nil //nolint:gosec // pauses between attempts are no secret
}
