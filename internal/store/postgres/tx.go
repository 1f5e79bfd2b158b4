package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/db"
)

// tx is one attempt of a change. It takes a connection, and begins, when it first
// needs to.
type tx struct {
	reader
	store   *Store
	conn    *pgxpool.Conn
	pgx     pgx.Tx
	queries *db.Queries

	// What is not sent yet. Uses and counts may be added by many transactions at once
	// in any order with the same result: one that does nothing else need not be
	// serializable, so that nodes which flush at once do not make one another fail.
	uses   map[keypin.ID]keypin.LastUse
	counts []keypin.UsageCount

	// doomed, once set, is what every further call answers, and the change too; again
	// is why another attempt may succeed.
	doomed, again error
	over          bool

	changed  map[keypin.ID]int64 // keys, by workspace
	answered time.Time           // when the newest idempotent answer was made; zero without one
}

var _ keypin.Tx = (*tx)(nil)

// usable refuses what comes too late.
func (t *tx) usable(ctx context.Context) error {
	switch {
	case t.over:
		return keypin.Wrap(keypin.CodeInternal, "Something went wrong on our side.", errOver)
	case t.doomed == nil && ctx.Err() != nil:
		t.doomed = unavailable(ctx.Err())
	}
	return t.doomed
}

// run runs queries in the transaction, behind what was not sent yet.
func (t *tx) run(ctx context.Context, read func(context.Context, *db.Queries) error) error {
	if err := t.usable(ctx); err != nil {
		return err
	}
	if err := t.start(ctx, t.store.begin.serializable); err != nil {
		return err
	}
	if err := t.send(ctx); err != nil {
		return err
	}
	return t.exchange(ctx, read)
}

// start begins if that was not done.
func (t *tx) start(ctx context.Context, begin string) (err error) {
	if t.conn != nil {
		return nil
	}
	if t.conn, err = t.store.acquire(ctx); err != nil {
		return t.fail(err)
	}
	bounded, cancel := t.store.bounded(ctx)
	defer cancel()
	if t.pgx, err = t.conn.BeginTx(bounded, pgx.TxOptions{BeginQuery: begin}); err != nil {
		return t.fail(err)
	}
	t.queries = db.New(t.pgx)
	return nil
}

// send sends what was not sent yet.
func (t *tx) send(ctx context.Context) error {
	if len(t.uses) == 0 && len(t.counts) == 0 {
		return nil
	}
	uses, counts := t.uses, t.counts
	t.uses, t.counts = nil, nil
	return t.exchange(ctx, func(ctx context.Context, queries *db.Queries) error { return sendUsage(ctx, queries, uses, counts) })
}

// exchange talks with the server once.
func (t *tx) exchange(ctx context.Context, talk func(context.Context, *db.Queries) error) error {
	ctx, cancel := t.store.bounded(ctx)
	defer cancel()
	if err := talk(ctx, t.queries); err != nil {
		return t.fail(err)
	}
	return nil
}

// fail translates the error of a query. The engine goes on with no transaction in which
// there was an error; not to find a row is none.
func (t *tx) fail(err error) error {
	translated := translate(err)
	if keypin.CodeOf(translated) == keypin.CodeNotFound {
		return translated
	}
	t.doomed = translated
	// The row with the same key, which the statement looked for and did not see, was
	// committed in the meantime: the next attempt sees it.
	if interfered(err) || state(err) == stateUnique {
		t.again = err
	}
	return translated
}

// Keys reads from the transaction itself.
func (t *tx) Keys(ctx context.Context, workspace keypin.ID, query keypin.KeyQuery) (page keypin.KeyPage, err error) {
	list := keyList{workspace: workspace, query: query}
	err = t.run(ctx, func(ctx context.Context, _ *db.Queries) (err error) {
		page, err = list.read(ctx, t.pgx)
		return err
	})
	if err != nil {
		return keypin.KeyPage{}, err
	}
	return page, nil
}

// count notes a change of a key.
func (t *tx) count(workspace keypin.ID) {
	if t.changed == nil {
		t.changed = map[keypin.ID]int64{}
	}
	t.changed[workspace]++
}

// end commits when the change returned no error. It gives why to try again, or the
// outcome.
func (t *tx) end(ctx context.Context, changeErr error) (again, err error) {
	if changeErr == nil {
		_ = t.usable(ctx) // a caller that is gone gets nothing committed; an error dooms
	}
	t.over = true
	if t.doomed == nil && changeErr == nil && (len(t.uses) > 0 || len(t.counts) > 0) {
		if t.start(ctx, t.store.begin.commuting) == nil {
			_ = t.send(ctx) // an error dooms
		}
	}
	switch {
	case t.again != nil:
		return t.again, nil
	case changeErr != nil:
		return nil, changeErr
	case t.doomed != nil:
		return nil, t.doomed
	case t.conn == nil: // nothing was read or written
		return nil, nil
	}
	if again, err = t.commit(ctx); again != nil || err != nil {
		return again, err
	}
	for workspace, n := range t.changed {
		t.store.tidying.afterKeys(workspace, n)
	}
	if !t.answered.IsZero() {
		t.store.tidying.afterAnswer(t.answered)
	}
	return nil, nil
}

// commit is tried once. When the engine itself says that it undid the transaction,
// another attempt is safe; after any other error nobody knows whether it is committed.
func (t *tx) commit(ctx context.Context) (again, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.store.timeout)
	defer cancel()
	if err = t.pgx.Commit(ctx); err == nil {
		err = confirmed(t.conn)
	}
	switch {
	case err == nil:
		return nil, nil
	case interfered(err):
		return err, nil
	default:
		return nil, unavailable(errors.New(err.Error()))
	}
}

// release undoes what is not committed, and gives the connection back.
func (t *tx) release() {
	t.over = true
	if t.conn == nil {
		return
	}
	defer t.conn.Release() // which closes one that is still in a transaction
	if t.pgx != nil && t.conn.Conn().PgConn().TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.Background(), t.store.timeout)
		defer cancel()
		_ = t.pgx.Rollback(ctx) // see above
	}
}
