package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/keypin/keypin/internal/keypin"
)

// Options say which database to open, and how.
type Options struct {
	// URL is postgres://user:password@host:port/database, with libpq's parameters. Of
	// several hosts the one that takes writes is used.
	URL keypin.Secret
	// Pooled says that the URL is that of a pooler which gives each transaction another
	// connection, such as PgBouncer in transaction mode: no prepared statement is given a
	// name, and nothing is set for longer than a transaction.
	Pooled bool
	// MaxConnections bounds the connections that are open at once; 0 means 16.
	MaxConnections int
	// Timeout bounds each exchange with the server, on both sides; 0 means 5 s.
	Timeout time.Duration
	// Migrate applies missing migrations first. Without it a database that lacks some
	// is refused.
	Migrate bool
	// Tracer is told of each query; nil for none.
	Tracer pgx.QueryTracer
}

const (
	defaultConnections = 16
	defaultTimeout     = 5 * time.Second
)

// beginnings are how transactions begin.
type beginnings struct {
	serializable string
	commuting    string // for changes that give the same in any order
	snapshot     string // for reading
}

// settings bound what the server does for us. It gives a statement up a little earlier
// than we do, which keeps the connection.
func settings(timeout time.Duration) map[string]string {
	ms := func(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }
	return map[string]string{"statement_timeout": ms(timeout - timeout/10), "idle_in_transaction_session_timeout": ms(timeout)}
}

// beginningsOf gives a transaction the settings itself when its connection cannot have them.
func beginningsOf(options Options) beginnings {
	set := ""
	if options.Pooled {
		for name, value := range settings(options.Timeout) {
			set += "; set local " + name + " = " + value
		}
	}
	return beginnings{
		serializable: "begin isolation level serializable" + set,
		commuting:    "begin isolation level read committed" + set,
		snapshot:     "begin isolation level repeatable read, read only" + set,
	}
}

// Open opens the database. Its errors are for the operator: they name `database` and
// say what to do, and show no password.
func Open(ctx context.Context, options Options) (*Store, error) {
	if options.MaxConnections <= 0 {
		options.MaxConnections = defaultConnections
	}
	if options.Timeout <= 0 {
		options.Timeout = defaultTimeout
	}
	config, err := configOf(options)
	if err != nil {
		return nil, err
	}
	if err := check(ctx, options, config.ConnConfig); err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, errConnecting(config.ConnConfig, err)
	}
	return newStore(pool, options), nil
}

func newStore(pool *pgxpool.Pool, options Options) *Store {
	s := &Store{pool: pool, timeout: options.Timeout, begin: beginningsOf(options)}
	s.reader = reader{runner: s, doubts: options.Pooled}
	s.tidying = startTidying(s)
	return s
}

func configOf(options Options) (*pgxpool.Config, error) {
	config, err := parse(options.URL)
	if err != nil {
		return nil, err
	}
	config.MaxConns = int32(min(options.MaxConnections, 10_000))
	config.MaxConnLifetime, config.MaxConnLifetimeJitter, config.MaxConnIdleTime = 30*time.Minute, 5*time.Minute, 5*time.Minute
	conn := config.ConnConfig
	if conn.ConnectTimeout == 0 || conn.ConnectTimeout > options.Timeout {
		conn.ConnectTimeout = options.Timeout
	}
	if conn.ValidateConnect == nil { // the URL does not say which server is wanted
		conn.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	conn.Tracer = options.Tracer
	conn.OnNotice = noteAlone
	if options.Pooled {
		conn.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		return config, nil
	}
	for name, value := range settings(options.Timeout) {
		conn.RuntimeParams[name] = value
	}
	return config, nil
}

// parse reads the URL. What pgx says of one that it cannot read may hold a part of it,
// so that is told only of one whose parts are known.
func parse(secret keypin.Secret) (*pgxpool.Config, error) {
	form := errors.New("database: must look like postgres://user:password@host:5432/database?sslmode=verify-full, " +
		"with what is special in a URL written as %XX (such as %40 for an @ in the password)")
	u, err := url.Parse(secret.Reveal())
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Fragment != "" || strings.Trim(u.Path, "/") == "" {
		return nil, form
	}
	config, err := pgxpool.ParseConfig(secret.Reveal())
	if err != nil {
		reason := errors.Unwrap(err)
		if reason == nil {
			return nil, form
		}
		return nil, fmt.Errorf("%w: %s", form, masked(u, reason.Error()))
	}
	if _, ok := config.ConnConfig.RuntimeParams["application_name"]; !ok {
		config.ConnConfig.RuntimeParams["application_name"] = "keypin"
	}
	return config, nil
}

// masked takes what may be a password out of a text.
func masked(u *url.URL, text string) string {
	password, _ := u.User.Password()
	for _, secret := range append(u.Query()["password"], password, u.Query().Get("sslpassword")) {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "[secret]")
		}
	}
	return text
}
