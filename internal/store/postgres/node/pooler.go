package node

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// provenWithin is how long a notification may take to arrive. A connection that hears
// of one at all hears of it in milliseconds.
const provenWithin = 2 * time.Second

// errDeaf says that what was notified did not arrive.
var errDeaf = errors.New("a notification did not arrive on the connection that listens")

// prove shows that the connection hears what another one notifies, while it does nothing
// itself. Through a pooler that lends a server's connection per transaction it does not:
// who sends may be lent the very connection that listens. That is why it is another one
// that sends.
func (c *connection) prove(ctx context.Context, config *pgx.ConnConfig) error {
	channel := "keypin_node_" + hex.EncodeToString(c.row.ID[:])
	if _, err := c.conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	other := config.Copy()
	other.OnNotification = func(*pgconn.PgConn, *pgconn.Notification) {}
	sender, err := pgx.ConnectConfig(ctx, other)
	if err != nil {
		return err
	}
	_, err = sender.Exec(ctx, "SELECT pg_notify($1, '')", channel)
	_ = sender.Close(ctx) // what it did is done
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, provenWithin)
	defer cancel()
	if err := c.conn.PgConn().WaitForNotification(waiting); err != nil {
		if waiting.Err() != nil {
			return errDeaf
		}
		return err
	}
	_, err = c.conn.Exec(ctx, "UNLISTEN "+channel)
	return err
}
