package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"

	"github.com/keypin/keypin/internal/keypin"
)

// primary is the part of an SQLite result code that names the class of the error.
const primary = 0xff

// errClosed answers who calls a store after Close.
var errClosed = errors.New("the store is closed")

// translate turns an error of the engine into the port's. The engine's words stay
// as text, for the log; its types do not.
func translate(err error) error {
	var engine *sqlite.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		return keypin.NotFound()
	case errors.Is(err, context.Canceled):
		return unavailable(context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable(context.DeadlineExceeded)
	case errors.Is(err, errClosed):
		return unavailable(errClosed)
	case errors.As(err, &engine) && transient(engine.Code()):
		return unavailable(errors.New(err.Error()))
	default:
		return keypin.Wrap(keypin.CodeInternal, "Something went wrong on our side.", errors.New(err.Error()))
	}
}

// unavailable says that trying again may help.
func unavailable(cause error) error {
	e := keypin.Wrap(keypin.CodeUnavailable, "The database cannot be reached at the moment.", cause)
	e.RetryAfter = time.Second
	return e
}

// transient reports whether the engine may work again without a change of code.
func transient(code int) bool {
	switch code & primary {
	case sqlitelib.SQLITE_BUSY, sqlitelib.SQLITE_LOCKED, sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_FULL,
		sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_NOMEM, sqlitelib.SQLITE_INTERRUPT, sqlitelib.SQLITE_PROTOCOL,
		sqlitelib.SQLITE_READONLY:
		return true
	}
	return false
}

// conflicting reports whether err says that a row with the same key is there.
func conflicting(err error) bool {
	var engine *sqlite.Error
	if !errors.As(err, &engine) {
		return false
	}
	return engine.Code() == sqlitelib.SQLITE_CONSTRAINT_UNIQUE || engine.Code() == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY
}

// harmless reports whether the transaction goes on after err: the engine undoes the
// one statement that broke a constraint, and a row that is not there undoes nothing.
// After anything else it may have rolled back the whole transaction.
func harmless(err error) bool {
	var engine *sqlite.Error
	if errors.As(err, &engine) {
		return engine.Code()&primary == sqlitelib.SQLITE_CONSTRAINT
	}
	return errors.Is(err, sql.ErrNoRows)
}

func conflict() error {
	return keypin.E(keypin.CodeConflict, "There is such a thing already.")
}

func slugTaken() error {
	return keypin.E(keypin.CodeSlugTaken, "Another workspace has this slug.")
}
