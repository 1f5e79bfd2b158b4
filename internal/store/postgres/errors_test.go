package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/keypin/keypin/internal/keypin"
)

func TestEveryErrorOfTheEngineHasACode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want keypin.Code
	}{
		{nil, ""},
		{pgx.ErrNoRows, keypin.CodeNotFound},
		{context.Canceled, keypin.CodeUnavailable},
		{context.DeadlineExceeded, keypin.CodeUnavailable},
		{errClosed, keypin.CodeUnavailable},
		{errReplica, keypin.CodeUnavailable},
		{io.ErrUnexpectedEOF, keypin.CodeUnavailable},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, keypin.CodeUnavailable},
		{errors.New("a column holds another form"), keypin.CodeInternal},
		{&pgconn.PgError{Code: "57P01"}, keypin.CodeUnavailable}, // admin_shutdown
		{&pgconn.PgError{Code: "57P03"}, keypin.CodeUnavailable}, // cannot_connect_now
		{&pgconn.PgError{Code: "57014"}, keypin.CodeUnavailable}, // query_canceled
		{&pgconn.PgError{Code: "53300"}, keypin.CodeUnavailable}, // too_many_connections
		{&pgconn.PgError{Code: "53100"}, keypin.CodeUnavailable}, // disk_full
		{&pgconn.PgError{Code: "25006"}, keypin.CodeUnavailable}, // read_only_sql_transaction
		{&pgconn.PgError{Code: "25P03"}, keypin.CodeUnavailable}, // idle_in_transaction_session_timeout
		{&pgconn.PgError{Code: "40001"}, keypin.CodeUnavailable}, // serialization_failure
		{&pgconn.PgError{Code: "40P01"}, keypin.CodeUnavailable}, // deadlock_detected
		{&pgconn.PgError{Code: "55P03"}, keypin.CodeUnavailable}, // lock_not_available
		{&pgconn.PgError{Code: "08P01"}, keypin.CodeUnavailable}, // protocol_violation, as poolers say
		{&pgconn.PgError{Code: "28P01"}, keypin.CodeUnavailable}, // invalid_password
		{&pgconn.PgError{Code: "23503"}, keypin.CodeInternal},    // foreign_key_violation
		{&pgconn.PgError{Code: "42601"}, keypin.CodeInternal},    // syntax_error
	} {
		err := translate(c.err)
		wrapped := err
		if c.err != nil {
			wrapped = translate(fmt.Errorf("wrapped: %w", c.err))
		}
		if keypin.CodeOf(err) != c.want || keypin.CodeOf(wrapped) != c.want {
			t.Errorf("%v: got %v and %v, want %s", c.err, err, wrapped, c.want)
		}
		var engine *pgconn.PgError
		if errors.As(err, &engine) {
			t.Errorf("%v: the engine's own error crosses the border", c.err)
		}
	}
}
