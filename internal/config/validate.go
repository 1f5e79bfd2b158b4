package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Bounds of the settings.
const (
	maxTimeout        = time.Hour
	minHeaderBytes    = 4 << 10
	maxHeaderBytes    = 1 << 20
	minDataTokenChars = 16
	minCacheBytes     = 1 << 20
	maxCacheBytes     = 1 << 40
	maxConnections    = 1000
)

var (
	brandForm   = regexp.MustCompile(`^[a-z][a-z0-9]{1,15}$`)
	versionForm = regexp.MustCompile(`^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$`)
	hostForm    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?$`)
	tokenForm   = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`) // RFC 6750 section 2.1
)

// Validate checks every setting, and those that depend on one another. Its error
// is Problems and names all that is wrong.
func (c *Config) Validate() error {
	var p Problems
	c.checkListeners(&p)
	c.checkStorage(&p)
	c.checkIssuers(&p)
	c.checkKeys(&p)
	c.checkWeb(&p)
	c.checkLimits(&p)
	for i := range p {
		p[i].Source = c.source(p[i].Field)
	}
	return p.err()
}

func (c *Config) checkListeners(p *Problems) {
	const right = "must be host:port, such as 127.0.0.1:8080"
	listenFits, dataFits := addressFits(c.Listen), addressFits(c.DataListen)
	if !listenFits {
		p.add("listen", "is "+shown(c.Listen), right)
	}
	if c.DataListen != "" && !dataFits {
		p.add("data_listen", "is "+shown(c.DataListen), right+`; "" turns the data listener off`)
	}
	if dataFits && c.DataListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		p.add("data_listen", "is the public listener's address", "must be another one: it is for your own machines, not for callers")
	}
	if c.DataListen != "" && dataFits && !Loopback(c.DataListen) && c.DataToken.IsZero() {
		p.add("data_token", "is not set, and "+shown(c.DataListen)+" can be reached from other machines",
			"must be set, or data_listen be a loopback address: that listener tells of the whole service")
	}
	if t := c.DataToken; !t.IsZero() && (len(t.Reveal()) < minDataTokenChars || !tokenForm.MatchString(t.Reveal())) {
		p.add("data_token", "is too short or holds characters that a bearer token cannot",
			fmt.Sprintf("must be at least %d letters, digits and -._~+/=", minDataTokenChars))
	}
	if c.LocalIssuer() && !c.InsecureLocalIssuer && listenFits && !Loopback(c.Listen) {
		*p = append(*p, LocalIssuerExposed(c.Listen))
	}
}

// LocalIssuerExposed is the problem of a local issuer on an address that others
// can reach.
func LocalIssuerExposed(address string) Problem {
	return Problem{
		Field: "listen",
		Wrong: shown(address) + " is not a loopback address and no issuers are configured, so the service would be its own issuer: " +
			"whoever reads the data folder could sign in as anyone from elsewhere",
		Right: "listen on 127.0.0.1, or configure issuers, or accept the risk with insecure_local_issuer: true (--insecure-local-issuer)",
	}
}

func addressFits(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return false
	}
	if host == "" || hostForm.MatchString(host) {
		return true
	}
	_, err = netip.ParseAddr(host)
	return err == nil
}

func (c *Config) checkStorage(p *Problems) {
	if c.DataDir == "" {
		p.add("data_dir", "is empty", "must be a folder, such as ./data")
	}
	if !c.Database.IsZero() { // DatabaseURL's default is right by itself
		if wrong, right := DatabaseProblem(c.Database); wrong != "" {
			p.add("database", wrong, right)
		}
	}
	if !c.DatabaseListen.IsZero() {
		switch wrong, right := postgresProblem(c.DatabaseListen.Reveal()); {
		case !isPostgres(c.DatabaseListen.Reveal()):
			p.add("database_listen", "is not a URL of PostgreSQL", rightPostgres)
		case !c.OnPostgres():
			p.add("database_listen", "is set, and database is SQLite, which has nothing to listen for", "must not be set")
		case wrong != "":
			p.add("database_listen", wrong, right)
		}
	}
	if n := c.DatabaseConnections; n < 2 || n > maxConnections {
		p.add("database_connections", "is "+shown(n), fmt.Sprintf("must be 2 to %d", maxConnections))
	}
	if !c.Redis.IsZero() && !slices.ContainsFunc([]string{"redis://", "rediss://"}, func(scheme string) bool { return strings.HasPrefix(c.Redis.Reveal(), scheme) }) {
		p.add("redis", "is not a URL of Redis", "must be redis://HOST:PORT, or rediss:// with TLS")
	}
	modes := []string{WithoutRedisLocal, WithoutRedisDeny, WithoutRedisAllow}
	if !slices.Contains(modes, c.RateLimitsWithoutRedis) {
		p.add("rate_limits_without_redis", "is "+shown(c.RateLimitsWithoutRedis), "must be "+strings.Join(modes, ", "))
	}
}

const (
	rightSQLite   = "must be sqlite://PATH, such as sqlite://./data/keypin.db"
	rightPostgres = "must be postgres://USER:PASSWORD@HOST:PORT/DATABASE"
)

