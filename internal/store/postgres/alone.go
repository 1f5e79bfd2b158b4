package postgres

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A COMMIT that waits for a synchronous standby, and whose wait is cancelled (as by
// pg_cancel_backend; statement_timeout ends before), is done on the primary alone. The server
// reports success then, and the danger only in a notice:
// "canceling wait for synchronous replication due to user request".
// A failover would lose what it had acknowledged.

// waited is the function of the server that the notice comes from.
const waited = "SyncRepWaitForLSN"

// alone is under what a connection keeps that such a notice came on it.
const alone = "keypin: committed alone"

// noteAlone notes a notice.
func noteAlone(conn *pgconn.PgConn, notice *pgconn.Notice) {
	if notice.Routine == waited {
		conn.CustomData()[alone] = true
	}
}

// confirmed asks whether the commit that has just succeeded on the connection is as safe
// as the server is told to make it. The error is for who must not acknowledge it.
func confirmed(conn *pgxpool.Conn) error {
	data := conn.Conn().PgConn().CustomData()
	if data[alone] == nil {
		return nil
	}
	delete(data, alone)
	return errors.New("the change was committed on the primary alone: its wait for the standby was cancelled")
}
