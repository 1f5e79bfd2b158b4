package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/keypin/keypin/internal/keypin"
)

// channel is where the store tells of changes.
const channel = "keypin_changes"

// session is a Session on PostgreSQL.
type session struct{ conn *pgx.Conn }

// dialer connects to the server at url: of several hosts, to the one that takes writes.
func dialer(url keypin.Secret) Dialer {
	return func(ctx context.Context, heard func(string)) (Session, error) {
		config, err := pgx.ParseConfig(url.Reveal())
		if err != nil {
			return nil, errors.New("is not a URL of PostgreSQL: write postgres://USER:PASSWORD@HOST:PORT/DATABASE") // the cause may hold the password
		}
		if config.ConnectTimeout == 0 || config.ConnectTimeout > time.Second {
			config.ConnectTimeout = time.Second // of each host
		}
		if config.ValidateConnect == nil {
			config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
		}
		if _, ok := config.RuntimeParams["application_name"]; !ok {
			config.RuntimeParams["application_name"] = "keypin listening"
		}
		config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { heard(n.Payload) }
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return nil, fmt.Errorf("cannot listen at %s:%d: %w", config.Host, config.Port, err)
		}
		return &session{conn}, nil
	}
}

// Listen begins to hear. Between us and the server there may be no pooler: it would give
// the server's connection, and what is heard on it, to others in between. One shows by the
// number of the server's process, which it makes up.
func (s *session) Listen(ctx context.Context) error {
	if _, err := s.conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	var pid uint32
	if err := s.conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return err
	}
	if pid != s.conn.PgConn().PID() {
		return errors.New("this is a pooler, which cannot carry LISTEN: set database_listen to the server itself")
	}
	return nil
}

// Others are the nodes that were seen within 10 s.
func (s *session) Others(ctx context.Context, self keypin.ID) ([]Self, error) {
	rows, err := s.conn.Query(ctx, `SELECT name, version, settings FROM nodes
		WHERE id <> $1 AND seen_at > clock_timestamp() - interval '10 seconds' ORDER BY started_at`, [16]byte(self))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (other Self, err error) {
		err = row.Scan(&other.Name, &other.Version, &other.Settings)
		return other, err
	})
}

// Register writes the row, and removes those of nodes that were not seen for a day.
func (s *session) Register(ctx context.Context, self *Self) error {
	settings, err := json.Marshal(self.Settings)
	if err != nil {
		return err
	}
	_, err = s.conn.Exec(ctx, `INSERT INTO nodes (id, name, version, settings, started_at, seen_at)
		VALUES ($1, $2, $3, $4, clock_timestamp(), clock_timestamp())
		ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`, [16]byte(self.ID), self.Name, self.Version, settings)
	if err == nil {
		_, err = s.conn.Exec(ctx, "DELETE FROM nodes WHERE seen_at < clock_timestamp() - interval '1 day'")
	}
	return err
}

// Ping commits a change of the node's row.
func (s *session) Ping(ctx context.Context, self keypin.ID) (nodes int, known bool, err error) {
	err = s.conn.QueryRow(ctx, `UPDATE nodes SET seen_at = clock_timestamp() WHERE id = $1
		RETURNING (SELECT count(*) FROM nodes WHERE seen_at > clock_timestamp() - interval '5 seconds' OR id = $1)`, [16]byte(self)).Scan(&nodes)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, false, nil
	}
	return nodes, err == nil, err
}

// Wait hears until a notification came or ctx ends.
func (s *session) Wait(ctx context.Context) error {
	err := s.conn.PgConn().WaitForNotification(ctx)
	if err != nil && ctx.Err() != nil && !s.conn.IsClosed() {
		return nil
	}
	return err
}

// Leave deletes the row.
func (s *session) Leave(ctx context.Context, self keypin.ID) error {
	_, err := s.conn.Exec(ctx, "DELETE FROM nodes WHERE id = $1", [16]byte(self))
	return err
}

// Close ends the connection, without waiting for a server that does not answer.
func (s *session) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = s.conn.Close(ctx) // the server finds out
}
