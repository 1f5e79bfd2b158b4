package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	// pingEvery is how often a node proves what it knows: a few times within the bound, so
	// that one that is late costs nothing.
	pingEvery = 250 * time.Millisecond
	// answerWithin bounds each exchange with the server. A connection on which it takes
	// longer is given up; its pings would prove nothing any more.
	answerWithin = 800 * time.Millisecond
	// dialWithin bounds the making of a connection, which may try several hosts.
	dialWithin = 3 * time.Second

	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second

	// compareEvery is how often the other nodes' settings are looked at.
	compareEvery = 10 * time.Second
	// leaveWithin bounds the goodbye.
	leaveWithin = time.Second
)

// Options are what a Node is made of.
type Options struct {
	// URL is the server's own: no pooler that hands connections around.
	URL keypin.Secret
	// Setting is where the URL comes from, for errors: database or database_listen.
	Setting string
	Name    string // for people: the host and the address
	Version string
	// Settings are fingerprints, by name, of what all nodes have to agree on.
	Settings map[string]string
	// MustAgree are those of Settings without which a node does not start; a difference in
	// the others is told in the log and by Disagree.
	MustAgree []string
	// Follower is told of the changes that all nodes make.
	Follower keypin.Follower
	Clock    keypin.Clock
	Random   io.Reader
	Logger   *slog.Logger
	// Dial makes the connections; nil = to the PostgreSQL at URL.
	Dial Dialer
}

// Self is a node as the others see it.
type Self struct {
	ID       keypin.ID
	Name     string
	Version  string
	Settings map[string]string
}

// Session is a connection on which a node hears of changes. What is heard is told, in
// order, while one of its methods runs, and never else.
type Session interface {
	// Listen begins to hear.
	Listen(ctx context.Context) error
	// Others are the nodes that were seen lately, without self.
	Others(ctx context.Context, self keypin.ID) ([]Self, error)
	// Register writes down that the node is there, in place of what was written before.
	Register(ctx context.Context, self *Self) error
	// Ping commits that the node is there now, and counts the nodes that are. What was
	// committed before Ping began has been heard when it returns. known is false when
	// the node is not written down: then nothing was committed, and nothing is proven.
	Ping(ctx context.Context, self keypin.ID) (nodes int, known bool, err error)
	// Wait hears until something was, or ctx ends: then it is nil.
	Wait(ctx context.Context) error
	// Leave takes the node's row away.
	Leave(ctx context.Context, self keypin.ID) error
	Close()
}

// Dialer makes a Session that tells heard.
type Dialer func(ctx context.Context, heard func(payload string)) (Session, error)

// Node is this process among those that serve one database. It is safe for concurrent
// use.
type Node struct {
	options Options
	self    Self

	proven   atomic.Pointer[time.Time] // when the latest ping that succeeded began
	count    atomic.Int64
	disagree atomic.Pointer[[]string]

	broken error // of what was heard in the running exchange

	reconnects, heard, pings atomic.Int64

	stop context.CancelFunc
	done sync.WaitGroup
}

// Start makes this process one of the nodes, once it hears what the others change. The
// error names the setting and the remedy.
func Start(ctx context.Context, options Options) (*Node, error) {
	id, err := keypin.NewID(options.Clock(), options.Random)
	if err != nil {
		return nil, fmt.Errorf("reading randomness for the name of a node: %w", err)
	}
	n := &Node{options: options, self: Self{ID: id, Name: options.Name, Version: options.Version, Settings: options.Settings}}
	n.count.Store(1)
	n.disagree.Store(&[]string{})
	if n.options.Dial == nil {
		n.options.Dial = dialer(options.URL)
	}
	session, err := n.begin(ctx, true)
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	n.stop = stop
	n.done.Go(func() { n.run(running, session) })
	return n, nil
}

// AsOf is when the latest ping that succeeded began, as seen from now: every change that
// was answered before it has been heard. The time since then is the larger of what the
// two clocks say, since one of them stands still while the machine is suspended. The
// zero time when nothing is proven.
func (n *Node) AsOf(now time.Time) time.Time {
	began := n.proven.Load()
	if began == nil {
		return time.Time{}
	}
	// Sub compares monotonic readings, where there are any.
	return now.Add(-max(now.Sub(*began), time.Duration(now.UnixNano()-began.UnixNano())))
}

// Count is how many nodes were there when that could be asked last, at least 1.
func (n *Node) Count() int { return int(n.count.Load()) }

// Disagree lists, sorted, the settings in which another node differed when that could be
// asked last.
func (n *Node) Disagree() []string { return slices.Clone(*n.disagree.Load()) }

// Stats are numbers since the start.
type Stats struct {
	Reconnects int64 // connections after the first
	Heard      int64 // notifications
	Pings      int64 // that succeeded
}

// Stats tells the numbers.
func (n *Node) Stats() Stats {
	return Stats{Reconnects: n.reconnects.Load(), Heard: n.heard.Load(), Pings: n.pings.Load()}
}

// Close says goodbye to the others, if the database can be reached. From then on nothing
// is proven.
func (n *Node) Close() error {
	n.stop()
	n.done.Wait()
	n.proven.Store(nil)
	return nil
}

