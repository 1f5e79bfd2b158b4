package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/ratelimit"
	"github.com/keypin/keypin/internal/ratelimit/shared"
	"github.com/keypin/keypin/internal/store/postgres"
	"github.com/keypin/keypin/internal/store/postgres/node"
	"github.com/keypin/keypin/internal/store/sqlite"
	"github.com/keypin/keypin/internal/telemetry"
	"github.com/keypin/keypin/internal/telemetry/dbtrace"
	"github.com/keypin/keypin/internal/verify"
)

// openStore opens the database, made and migrated where needed.
func (a *App) openStore(ctx context.Context, open *closers) (store keypin.Store, err error) {
	if a.config.OnPostgres() {
		store, err = a.openPostgres(ctx)
	} else {
		store, err = a.openSQLite(ctx)
	}
	if err != nil {
		return nil, err
	}
	open.add(store.Close)
	if a.config.ReadOnly {
		store = readOnly{store}
	}
	a.store = store
	return store, nil
}

func (a *App) openSQLite(ctx context.Context) (keypin.Store, error) {
	path, err := databaseFile(a.config)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	store, err := sqlite.Open(ctx, sqlite.Options{Path: path, Migrate: true})
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return store, nil
}

func (a *App) openPostgres(ctx context.Context) (keypin.Store, error) {
	c := a.config
	store, err := postgres.Open(ctx, postgres.Options{
		URL: c.DatabaseURL(), Pooled: !c.DatabaseListen.IsZero(), MaxConnections: c.DatabaseConnections, Timeout: c.DatabaseTimeout,
		Migrate: true, Tracer: dbtrace.Postgres(a.tracing),
	})
	if err != nil {
		return nil, err
	}
	a.postgres = store
	a.metrics.WatchDatabase(func() telemetry.Database {
		s := store.Stats()
		return telemetry.Database{
			Max: s.MaxConnections, InUse: s.Connections - s.Idle, Idle: s.Idle, Waits: uint64(s.Waited), Waited: s.WaitedFor, Retries: uint64(s.SerializedAgain),
		}
	})
	return store, nil
}

// Migrate makes the database if there is none and brings it to this version.
func Migrate(ctx context.Context, c *config.Config) error {
	if c.OnPostgres() {
		_, _, err := postgres.Migrate(ctx, c.DatabaseURL())
		return err
	}
	path, err := databaseFile(c)
	if err == nil {
		_, _, err = sqlite.Migrate(ctx, path)
	}
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// databaseFile is the path of SQLite's file, whose folder is there.
func databaseFile(c *config.Config) (string, error) {
	path := c.SQLitePath()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("making its folder: %w; name another place with database or data_dir", err)
	}
	return path, nil
}

// peers is what this node knows of the others. On SQLite there are none.
type peers struct {
	node *node.Node // nil on SQLite, and until it has started
	on   bool       // on PostgreSQL
}

// AsOf is how far the changes that the others make are known here: on PostgreSQL not at
// all until the node has started.
func (p *peers) AsOf(now time.Time) time.Time {
	switch {
	case p.node != nil:
		return p.node.AsOf(now)
	case p.on:
		return time.Time{}
	default:
		return verify.AlwaysFresh{}.AsOf(now)
	}
}

// vouch reports whether what was read from a server, by its timeline, is what this node
// hears the changes of.
func (p *peers) vouch(timeline string) bool { return p.node != nil && p.node.Vouches(timeline) }

// count is how many nodes there are, with this one.
func (p *peers) count() int {
	if p.node == nil {
		return 1
	}
	return p.node.Count()
}

