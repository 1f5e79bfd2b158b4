package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite/db"
)

// groupLimit bounds the changes that share a commit, and so how long the first of
// them waits.
const groupLimit = 256

// writer owns the one connection that writes. Its goroutine begins a transaction,
// gives the changes that wait their turn, one after another, each within a savepoint
// of its own, until none waits, and commits. A change runs in its caller's goroutine
// while it has the turn, so that its panic, or its runtime.Goexit, stays there.
type writer struct {
	conn    *sql.Conn
	queries *db.Queries
	control control

	turns      chan *turn
	judgements chan judgement
	stopping   chan struct{}
	stopped    chan struct{}
}

// control is what frames the changes, prepared once.
type control struct{ begin, commit, rollback, savepoint, release, undo *sql.Stmt }

// turn is a caller's place in the queue.
type turn struct {
	ctx     context.Context
	given   chan *tx   // gives the turn; nobody receives once ctx is done
	back    chan bool  // takes it back: whether what was changed is to be kept
	outcome chan error // tells how the commit went, without waiting for the caller
}

func newWriter(ctx context.Context, pool *sql.DB) (*writer, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{
		conn:       conn,
		turns:      make(chan *turn),
		judgements: make(chan judgement, 1),
		stopping:   make(chan struct{}),
		stopped:    make(chan struct{}),
	}
	for _, s := range []struct {
		text      string
		statement **sql.Stmt
	}{
		{"BEGIN IMMEDIATE", &w.control.begin},
		{"COMMIT", &w.control.commit},
		{"ROLLBACK", &w.control.rollback},
		{"SAVEPOINT change", &w.control.savepoint},
		{"RELEASE change", &w.control.release},
		{"ROLLBACK TO change", &w.control.undo},
	} {
		if *s.statement, err = conn.PrepareContext(ctx, s.text); err != nil { //nolint:sqlclosecheck // lives as long as its connection
			return w, err
		}
	}
	w.queries, err = db.Prepare(ctx, conn)
	return w, err
}

// run serves the queue until stop is called.
func (w *writer) run() {
	defer close(w.stopped)
	for {
		select {
		case t := <-w.turns:
			w.group(t)
		case j := <-w.judgements:
			w.judge(j)
		case <-w.stopping:
			return
		}
	}
}

// stop waits for the group that is under way.
func (w *writer) stop() {
	close(w.stopping)
	<-w.stopped
}

// release closes the connection and what was prepared on it.
func (w *writer) release() error { return w.conn.Close() }

// submit waits for the change's turn, runs it, and waits for the commit.
func (w *writer) submit(ctx context.Context, change func(keypin.Tx) error) error {
	if ctx.Err() != nil {
		return translate(ctx.Err())
	}
	t := &turn{ctx: ctx, given: make(chan *tx), back: make(chan bool), outcome: make(chan error, 1)}
	select {
	case w.turns <- t:
	case <-ctx.Done():
		return translate(ctx.Err())
	case <-w.stopping:
		return unavailable(errClosed)
	}
	select {
	case tx := <-t.given:
		err := t.run(tx, change)
		if failure := <-t.outcome; failure != nil {
			return failure
		}
		return err
	case err := <-t.outcome: // the turn never came
		return err
	case <-ctx.Done():
		return translate(ctx.Err())
	}
}

// run runs the change, and gives the turn back however that ends.
func (t *turn) run(tx *tx, change func(keypin.Tx) error) (err error) {
	keep := false
	defer func() {
		tx.doomed = unavailable(errOver)
		t.back <- keep
	}()
	err = change(tx)
	if tx.doomed != nil {
		err = tx.doomed
	}
	keep = err == nil
	return err
}

// group runs first and the changes that wait behind it in one transaction.
func (w *writer) group(first *turn) {
	if err := exec(w.control.begin); err != nil {
		w.refuse(first, translate(err))
		return
	}
	var members []*turn
	var broken error
	for t := first; t != nil && broken == nil; {
		var took bool
		took, broken = w.serve(t)
		if took {
			members = append(members, t)
		}
		if t = nil; broken == nil && len(members) < groupLimit {
			t = w.next()
		}
	}
	if broken == nil {
		broken = exec(w.control.commit)
	}
	if broken != nil {
		broken = unavailable(errors.New(errors.Join(broken, w.abandon()).Error()))
	}
	for _, member := range members {
		member.outcome <- broken
	}
}

// next is the change that waits longest, nil when none waits.
func (w *writer) next() *turn {
	select {
	case t := <-w.turns:
		return t
	default:
		return nil
	}
}

// serve gives t its turn and keeps or undoes what it changed. It tells whether t took
// its turn, and the error after which the transaction cannot go on.
func (w *writer) serve(t *turn) (took bool, broken error) {
	select {
	case <-t.ctx.Done():
		return false, nil
	default:
	}
	if err := exec(w.control.savepoint); err != nil {
		t.outcome <- translate(err)
		return false, err
	}
	keep := false
	select {
	case t.given <- newTx(w):
		took, keep = true, <-t.back
	case <-t.ctx.Done():
	}
	if !keep {
		if err := exec(w.control.undo); err != nil {
			return took, err
		}
	}
	return took, exec(w.control.release)
}

// refuse answers t and all that wait now. They would each wait as long as t did.
func (w *writer) refuse(t *turn, err error) {
	for ; t != nil; t = w.next() {
		t.outcome <- err
	}
}

// abandon ends a transaction that cannot be committed. The engine may have ended it
// itself, which shows as an error that is told with the one before it.
func (w *writer) abandon() error {
	if err := exec(w.control.rollback); err != nil {
		return fmt.Errorf("rolling back: %w", err)
	}
	return nil
}

// exec runs a statement that nothing may interrupt.
func exec(statement *sql.Stmt) error {
	_, err := statement.ExecContext(context.Background())
	return err
}