// begin makes a session that hears, and empties what may have missed changes.
func (n *Node) begin(ctx context.Context, first bool) (_ Session, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialWithin)
	defer cancel()
	n.broken = nil
	session, err := n.options.Dial(ctx, n.tell)
	if err != nil {
		return nil, n.name(err)
	}
	defer func() {
		if err != nil {
			session.Close()
		}
	}()
	if err := session.Listen(ctx); err != nil {
		return nil, n.name(err)
	}
	if first {
		if err := n.compare(ctx, session, true); err != nil {
			return nil, err
		}
	}
	if err := session.Register(ctx, &n.self); err != nil {
		return nil, n.name(err)
	}
	// From here on every change is heard; what was remembered before may lack some.
	if err := n.options.Follower.InvalidateAll(ctx); err != nil {
		return nil, err
	}
	if err := n.ping(ctx, session); err != nil {
		return nil, n.name(err)
	}
	return session, nil
}

func (n *Node) name(err error) error { return fmt.Errorf("%s: %w", n.options.Setting, err) }

// run keeps a session going, one after another, until ctx ends.
func (n *Node) run(ctx context.Context, session Session) {
	retry := firstRetry
	for {
		if session != nil {
			err := n.follow(ctx, session)
			if ctx.Err() != nil {
				n.leave(ctx, session)
				session.Close()
				return
			}
			session.Close()
			n.options.Logger.WarnContext(ctx, "the connection on which changes are heard broke; every check asks the database until it is back", "error", err)
			retry = firstRetry
		}
		timer := time.NewTimer(retry/2 + rand.N(retry/2+1)) //nolint:gosec // nobody gains by guessing it
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		var err error
		if session, err = n.begin(ctx, false); err != nil {
			n.options.Logger.WarnContext(ctx, "changes cannot be heard", "error", err)
			retry = min(2*retry, lastRetry)
			continue
		}
		n.reconnects.Add(1)
		n.options.Logger.InfoContext(ctx, "changes are heard again")
	}
}

// follow pings and hears until that fails or ctx ends.
func (n *Node) follow(ctx context.Context, session Session) error {
	compared := n.options.Clock()
	for {
		began := n.options.Clock()
		if err := n.ping(ctx, session); err != nil {
			return err
		}
		if began.Sub(compared) >= compareEvery {
			compared = began
			if err := n.compare(ctx, session, false); err != nil {
				return err
			}
		}
		for ctx.Err() == nil {
			left := pingEvery - n.options.Clock().Sub(began)
			if left <= 0 {
				break
			}
			wait, cancel := context.WithTimeout(ctx, left)
			err := session.Wait(wait)
			cancel()
			if err = errors.Join(err, n.broken); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// ping proves that everything was heard that was committed before it began.
func (n *Node) ping(ctx context.Context, session Session) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for {
		began := n.options.Clock()
		nodes, known, err := session.Ping(ctx, n.self.ID)
		if err = errors.Join(err, n.broken); err != nil {
			return err
		}
		if known {
			n.count.Store(int64(max(nodes, 1)))
			n.pings.Add(1)
			n.proven.Store(&began)
			return nil
		}
		// Another node took us for one that is gone: we stood still for long.
		if err := session.Register(ctx, &n.self); err != nil {
			return err
		}
	}
}

// tell passes on what was heard. What cannot be understood, such as what a later version
// says, may concern every key.
func (n *Node) tell(payload string) {
	n.heard.Add(1)
	// It is forgotten even if who listens is about to end.
	if err := n.pass(context.Background(), payload); err != nil {
		n.broken = fmt.Errorf("a change could not be passed on: %w", err)
	}
}

func (n *Node) pass(ctx context.Context, payload string) error {
	kind, what, _ := strings.Cut(payload, " ")
	switch kind {
	case "key":
		var hash keypin.KeyHash
		if size, err := hex.Decode(hash[:], []byte(what[:min(len(what), 2*len(hash))])); err == nil && size == len(hash) && len(what) == 2*len(hash) {
			return n.options.Follower.InvalidateKeys(ctx, []keypin.KeyHash{hash})
		}
	case "workspace":
		if id, err := keypin.ParseID(what); err == nil {
			return n.options.Follower.InvalidateWorkspace(ctx, id)
		}
	}
	return n.options.Follower.InvalidateAll(ctx)
}

// compare looks at the other nodes' settings.
func (n *Node) compare(ctx context.Context, session Session, starting bool) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	others, err := session.Others(ctx, n.self.ID)
	if err != nil {
		return n.name(err)
	}
	differ := map[string]Self{}
	for _, other := range others {
		for _, setting := range slices.Sorted(maps.Keys(n.self.Settings)) {
			// A setting of which the other knows nothing came with a later version.
			if theirs, ok := other.Settings[setting]; ok && theirs != n.self.Settings[setting] {
				differ[setting] = other
			}
		}
	}
	for _, setting := range n.options.MustAgree {
		if other, ok := differ[setting]; ok && starting {
			return fmt.Errorf("%s: is another one than that of the node %q (version %s), which serves the same database: give all nodes the same, or stop that one", setting, other.Name, other.Version)
		}
	}
	before := *n.disagree.Load()
	now := slices.Sorted(maps.Keys(differ))
	for _, setting := range now {
		if !slices.Contains(before, setting) {
			other := differ[setting]
			n.options.Logger.WarnContext(ctx, "another node has another setting, so a key is judged by who is asked; give all nodes the same",
				"setting", setting, "node", other.Name, "version", other.Version)
		}
	}
	n.disagree.Store(&now)
	return nil
}

// leave says goodbye. The others would miss the node soon anyway.
func (n *Node) leave(ctx context.Context, session Session) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	if err := session.Leave(ctx, n.self.ID); err != nil {
		n.options.Logger.DebugContext(ctx, "the node's row was not taken away; the others leave it out in a few seconds", "error", err)
	}
}
