package node

import (
	"context"

	"github.com/keypin/keypin/internal/keypin"
)

// Row is what a node tells the others of itself.
type Row struct {
	ID            keypin.ID // new at each start
	Name, Version string
	Settings      map[string]string
}

// Dial opens a session for the node. heard is called for every notification that the
// session reads, in their order, by the goroutine that calls Ping or Wait.
type Dial func(ctx context.Context, row Row, heard func(payload string)) (Session, error)

// Session is one connection to the database. Its methods are called one after the other.
// After an error that a method returns, the session is closed and never used again.
type Session interface {
	// Listen begins to hear of changes: of each whose COMMIT returns after Listen did. It
	// gives the server's timeline, which tells a primary from the one that it took over
	// from.
	Listen(ctx context.Context) (timeline string, err error)
	// Ping commits that the node lives, and counts the nodes. When it returns without an
	// error, a server that takes commits has committed it meanwhile, and heard was called
	// for every notification whose COMMIT returned before Ping was called.
	Ping(ctx context.Context) (nodes int, err error)
	// Wait reads notifications until ctx ends, which is no error.
	Wait(ctx context.Context) error
	// Others are the other nodes that were seen lately.
	Others(ctx context.Context) ([]Row, error)
	// Leave takes the node's row away.
	Leave(ctx context.Context) error
	// Close gives the connection up at once.
	Close()
}