// join makes this process one of the nodes on the database. follower is told of the
// changes that any of them makes.
func (a *App) join(ctx context.Context, p *peers, follower keypin.Follower, jwks []byte, open *closers) error {
	if !p.on {
		return nil
	}
	settings := a.config.Fingerprints()
	if jwks != nil {
		settings["issuer.key"] = config.Fingerprint(jwks)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "a host without a name"
	}
	setting := "database"
	if !a.config.DatabaseListen.IsZero() {
		setting = "database_listen"
	}
	n, err := node.Start(ctx, node.Options{
		URL: a.config.ListenURL(), Field: setting, Name: host + " " + a.PublicAddr().String(), Version: a.options.Version,
		Settings: settings, MustAgree: []string{"issuer.key"},
		Follower: anew{follower, a.postgres}, Clock: a.options.Clock, Random: a.options.Random, Logger: a.options.Logger,
	})
	if err != nil {
		return err
	}
	p.node = n
	open.add(n.Close)
	a.metrics.WatchFreshness(func() time.Duration {
		now := a.options.Clock()
		return now.Sub(n.AsOf(now))
	})
	a.metrics.WatchNodes(slices.Sorted(maps.Keys(settings)), func() telemetry.Nodes {
		s := n.Stats()
		return telemetry.Nodes{
			Seen: n.Count(), Disagree: n.Disagree(), Reconnects: s.Reconnections, Notifications: s.Notifications, Pings: s.Pings,
		}
	})
	return nil
}

// anew is a follower that, when it has to forget everything, gives up the connections to
// the database too: they may lead to a server that is not the primary any more.
type anew struct {
	keypin.Follower
	store *postgres.Store
}

func (a anew) InvalidateAll(ctx context.Context) error {
	a.store.Reset()
	return a.Follower.InvalidateAll(ctx)
}

// openLimiter makes what counts admissions: Redis together with the other nodes, or this
// node alone.
func (a *App) openLimiter(ctx context.Context, nodes func() int, open *closers) (keypin.Limiter, error) {
	alone := ratelimit.NewMemory(a.options.Clock())
	if a.config.Redis.IsZero() {
		if a.config.OnPostgres() {
			a.options.Logger.Warn("each node counts admissions for itself, so a key's limit holds on every node anew; set redis")
		}
		return alone, nil
	}
	mode := shared.Mode(a.config.RateLimitsWithoutRedis) // the setting's words are the modes'
	limiter, err := shared.Open(ctx, shared.Options{
		URL: a.config.Redis, WithoutRedis: mode, Nodes: nodes, Local: alone,
		Clock: a.options.Clock, Random: a.options.Random, Logger: a.options.Logger, Hooks: some(dbtrace.Redis(a.tracing)),
	})
	if err != nil {
		return nil, err
	}
	open.add(limiter.Close)
	a.limiter = limiter
	a.metrics.WatchLimiter(func() telemetry.Limiter { return limiterFigures(limiter.Stats(), mode) })
	return limiter, nil
}

// some is a list of what is there.
func some[T comparable](what T) []T {
	var nothing T
	if what == nothing {
		return nil
	}
	return []T{what}
}

// limiterFigures shows the parts of the limits that Redis alone does not decide under the
// mode that is for them.
func limiterFigures(s shared.Stats, mode shared.Mode) telemetry.Limiter {
	figures := telemetry.Limiter{
		Redis: s.Shared, Calls: s.Calls + s.Probes, Errors: s.Errors, Losses: s.Losses,
		Taken: s.LeaseTaken, Spent: s.LeaseSpent, Returned: s.LeaseReturned, Lapsed: s.LeaseLapsed,
	}
	switch without := s.Doubted + s.Without; mode {
	case shared.Deny:
		figures.Deny = without
	case shared.Allow:
		figures.Allow = without
	default:
		figures.Local = without
	}
	return figures
}

var errDraining = errors.New("the service is shutting down")

// isReady reports whether new requests are welcome: the database answers, and Redis too
// where nothing with a limit is admitted without it.
func (a *App) isReady(ctx context.Context) error {
	if a.draining.Load() {
		return errDraining
	}
	if a.limiter != nil && a.config.RateLimitsWithoutRedis == config.WithoutRedisDeny {
		if err := a.limiter.Ping(ctx); err != nil {
			return err
		}
	}
	return a.store.Ping(ctx)
}
