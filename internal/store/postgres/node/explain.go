package node

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5/pgconn"
)

// explain says what is wrong with the setting, and what to do about it. What pgx says
// names the host and the user, never a password.
func explain(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", field, remedy(err), err)
}

// remedy is what an operator can do about it.
func remedy(err error) string {
	var pg *pgconn.PgError
	var network net.Error
	switch {
	case errors.Is(err, errDeaf):
		return "LISTEN does not work through this URL, as through PgBouncer in transaction mode: set database_listen to the PostgreSQL server itself"
	case errors.Is(err, errAlone):
		return "do not cancel commits that wait for a standby; take the standby out of synchronous_standby_names instead"
	case errors.As(err, &pg):
		return remedies(pg.Code)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network):
		return "the server cannot be reached; check that it runs, and the host, the port and the firewalls between"
	}
	return "the connection failed"
}

func remedies(code string) string {
	switch code {
	case "28P01", "28000":
		return "the server refuses the user or the password; correct them in the URL"
	case "3D000":
		return "there is no such database; create it, or correct its name in the URL"
	case "42501":
		return "the user lacks a right; grant it SELECT, INSERT, UPDATE and DELETE on the tables of Keypin, or name their owner in the URL"
	case "42P01":
		return "the table nodes is missing; let Keypin create its tables in this database, or name the same one as in database"
	case "25006", "55000":
		return "the server is a replica, or read-only, and changes can only be heard of on the primary; name the primary, or all hosts"
	case "53300":
		return "the server takes no more connections; raise max_connections, or lower database_connections"
	case "57P03", "57P01":
		return "the server is starting or shutting down; try again"
	case "22023", "42704":
		return "the server is older than PostgreSQL 14, or not PostgreSQL; use PostgreSQL 15 or newer"
	}
	return "the server refuses"
}
