package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// oldestServer is the oldest version of PostgreSQL that is tested, as server_version_num.
const oldestServer = 15_00_00

// facts are what a database is judged by before it is used.
type facts struct {
	version  int // server_version_num
	encoding string
	replica  bool
	readOnly bool
}

// check refuses a database that cannot be used, migrates it when that is asked for, and
// refuses one that has another schema.
func check(ctx context.Context, options Options, config *pgx.ConnConfig) error {
	version, err := asked(ctx, options, config, func(ctx context.Context, conn *pgx.Conn) (int64, error) {
		f, err := factsOf(ctx, conn)
		if err == nil {
			err = f.judge(config)
		}
		if err != nil {
			return 0, err
		}
		return schemaVersion(ctx, conn, config.User)
	})
	if err == nil && options.Migrate && version < SchemaVersion {
		_, version, err = Migrate(ctx, options.URL)
	}
	switch {
	case err != nil:
		return err
	case version > SchemaVersion:
		return errNewer(version)
	case version < SchemaVersion:
		return errOlder(version)
	}
	_, err = asked(ctx, options, config, func(ctx context.Context, conn *pgx.Conn) (struct{}, error) { return struct{}{}, checkRights(ctx, conn) })
	return err
}

// asked asks the server something, on a connection of its own.
func asked[T any](ctx context.Context, options Options, config *pgx.ConnConfig, ask func(context.Context, *pgx.Conn) (T, error)) (answer T, err error) {
	ctx, cancel := context.WithTimeout(ctx, 4*options.Timeout)
	defer cancel()
	config = config.Copy()
	config.ValidateConnect = preferWriting(config)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return answer, errConnecting(config, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // it was only asked
	return ask(ctx, conn)
}

// preferWriting wants of several hosts one that takes writes. The only host is taken as
// it is, to say better what is wrong with it.
func preferWriting(config *pgx.ConnConfig) pgconn.ValidateConnectFunc {
	if len(hosts(config)) == 1 {
		return nil
	}
	return config.ValidateConnect
}

func factsOf(ctx context.Context, conn *pgx.Conn) (f facts, err error) {
	var version, readOnly string
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num'), current_setting('server_encoding'), pg_is_in_recovery(),
		current_setting('transaction_read_only')`).Scan(&version, &f.encoding, &f.replica, &readOnly)
	if err != nil {
		return facts{}, fmt.Errorf("database: asking the server what it is: %w", reason(err))
	}
	f.readOnly = readOnly == "on"
	f.version, err = strconv.Atoi(version)
	return f, err
}

// judge says what is wrong with the server, and what to do.
func (f facts) judge(config *pgx.ConnConfig) error {
	where := strings.Join(hosts(config), ", ")
	switch {
	case f.version < oldestServer:
		return fmt.Errorf("database: the server at %s is PostgreSQL %d, and Keypin needs 15 or newer: upgrade it, or name another", where, f.version/1_00_00)
	case f.replica:
		return fmt.Errorf("database: the server at %s is a replica, whose keys may be out of date: name the primary, "+
			"or all of them (postgres://user@one,two/database?target_session_attrs=read-write)", where)
	case f.readOnly:
		return fmt.Errorf("database: the database %q at %s is read-only: take default_transaction_read_only off it and off the user %q, or name another",
			config.Database, where, config.User)
	case f.encoding != "UTF8":
		return fmt.Errorf("database: the database %q has the encoding %s, and Keypin needs UTF8: "+
			"create one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", config.Database, f.encoding)
	}
	return nil
}

// checkRights refuses a user that may not do everything with every table.
func checkRights(ctx context.Context, conn *pgx.Conn) error {
	var table, right, user string
	err := conn.QueryRow(ctx, `SELECT t.name, r.name, current_user
		FROM unnest($1::text[]) AS t (name), unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r (name)
		WHERE NOT has_table_privilege(t.name, r.name) LIMIT 1`, tables()).Scan(&table, &right, &user)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("database: asking what the user may do: %w", reason(err))
	}
	return errRight(user, right+" on the table "+table)
}

func errRight(user, what string) error {
	return fmt.Errorf("database: the user %q lacks the right to %s: let the owner run "+
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %s, or name the owner",
		user, what, pgx.Identifier{user}.Sanitize())
}

// tables are those of the schema.
func tables() []string {
	return []string{"users", "workspaces", "members", "invites", "api_keys", "key_count_changes", "audit_entries",
		"idempotent_answers", "usage_counts", "key_uses", "page_votes", "nodes"}
}

// hosts are where the servers are.
func hosts(config *pgx.ConnConfig) []string {
	all := []string{net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))}
	for _, other := range config.Fallbacks {
		host := net.JoinHostPort(other.Host, strconv.Itoa(int(other.Port)))
		if all[len(all)-1] != host { // the same one without TLS
			all = append(all, host)
		}
	}
	return all
}

// errConnecting says why no connection was made, and what to do.
func errConnecting(config *pgx.ConnConfig, err error) error {
	where := strings.Join(hosts(config), ", ")
	switch state(err) {
	case stateNoPassword, stateWrongPassword:
		return fmt.Errorf("database: the server at %s refuses the user %q: correct the user and the password, or let the server's pg_hba.conf take them: %w",
			where, config.User, reason(err))
	case stateNoDatabase:
		return fmt.Errorf("database: there is no database %q at %s: create it (CREATE DATABASE %s ENCODING 'UTF8'), or name another",
			config.Database, where, pgx.Identifier{config.Database}.Sanitize())
	case stateNoRight:
		return fmt.Errorf("database: the user %q may not connect to the database %q: let its owner run GRANT CONNECT ON DATABASE %s TO %s",
			config.User, config.Database, pgx.Identifier{config.Database}.Sanitize(), pgx.Identifier{config.User}.Sanitize())
	case stateTooManyClients:
		return fmt.Errorf("database: the server at %s has no connection left: raise its max_connections, or lower database_connections of the nodes: %w", where, reason(err))
	case stateProtocol:
		return fmt.Errorf("database: the server at %s refuses the connection: %w: if it is a pooler such as PgBouncer, let it know the database and the user, "+
			"and set database_listen to the URL of PostgreSQL itself", where, reason(err))
	case "":
		if errors.Is(err, pgconn.ErrReadOnlyConnection) {
			return fmt.Errorf("database: none of the servers at %s takes writes: name the primary", where)
		}
		return fmt.Errorf("database: no PostgreSQL answers at %s: is it running, and can it be reached from here? %w", where, reason(err))
	default:
		return fmt.Errorf("database: the server at %s refuses the connection: %w", where, reason(err))
	}
}

// reason is the innermost of an error: it names no user, and holds nothing of the URL. Who
// broke it off is told by context.Canceled itself.
func reason(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	var engine *pgconn.PgError
	if errors.As(err, &engine) {
		return errors.New(engine.Error())
	}
	var network *net.OpError
	if errors.As(err, &network) {
		return errors.New(network.Error())
	}
	for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(err) {
		err = inner
	}
	return errors.New(err.Error())
}
