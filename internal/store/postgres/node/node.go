package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	// pingEvery is from the begin of a ping to the begin of the next one.
	pingEvery = 250 * time.Millisecond
	// pingWithin bounds a ping. One that began so long ago is of little use when it
	// succeeds, and a connection that is open at this end only is noticed by it.
	pingWithin = 800 * time.Millisecond
	// dialWithin bounds an attempt to connect: an address that nobody answers at must not
	// hold up the return. Listening and the first ping have pingWithin each.
	dialWithin = time.Second
	// startWithin bounds each step of Start, which has more time than a reconnection.
	startWithin = 5 * time.Second
	// compareEvery is how often the settings of the other nodes are looked at again.
	compareEvery = 10 * time.Second
	// leaveWithin bounds how long Close tries to take the node's row away.
	leaveWithin = time.Second

	firstBackoff = 20 * time.Millisecond
	maxBackoff   = 250 * time.Millisecond
)

// Options say who a node is and whom it tells of changes.
type Options struct {
	// URL is PostgreSQL's, of a connection that goes to the server itself. It may name
	// several hosts; the one that takes commits is found.
	URL keypin.Secret
	// Field is the setting that URL is of, for messages: database (also when empty) or
	// database_listen.
	Field string
	// Name and Version tell people which node it is.
	Name, Version string
	// Settings are fingerprints of what nodes should agree on, by the setting's name.
	// Every node can read them: nothing that could be guessed from its hash belongs here.
	Settings map[string]string
	// MustAgree are the settings on which a difference to a living node refuses the
	// start. A difference in another one is flagged.
	MustAgree []string
	// Follower is told of every change, one after the other, in the order of the commits.
	Follower keypin.Follower
	Clock    keypin.Clock
	Random   io.Reader
	Logger   *slog.Logger

	// Dial takes the place of PostgreSQL in a simulation; nil = PostgreSQL at URL.
	Dial Dial
}

// Node is this process among those that share a database. It is a verify.Freshness,
// and safe for concurrent use.
type Node struct {
	options Options
	row     Row
	dial    Dial
	hosts   int // how many attempts reach every host of the URL
	random  *jitter

	last     atomic.Pointer[proof]  // nil = no ping succeeded yet
	timeline atomic.Pointer[string] // of the server that is listened to, or was last
	count    atomic.Int64
	disagree atomic.Pointer[[]string]
	stats    counters

	flagged map[flag]bool // differences that were logged; of the goroutine that runs the loop
	stop    context.CancelFunc
	done    chan struct{}
	closing sync.Once
}

// proof is a ping that succeeded.
type proof struct {
	began    time.Time
	timeline string // of the server that it succeeded on
}

// counters are Stats under way.
type counters struct {
	connected                                            atomic.Bool
	connections, failures, pings, notifications, emptied atomic.Uint64
}

// Stats says how a Node fares. All of it counts since Start.
type Stats struct {
	Connected     bool   // the last ping, or attempt to connect, succeeded
	Reconnections uint64 // connections after the first
	Failures      uint64 // connections lost, and attempts that failed
	Pings         uint64 // that succeeded
	Notifications uint64 // that were read
	Emptied       uint64 // times that everything was forgotten because changes may have been missed
}

// Start registers the node, compares its settings with those of the nodes that live,
// listens, and returns once the first ping succeeded. Its errors name the setting to
// change; none shows a password.
func Start(ctx context.Context, options Options) (*Node, error) {
	if options.Field == "" {
		options.Field = "database"
	}
	id, err := keypin.NewID(options.Clock(), options.Random)
	if err != nil {
		return nil, err
	}
	n := &Node{
		options: options, dial: options.Dial, hosts: 1, flagged: map[flag]bool{}, done: make(chan struct{}),
		row: Row{ID: id, Name: options.Name, Version: options.Version, Settings: options.Settings},
	}
	n.count.Store(1)
	if n.random, err = newJitter(options.Random); err != nil {
		return nil, err
	}
	if n.dial == nil {
		if n.dial, n.hosts, err = dialer(options.URL, options.Field); err != nil {
			return nil, err
		}
	}
	session, err := n.first(ctx)
	if err != nil {
		return nil, err
	}
	if err := n.compareAtStart(ctx, session); err != nil {
		n.leave(session)
		return nil, err
	}
	loop, stop := context.WithCancel(context.WithoutCancel(ctx)) //nolint:gosec // Close calls it
	n.stop = stop
	go n.run(loop, session)
	return n, nil
}

// first connects to the first host that takes the node.
func (n *Node) first(ctx context.Context) (*known, error) {
	var errs []error
	for range n.hosts {
		session, err := n.connect(ctx, startWithin, startWithin)
		if err == nil {
			return session, nil
		}
		errs = append(errs, explain(n.options.Field, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// compareAtStart refuses a node that would contradict the others.
func (n *Node) compareAtStart(ctx context.Context, session *known) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	others, err := session.Others(ctx)
	if err != nil {
		return explain(n.options.Field, err)
	}
	var errs []error
	for _, d := range n.compare(others) {
		if d.must {
			errs = append(errs, fmt.Errorf("%s: differs from that of node %q (version %s), which uses the same database: "+
				"give every node the same one, or end that node first (a node that was killed is forgotten after %s)",
				d.setting, d.other.Name, d.other.Version, livingWithin))
		}
	}
	return errors.Join(errs...)
}

// AsOf is when the last successful ping began: every change that was answered before it
// has been told to the Follower. It is told on now's own clock in such a way that the
// time since is the larger of what the steady clock and the clock on the wall say: a
// machine that slept stops the former, and somebody may set the latter back. Before the
// first ping it is the zero time.
func (n *Node) AsOf(now time.Time) time.Time {
	last := n.last.Load()
	if last == nil {
		return time.Time{}
	}
	if wall := now.Round(0).Sub(last.began.Round(0)); wall > now.Sub(last.began) {
		return now.Add(-wall)
	}
	return last.began
}

// Vouches reports whether what was just read from a server may be remembered while AsOf
// is recent: whether the server, by its timeline, is the one that the last ping succeeded
// on, and that is listened to. A primary that was cut off from its synchronous standby
// still answers reads, from before what its successor commits. It must be asked after
// the read: then either it is false, or the Follower is emptied later.
func (n *Node) Vouches(timeline string) bool {
	last, listening := n.last.Load(), n.timeline.Load()
	return last != nil && last.timeline == timeline && *listening == timeline
}

// Count is how many nodes were seen within the last five seconds, this one among them.
// While the database is away it is the last number known.
func (n *Node) Count() int { return int(n.count.Load()) }

// Disagree are the settings in which a living node differs, sorted.
func (n *Node) Disagree() []string {
	if names := n.disagree.Load(); names != nil {
		return *names
	}
	return nil
}

// Stats counts.
func (n *Node) Stats() Stats {
	s := Stats{
		Connected: n.stats.connected.Load(), Failures: n.stats.failures.Load(), Pings: n.stats.pings.Load(),
		Notifications: n.stats.notifications.Load(), Emptied: n.stats.emptied.Load(),
	}
	if c := n.stats.connections.Load(); c > 0 {
		s.Reconnections = c - 1
	}
	return s
}

// Close ends the listening and takes the node's row away, if the database answers
// within a second. Afterwards AsOf stands still.
func (n *Node) Close() error {
	n.closing.Do(n.stop)
	<-n.done
	return nil
}
