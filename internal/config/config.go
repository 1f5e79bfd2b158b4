package config

import (
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/keypin"
)

// Config is every setting of the service. Default makes one, Load fills it from
// outside, Validate checks it. A field's YAML path is its entry in settings.
type Config struct {
	// Listen is the public listener's host:port. Port 0 takes a free one.
	Listen string
	// DataListen is the data listener's host:port; "" turns it off.
	DataListen string
	// DataToken, when set, is the bearer token that the data listener asks for
	// everywhere but at its probes.
	DataToken keypin.Secret
	// DataDir holds the local issuer's key and, by default, the database.
	DataDir string
	// Database is sqlite://PATH, or a URL of PostgreSQL, postgres://…, which may hold a
	// password; none means SQLite's keypin.db in DataDir.
	Database keypin.Secret
	// DatabaseListen is where changes are listened for on PostgreSQL, when Database goes
	// through a pooler that cannot carry LISTEN, such as PgBouncer in transaction mode;
	// none means Database.
	DatabaseListen keypin.Secret
	// DatabaseConnections bounds the connections to PostgreSQL, without the one that
	// listens.
	DatabaseConnections int
	// DatabaseTimeout bounds a statement on PostgreSQL.
	DatabaseTimeout time.Duration
	// Redis is where several nodes count admissions together: one server, several
	// addresses of a Cluster, or Sentinels. None means that this node counts alone.
	Redis keypin.Secret
	// RateLimitsWithoutRedis says what holds while Redis does not answer: local, deny
	// or allow.
	RateLimitsWithoutRedis string
	// ReadOnly refuses every change; keys are checked as always, and not counted.
	ReadOnly bool
	// Pprof serves Go's profiles on the data listener.
	Pprof bool
	// PublicURL is the base of the absolute URLs in answers, without a slash at the
	// end; "" means that they follow the request.
	PublicURL string
	// Docs serves the documentation on the public listener, at /docs.
	Docs bool
	// InsecureLocalIssuer allows the local issuer on an address that is not loopback.
	InsecureLocalIssuer bool
	// Issuers are those whose session tokens are accepted; none means that the
	// service is its own issuer.
	Issuers []authn.Issuer
	// Scopes are the product's scopes; Keypin adds its own three.
	Scopes []keypin.ScopeInfo
	// KeyBrand is the first word of a key's default prefix: op makes op_live.
	KeyBrand string
	// DefaultRateLimitPerMin holds for keys without a limit of their own; 0 = none.
	DefaultRateLimitPerMin int
	// TrustedProxies are the peers whose X-Forwarded-For or Forwarded is believed.
	TrustedProxies []netip.Prefix
	Cache          Cache
	CORS           CORS
	// MinSDKVersion is the oldest client version that is answered; "" = any.
	MinSDKVersion string
	Log           Log
	Server        Server
	Shutdown      Shutdown

	sources map[string]string
}

// Cache says how keys are remembered between checks.
type Cache struct {
	// MaxBytes bounds what the keys take in memory, about.
	MaxBytes int
	// ServeStale lets keys be judged by what is remembered while the database is down
	// and changes may have been missed, for so long; 0 = never.
	ServeStale time.Duration
}

// CORS says which web pages may read the answers.
type CORS struct {
	// AllowedOrigins are exact origins, such as https://app.example.com; none = no
	// CORS headers at all.
	AllowedOrigins []string
}

// Log says how the log is written.
type Log struct {
	Format string // json or text
	Level  string // debug, info, warn or error
}

// Server bounds what one connection may take.
type Server struct {
	ReadHeaderTimeout time.Duration // for a request's headers
	ReadTimeout       time.Duration // for a request, body included
	WriteTimeout      time.Duration // from the end of the headers to the end of the answer
	IdleTimeout       time.Duration // between two requests of a connection
	MaxHeaderBytes    int           // bytes of a request's headers
}

// Shutdown says how the process ends.
type Shutdown struct {
	// Delay is between /ready turning 503 and the listeners closing: the time that a
	// load balancer takes to notice.
	Delay time.Duration
	// Grace is how long requests in flight may take after that.
	Grace time.Duration
}

// What holds of limits while Redis does not answer.
const (
	// WithoutRedisLocal shares each limit evenly among the nodes last seen.
	WithoutRedisLocal = "local"
	// WithoutRedisDeny refuses keys that have a limit.
	WithoutRedisDeny = "deny"
	// WithoutRedisAllow lets keys through unlimited.
	WithoutRedisAllow = "allow"
)

// Default is the configuration of a service that is told nothing. Its Database is
// still none: DatabaseURL fills it.
func Default() *Config {
	return &Config{
		Listen:     "127.0.0.1:8080",
		DataListen: "127.0.0.1:8081",
		DataDir:    "./data",
		Docs:       true,
		Scopes:     keypin.DefaultScopes(),
		KeyBrand:   "op",
		Cache:      Cache{MaxBytes: 384 << 20},

		DatabaseConnections:    16,
		DatabaseTimeout:        5 * time.Second,
		RateLimitsWithoutRedis: WithoutRedisLocal,

		Log: Log{Format: "json", Level: "info"},
		Server: Server{
			ReadHeaderTimeout: 5 * time.Second,
			ReadTimeout:       15 * time.Second,
			WriteTimeout:      30 * time.Second,
			IdleTimeout:       120 * time.Second,
			MaxHeaderBytes:    16 << 10,
		},
		Shutdown: Shutdown{Grace: 20 * time.Second},
	}
}

// DatabaseURL is Database, or its default in DataDir.
func (c *Config) DatabaseURL() keypin.Secret {
	if !c.Database.IsZero() {
		return c.Database
	}
	return keypin.NewSecret(sqliteScheme + filepath.ToSlash(filepath.Join(c.DataDir, "keypin.db")))
}

// OnPostgres reports whether DatabaseURL is of PostgreSQL; else it is of SQLite.
func (c *Config) OnPostgres() bool { return IsPostgres(c.DatabaseURL()) }

// SQLitePath is the path in DatabaseURL, which Validate has checked.
func (c *Config) SQLitePath() string {
	return strings.TrimPrefix(c.DatabaseURL().Reveal(), sqliteScheme)
}

// ListenURL is DatabaseListen, or else Database: where changes are listened for.
func (c *Config) ListenURL() keypin.Secret {
	if !c.DatabaseListen.IsZero() {
		return c.DatabaseListen
	}
	return c.DatabaseURL()
}

// LocalIssuer reports whether the service is its own issuer.
func (c *Config) LocalIssuer() bool { return len(c.Issuers) == 0 }

const sqliteScheme = "sqlite://"

// IsPostgres reports whether a URL is of PostgreSQL.
func IsPostgres(url keypin.Secret) bool { return isPostgres(url.Reveal()) }

func isPostgres(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// ShownURL is a URL without its password.
func ShownURL(url keypin.Secret) string { return mask(url.Reveal()) }

// Loopback reports whether a host:port can be reached from this machine only. A
// host name other than localhost counts as reachable: who knows where it points.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
