package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/keypin/keypin/internal/keypin"
)

// sqlListen prepares the session and listens, in one round trip. A ping must not be
// ended by the server, which may call a commit that waits for a standby done when its
// wait was cancelled; and it must wait for the standby whenever any commit does. The
// function pg_current_wal_lsn fails on a standby; its file's name begins with the
// timeline.
const sqlListen = `
SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false),
       set_config('idle_session_timeout', '0', false), set_config('synchronous_commit', 'on', false);
LISTEN ` + Channel + `;
SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)`

// sqlPing counts its own node whatever its row said before.
const sqlPing = `
UPDATE nodes SET seen_at = clock_timestamp() WHERE id = $1
RETURNING (SELECT count(*) FROM nodes AS n WHERE n.id = $1 OR n.seen_at > clock_timestamp() - make_interval(secs => $2))`

const sqlRegister = `
INSERT INTO nodes (id, name, version, settings, started_at, seen_at)
VALUES ($1, $2, $3, $4, clock_timestamp(), clock_timestamp())
RETURNING (SELECT count(*) + 1 FROM nodes AS n WHERE n.seen_at > clock_timestamp() - make_interval(secs => $5))`

const sqlForget = `DELETE FROM nodes WHERE seen_at < clock_timestamp() - make_interval(secs => $1)`

// sqlOthers is bounded, since what differs in a hundred nodes is seen in them.
const sqlOthers = `
SELECT id::text, name, version, settings FROM nodes
WHERE id <> $1 AND seen_at > clock_timestamp() - make_interval(secs => $2) ORDER BY seen_at DESC LIMIT 100`

const sqlLeave = `DELETE FROM nodes WHERE id = $1`

// closeWithin bounds the word that the connection is given up.
const closeWithin = 100 * time.Millisecond

// errAlone says that the server called a ping done that no standby knows of.
var errAlone = errors.New("the commit's wait for the standby was cancelled")

// connection is a Session on PostgreSQL.
type connection struct {
	conn *pgx.Conn
	row  Row
	// cancelled says that somebody ended a commit's wait for the standby (with
	// pg_cancel_backend) since the last ping began. The server then calls it done.
	cancelled bool
}

// dialer makes the Dial of a URL, and how many hosts it has. Each call takes the next
// host, and the next address of it: the one that failed last may accept connections for
// a long time yet, such as a primary that was cut off from its standby.
func dialer(url keypin.Secret, field string) (Dial, int, error) {
	base, err := pgx.ParseConfig(url.Reveal())
	if err != nil {
		// Not what it says: that quotes the URL.
		return nil, 0, fmt.Errorf("%s: not a URL of PostgreSQL: give postgres://user:password@host:5432/database", field)
	}
	hosts := hostsOf(&base.Config)
	attempt, proven := 0, false
	return func(ctx context.Context, row Row, heard func(string)) (Session, error) {
		config := base.Copy()
		at(&config.Config, hosts[attempt%len(hosts)], attempt/len(hosts))
		attempt++
		c, err := open(ctx, config, row, heard)
		if err != nil {
			return nil, err
		}
		if !proven {
			if err := c.prove(ctx, config); err != nil {
				c.Close()
				return nil, err
			}
			proven = true
		}
		return c, nil
	}, len(hosts), nil
}

// hostsOf are the ways to the servers of a URL: for each host those of its TLS mode.
func hostsOf(config *pgconn.Config) [][]*pgconn.FallbackConfig {
	ways := append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	var hosts [][]*pgconn.FallbackConfig
	for i, way := range ways {
		if i > 0 && way.Host == ways[i-1].Host && way.Port == ways[i-1].Port {
			hosts[len(hosts)-1] = append(hosts[len(hosts)-1], way)
			continue
		}
		hosts = append(hosts, []*pgconn.FallbackConfig{way})
	}
	return hosts
}

