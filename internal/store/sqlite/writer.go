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

// writer owns the one connection that writes. Who finds nobody writing leads: it
// begins a transaction and runs its change, then gives the changes that wait their
// turn, one after another, until none waits, and commits for all. Each change is
// within a savepoint of its own and runs in its caller's goroutine, so that its
// panic, or its runtime.Goexit, stays there; and one that nobody waits behind costs no
// switch between goroutines.
type writer struct {
	conn    *sql.Conn
	queries *db.Queries
	control control

	leading    chan struct{} // holds one while somebody leads
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
		leading:    make(chan struct{}, 1),
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

// run judges keys again when that is asked for, until stop is called.
func (w *writer) run() {
	defer close(w.stopped)
	for {
		select {
		case j := <-w.judgements:
			select {
			case w.leading <- struct{}{}:
				w.judge(j)
				<-w.leading
			case <-w.stopping:
				return
			}
		case <-w.stopping:
			return
		}
	}
}

// stop waits for the group that is under way, and leads for ever.
func (w *writer) stop() {
	close(w.stopping)
	w.leading <- struct{}{}
	<-w.stopped
}

// release closes what was prepared on the connection, then the connection. One with an
// open statement would stay open, and the WAL beside the database file.
func (w *writer) release() error {
	var errs []error
	c := w.control
	for _, statement := range []*sql.Stmt{c.begin, c.commit, c.rollback, c.savepoint, c.release, c.undo} {
		if statement != nil {
			errs = append(errs, statement.Close())
		}
	}
	if w.queries != nil {
		errs = append(errs, w.queries.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// submit runs the change, as the leader or when its turn comes, and waits for the
// commit.
func (w *writer) submit(ctx context.Context, change func(keypin.Tx) error) error {
	if ctx.Err() != nil {
		return translate(ctx.Err())
	}
	t := &turn{ctx: ctx, given: make(chan *tx), back: make(chan bool), outcome: make(chan error, 1)}
	select {
	case <-w.stopping: // looked at first: of several open ways select takes any
		return unavailable(errClosed)
	default:
	}
	select {
	case w.leading <- struct{}{}:
		return w.lead(change)
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

// lead runs the change, and then those that wait behind it, in one transaction.
func (w *writer) lead(change func(keypin.Tx) error) (err error) {
	defer func() { <-w.leading }()
	if err := exec(w.control.begin); err != nil {
		err = translate(err)
		w.refuse(err)
		return err
	}
	if err := exec(w.control.savepoint); err != nil {
		return unavailable(errors.New(errors.Join(err, w.abandon()).Error()))
	}
	tx, keep := newTx(w), false
	defer func() { // however the change ends, the others have their turn
		tx.doomed = unavailable(errOver)
		if failure := w.finish(keep); failure != nil {
			err = failure
		}
	}()
	err = tx.run(change)
	keep = err == nil
	return err
}

// run runs the change, and gives the turn back however that ends.
func (t *turn) run(tx *tx, change func(keypin.Tx) error) (err error) {
	keep := false
	defer func() {
		tx.doomed = unavailable(errOver)
		t.back <- keep
	}()
	err = tx.run(change)
	keep = err == nil
	return err
}

// run runs the change in the transaction. A doomed one fails whatever it says.
func (t *tx) run(change func(keypin.Tx) error) error {
	err := change(t)
	if t.doomed != nil {
		return t.doomed
	}
	return err
}

// finish keeps or undoes the leader's change, gives those that wait their turn, and
// commits. Its error is the whole group's.
func (w *writer) finish(keep bool) error {
	var members []*turn
	broken := w.settle(keep)
	for served := 1; broken == nil && served < groupLimit; {
		t := w.next()
		if t == nil {
			break
		}
		var took bool
		if took, broken = w.serve(t); took {
			members = append(members, t)
			served++
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
	return broken
}

// settle ends the savepoint of a change.
func (w *writer) settle(keep bool) error {
	if !keep {
		if err := exec(w.control.undo); err != nil {
			return err
		}
	}
	return exec(w.control.release)
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
	return took, w.settle(keep)
}

// refuse answers all that wait now. They would each wait as long as the leader did.
func (w *writer) refuse(err error) {
	for t := w.next(); t != nil; t = w.next() {
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
