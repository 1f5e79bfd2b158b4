package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/puddle/v2"

	"github.com/keypin/keypin/internal/keypin"
)

// SQLSTATEs, of the manual's appendix A.
const (
	stateSerialization  = "40001"
	stateDeadlock       = "40P01"
	stateUnique         = "23505"
	stateReadOnly       = "25006"
	stateLockTimeout    = "55P03"
	stateNoRight        = "42501"
	stateNoSchema       = "3F000"
	stateNoDatabase     = "3D000"
	stateNoPassword     = "28000"
	stateWrongPassword  = "28P01"
	stateIdleTooLong    = "25P03"
	stateTxTooLong      = "25P04"
	stateProtocol       = "08P01"
	stateTooManyClients = "53300"
	classConnection     = "08"
	classAuthorization  = "28"
	classResources      = "53"
	classIntervention   = "57"
	classSystem         = "58"
	classRollback       = "40"
)

var (
	errClosed  = errors.New("the store is closed")
	errOver    = errors.New("the transaction is over; a Tx must not be kept")
	errReplica = errors.New("the server is a replica: what it answers may be old")
)

// translate turns an error of the engine into the port's. The engine's words stay
// as text, for the log; its types do not.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return keypin.NotFound()
	case errors.Is(err, context.Canceled):
		return unavailable(context.Canceled)
	case errors.Is(err, context.DeadlineExceeded):
		return unavailable(context.DeadlineExceeded)
	case errors.Is(err, errClosed), errors.Is(err, errReplica):
		return unavailable(err)
	case transient(err):
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

// state is the engine's SQLSTATE; "" when the error is not the engine's.
func state(err error) string {
	var engine *pgconn.PgError
	if errors.As(err, &engine) {
		return engine.Code
	}
	return ""
}

// transient reports whether the engine may work again without a change of code: it
// refused for the moment, or it was not reached.
func transient(err error) bool {
	if code := state(err); len(code) == 5 {
		switch code {
		case stateReadOnly, stateLockTimeout, stateIdleTooLong, stateTxTooLong, stateNoDatabase:
			return true
		}
		switch code[:2] {
		case classConnection, classAuthorization, classResources, classIntervention, classSystem, classRollback:
			return true
		}
		return false
	}
	var network net.Error
	var connecting *pgconn.ConnectError
	return errors.As(err, &connecting) || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, puddle.ErrClosedPool) || errors.Is(err, pgconn.ErrReadOnlyConnection) ||
		pgconn.SafeToRetry(err)
}

// interfered reports whether the engine undid a transaction because of another that
// ran at the same time. Running it again is safe, and may succeed.
func interfered(err error) bool {
	code := state(err)
	return code == stateSerialization || code == stateDeadlock
}

func conflict() error {
	return keypin.E(keypin.CodeConflict, "There is such a thing already.")
}

func slugTaken() error {
	return keypin.E(keypin.CodeSlugTaken, "Another workspace has this slug.")
}