// DatabaseProblem says what is wrong with the URL of a database, and what would be right;
// nothing when it can be tried.
func DatabaseProblem(database keypin.Secret) (wrong, right string) {
	url := database.Reveal()
	path, isSQLite := strings.CutPrefix(url, sqliteScheme)
	scheme, _, hasScheme := strings.Cut(url, "://")
	switch {
	case isPostgres(url):
		return postgresProblem(url)
	case !hasScheme:
		return "is not a URL", rightSQLite + ", or " + strings.TrimPrefix(rightPostgres, "must be ")
	case !isSQLite:
		return fmt.Sprintf("has the scheme %s, which is no database of Keypin's", shown(scheme)), rightSQLite + ", or " + strings.TrimPrefix(rightPostgres, "must be ")
	case path == "" || strings.HasSuffix(path, "/"):
		return "names no file", rightSQLite
	case strings.ContainsAny(path, "?#%\x00") || strings.HasPrefix(path, ":") || strings.HasPrefix(path, "file:"):
		return "holds more than a path", "must be sqlite:// and the path of a file without ? # % in it; keypin chooses the options itself"
	}
	return "", ""
}

// postgresProblem looks at what every URL of PostgreSQL has; its driver looks at the rest.
func postgresProblem(raw string) (wrong, right string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil: // the error holds the URL, and so the password
		return "is not a URL that can be read; a password with / ? # @ or % in it has to be percent-encoded", rightPostgres
	case u.Host == "" && u.Query().Get("host") == "":
		return "names no host", rightPostgres
	case strings.Trim(u.Path, "/") == "" && u.Query().Get("dbname") == "":
		return "names no database", rightPostgres
	}
	return "", ""
}

func (c *Config) checkIssuers(p *Problems) {
	seen := map[string]bool{}
	for i, issuer := range c.Issuers {
		at := fmt.Sprintf("issuers[%d].", i)
		for _, line := range errorLines(issuer.Validate()) {
			// Each line is `field: what is wrong; what would be right`.
			field, rest, _ := strings.Cut(line, ": ")
			wrong, right, _ := strings.Cut(rest, "; ")
			p.add(at+field, wrong, right)
		}
		if seen[issuer.Issuer] {
			p.add(at+"issuer", "is listed twice", "name each issuer once")
		}
		seen[issuer.Issuer] = true
	}
}

func errorLines(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func (c *Config) checkKeys(p *Problems) {
	if _, err := keypin.NewRegistry(c.Scopes); err != nil {
		// NewRegistry says `scopes[i].field: what would be right`.
		field, right, ok := strings.Cut(err.Error(), ": ")
		if !ok {
			field, right = "scopes", err.Error()
		}
		p.add(field, "is not right", right)
	}
	if !brandForm.MatchString(c.KeyBrand) {
		p.add("key_brand", "is "+shown(c.KeyBrand), "must be 2 to 16 lower-case letters and digits, a letter first, such as op")
	}
	if n := c.DefaultRateLimitPerMin; n != 0 && keypin.CheckRateLimit(int64(n)) != nil {
		p.add("default_rate_limit_per_min", "is "+shown(n), fmt.Sprintf("must be 1 to %d, or 0 for none", keypin.MaxRateLimit))
	}
}

func (c *Config) checkWeb(p *Problems) {
	if c.PublicURL != "" && !isPublicURL(c.PublicURL) {
		p.add("public_url", "is "+shown(c.PublicURL), "must be an http or https URL without user, query, fragment or a slash at its end, such as https://keys.example.com")
	}
	for i, origin := range c.CORS.AllowedOrigins {
		if !isOrigin(origin) {
			p.add(fmt.Sprintf("cors.allowed_origins[%d]", i), "is "+shown(origin), "must be an exact origin in lower case, such as https://app.example.com; there are no wildcards")
		}
	}
	if c.MinSDKVersion != "" && !versionForm.MatchString(c.MinSDKVersion) {
		p.add("min_sdk_version", "is "+shown(c.MinSDKVersion), "must be a version of three numbers, such as 0.7.0")
	}
}

func isPublicURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil &&
		u.RawQuery == "" && !strings.ContainsAny(s, "?#") && !strings.HasSuffix(s, "/")
}

// isOrigin checks an origin as browsers send it (RFC 6454 section 6.2).
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" &&
		s == u.Scheme+"://"+u.Host && s == strings.ToLower(s) && !strings.Contains(s, "*")
}

func (c *Config) checkLimits(p *Problems) {
	if !slices.Contains([]string{"json", "text"}, c.Log.Format) {
		p.add("log.format", "is "+shown(c.Log.Format), "must be json or text")
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, c.Log.Level) {
		p.add("log.level", "is "+shown(c.Log.Level), "must be debug, info, warn or error")
	}
	timeouts := []struct {
		field string
		value time.Duration
		least time.Duration
	}{
		{"database_timeout", c.DatabaseTimeout, 100 * time.Millisecond},
		{"cache.serve_stale", c.Cache.ServeStale, 0},
		{"server.read_header_timeout", c.Server.ReadHeaderTimeout, time.Millisecond},
		{"server.read_timeout", c.Server.ReadTimeout, time.Millisecond},
		{"server.write_timeout", c.Server.WriteTimeout, time.Millisecond},
		{"server.idle_timeout", c.Server.IdleTimeout, time.Millisecond},
		{"shutdown.delay", c.Shutdown.Delay, 0},
		{"shutdown.grace", c.Shutdown.Grace, 0},
	}
	for _, t := range timeouts {
		if t.value < t.least || t.value > maxTimeout {
			p.add(t.field, "is "+t.value.String(), fmt.Sprintf("must be %s to %s", t.least, maxTimeout))
		}
	}
	if n := c.Cache.MaxBytes; n < minCacheBytes || n > maxCacheBytes {
		p.add("cache.max_bytes", "is "+shown(n), fmt.Sprintf("must be %d to %d", minCacheBytes, int64(maxCacheBytes)))
	}
	if n := c.Server.MaxHeaderBytes; n < minHeaderBytes || n > maxHeaderBytes {
		p.add("server.max_header_bytes", "is "+shown(n), fmt.Sprintf("must be %d to %d", minHeaderBytes, maxHeaderBytes))
	}
}