// at points the configuration to one host, and to its addresses beginning with that one.
func at(config *pgconn.Config, host []*pgconn.FallbackConfig, first int) {
	config.Host, config.Port, config.TLSConfig, config.Fallbacks = host[0].Host, host[0].Port, host[0].TLSConfig, host[1:]
	config.ConnectTimeout = 0 // the context bounds it
	config.ValidateConnect = nil
	dial := net.Dialer{Timeout: dialWithin, KeepAlive: time.Second}
	config.DialFunc = dial.DialContext
	lookup := config.LookupFunc
	config.LookupFunc = func(ctx context.Context, name string) ([]string, error) {
		addresses, err := lookup(ctx, name)
		if len(addresses) > 0 {
			k := first % len(addresses)
			addresses = slices.Concat(addresses[k:], addresses[:k])
		}
		return addresses, err
	}
}

// open connects. The notifications are handed over by the goroutine that reads them.
func open(ctx context.Context, config *pgx.ConnConfig, row Row, heard func(string)) (*connection, error) {
	c := &connection{row: row}
	config.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) {
		if n.Channel == Channel {
			heard(n.Payload)
		}
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		c.cancelled = c.cancelled || n.Routine == "SyncRepWaitForLSN"
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "keypin listener"
	}
	// One round trip for a statement, and nothing that is kept between two.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	var err error
	c.conn, err = pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Listen makes the session one that listens.
func (c *connection) Listen(ctx context.Context) (string, error) {
	results, err := c.conn.PgConn().Exec(ctx, sqlListen).ReadAll()
	if err != nil {
		return "", err
	}
	last := results[len(results)-1]
	if len(last.Rows) != 1 || len(last.Rows[0]) != 1 {
		return "", errors.New("the server did not say which it is")
	}
	return string(last.Rows[0][0]), nil
}

// Ping commits the node's row, and makes it when it is not there.
func (c *connection) Ping(ctx context.Context) (int, error) {
	c.cancelled = false
	var nodes int
	err := c.conn.QueryRow(ctx, sqlPing, c.row.ID.String(), countedWithin.Seconds()).Scan(&nodes)
	if errors.Is(err, pgx.ErrNoRows) {
		// Nothing was written, so nothing was proven yet.
		nodes, err = c.register(ctx)
	}
	if err == nil && c.cancelled {
		err = errAlone
	}
	return nodes, err
}

// register makes the node's row, and deletes those of nodes that ended without a word.
func (c *connection) register(ctx context.Context) (nodes int, err error) {
	settings, err := json.Marshal(c.row.Settings)
	if err != nil {
		return 0, err
	}
	if _, err := c.conn.Exec(ctx, sqlForget, forgottenAfter.Seconds()); err != nil {
		return 0, err
	}
	row := c.conn.QueryRow(ctx, sqlRegister, c.row.ID.String(), c.row.Name, c.row.Version, string(settings), countedWithin.Seconds())
	return nodes, row.Scan(&nodes)
}

// Wait reads notifications until ctx ends.
func (c *connection) Wait(ctx context.Context) error {
	for {
		err := c.conn.PgConn().WaitForNotification(ctx)
		if err == nil {
			continue
		}
		if ctx.Err() != nil && !c.conn.IsClosed() {
			return nil
		}
		return err
	}
}

// Others reads the other nodes' rows.
func (c *connection) Others(ctx context.Context) ([]Row, error) {
	rows, err := c.conn.Query(ctx, sqlOthers, c.row.ID.String(), livingWithin.Seconds())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (Row, error) {
		var other Row
		var id string
		var settings []byte
		if err := r.Scan(&id, &other.Name, &other.Version, &settings); err != nil {
			return other, err
		}
		var err error
		if other.ID, err = keypin.ParseID(id); err != nil {
			return other, err
		}
		return other, json.Unmarshal(settings, &other.Settings)
	})
}

// Leave deletes the node's row.
func (c *connection) Leave(ctx context.Context) error {
	_, err := c.conn.Exec(ctx, sqlLeave, c.row.ID.String())
	return err
}

// Close closes the connection. It says so to the server, if that can be sent at once.
func (c *connection) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	_ = c.conn.Close(ctx) // it is given up; the server finds out
}
