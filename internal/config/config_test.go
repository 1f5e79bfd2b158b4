package config_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
)

func write(t *testing.T, yaml string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keypin.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, in config.Input) *config.Config {
	t.Helper()
	c, err := config.Load(in)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems are the problems of err without their sources.
func problems(t *testing.T, err error) []config.Problem {
	t.Helper()
	if err == nil {
		return nil
	}
	var p config.Problems
	if !errors.As(err, &p) {
		t.Fatalf("%v (%T) is not a list of problems", err, err)
	}
	return p
}

// fields are the fields that err complains about.
func fields(t *testing.T, err error) []string {
	t.Helper()
	var names []string
	for _, p := range problems(t, err) {
		if p.Wrong == "" || p.Right == "" {
			t.Errorf("the problem %+v does not say what is wrong and what would be right", p)
		}
		names = append(names, p.Field)
	}
	return names
}

func printed(t *testing.T, c *config.Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := c.Print(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTheDefaultsAreValid(t *testing.T) {
	t.Parallel()
	c := load(t, config.Input{})
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(config.Default(), c, cmpopts.IgnoreUnexported(config.Config{}), cmp.Comparer(sameSecret)); diff != "" {
		t.Errorf("loading nothing differs from the defaults (-want +got):\n%s", diff)
	}
	if got, want := c.DatabaseURL().Reveal(), "sqlite://data/keypin.db"; got != want {
		t.Errorf("the default database is %s, want %s", got, want)
	}
}

func sameSecret(a, b keypin.Secret) bool { return a.Reveal() == b.Reveal() }

func TestEachSourceIsStrongerThanTheOneBefore(t *testing.T) {
	t.Parallel()
	file := write(t, "listen: 127.0.0.1:1\ndata_listen: 127.0.0.1:2\ndata_dir: /from/file\nlog:\n  format: text\n")
	c := load(t, config.Input{
		File:    file,
		Environ: []string{"KEYPIN_DATA_LISTEN=127.0.0.1:3", "KEYPIN_DATA_DIR=/from/env", "HOME=/root"},
		Flags:   map[string]string{"data_dir": "/from/flag"},
	})
	got := []string{c.Listen, c.DataListen, c.DataDir, c.Log.Format, c.Log.Level}
	want := []string{"127.0.0.1:1", "127.0.0.1:3", "/from/flag", "text", "info"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	shown := printed(t, c)
	for _, line := range []string{
		"listen = 127.0.0.1:1  (source: file " + file + ")",
		"data_listen = 127.0.0.1:3  (source: env KEYPIN_DATA_LISTEN)",
		"data_dir = /from/flag  (source: flag --data-dir)",
		"database = sqlite:///from/flag/keypin.db  (source: default)",
		"log.format = text  (source: file " + file + ")",
		"log.level = info  (source: default)",
	} {
		if !strings.Contains(shown, line+"\n") {
			t.Errorf("the printed settings lack %q:\n%s", line, shown)
		}
	}
}

func TestTheEnvironmentNamesTheFile(t *testing.T) {
	t.Parallel()
	file := write(t, "key_brand: acme\n")
	if c := load(t, config.Input{Environ: []string{"KEYPIN_CONFIG=" + file}}); c.KeyBrand != "acme" {
		t.Errorf("the brand is %q, want the file's", c.KeyBrand)
	}
	other := write(t, "key_brand: other\n")
	if c := load(t, config.Input{File: other, Environ: []string{"KEYPIN_CONFIG=" + file}}); c.KeyBrand != "other" {
		t.Errorf("the brand is %q, want that of the flag's file", c.KeyBrand)
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none.yaml"), t.TempDir(), write(t, "listen: [\n"), write(t, "a: 1\na: 2\n"), write(t, "- a\n")} {
		_, err := config.Load(config.Input{File: path})
		if diff := cmp.Diff([]string{"config"}, fields(t, err)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

const full = `
listen: 127.0.0.1:9000
data_listen: ""
data_token: 0123456789abcdef
data_dir: /var/lib/keypin
database: postgres://keypin:hunter2@pooler/keypin
database_listen: postgres://keypin:hunter2@server/keypin
database_connections: 32
database_timeout: 3s
redis: redis://:hunter2@cache:6379
rate_limits_without_redis: deny
read_only: true
pprof: true
public_url: https://keys.example.com/base
docs: false
insecure_local_issuer: true
issuers:
  - issuer: https://clerk.example.com
    kind: clerk
    authorized_parties: [https://app.example.com]
  - issuer: https://id.example.com/
    kind: oidc
    jwks_url: https://id.example.com/keys
    audiences: [keypin, other]
    algorithms: [ES256]
scopes:
  - {name: "invoices:read", description: Read invoices.}
key_brand: acme
default_rate_limit_per_min: 600
trusted_proxies: [10.0.0.0/8, "::1"]
cache: {max_bytes: 67108864, serve_stale: 30s}
cors:
  allowed_origins: [https://app.example.com]
min_sdk_version: 0.7.0
log: {format: text, level: debug}
server:
  read_header_timeout: 1s
  read_timeout: 2s
  write_timeout: 3s
  idle_timeout: 1m
  max_header_bytes: 8192
shutdown: {delay: 5s, grace: 1m30s}
`

func fullConfig() *config.Config {
	return &config.Config{
		Listen:              "127.0.0.1:9000",
		DataToken:           keypin.NewSecret("0123456789abcdef"),
		DataDir:             "/var/lib/keypin",
		Database:            keypin.NewSecret("postgres://keypin:hunter2@pooler/keypin"),
		DatabaseListen:      keypin.NewSecret("postgres://keypin:hunter2@server/keypin"),
		DatabaseConnections: 32, DatabaseTimeout: 3 * time.Second,
		Redis: keypin.NewSecret("redis://:hunter2@cache:6379"), RateLimitsWithoutRedis: config.WithoutRedisDeny,
		ReadOnly: true, Pprof: true,
		PublicURL:           "https://keys.example.com/base",
		InsecureLocalIssuer: true,
		Issuers: []authn.Issuer{
			{Issuer: "https://clerk.example.com", Kind: authn.KindClerk, AuthorizedParties: []string{"https://app.example.com"}},
			{Issuer: "https://id.example.com/", Kind: authn.KindOIDC, JWKSURL: "https://id.example.com/keys", Audiences: []string{"keypin", "other"}, Algorithms: []string{"ES256"}},
		},
		Scopes:                 []keypin.ScopeInfo{{Name: "invoices:read", Description: "Read invoices."}},
		KeyBrand:               "acme",
		DefaultRateLimitPerMin: 600,
		TrustedProxies:         []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		Cache:                  config.Cache{MaxBytes: 64 << 20, ServeStale: 30 * time.Second},
		CORS:                   config.CORS{AllowedOrigins: []string{"https://app.example.com"}},
		MinSDKVersion:          "0.7.0",
		Log:                    config.Log{Format: "text", Level: "debug"},
		Server:                 config.Server{ReadHeaderTimeout: time.Second, ReadTimeout: 2 * time.Second, WriteTimeout: 3 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 8192},
		Shutdown:               config.Shutdown{Delay: 5 * time.Second, Grace: 90 * time.Second},
	}
}

func TestEverySettingCanBeSetInTheFile(t *testing.T) {
	t.Parallel()
	c := load(t, config.Input{File: write(t, full)})
	if diff := cmp.Diff(fullConfig(), c, cmpopts.IgnoreUnexported(config.Config{}), cmp.Comparer(sameSecret), cmp.Comparer(samePrefix)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	if got := printed(t, c); strings.Contains(got, "source: default") {
		t.Errorf("the file above does not set every setting:\n%s", got)
	}
}

func samePrefix(a, b netip.Prefix) bool { return a == b }

func TestEverySettingCanBeSetInTheEnvironment(t *testing.T) {
	t.Parallel()
	c := load(t, config.Input{Environ: []string{
		"KEYPIN_LISTEN=127.0.0.1:9000", "KEYPIN_DATA_LISTEN=", "KEYPIN_DATA_TOKEN=0123456789abcdef",
		"KEYPIN_DATA_DIR=/var/lib/keypin", "KEYPIN_DATABASE=postgres://keypin:hunter2@pooler/keypin",
		"KEYPIN_DATABASE_LISTEN=postgres://keypin:hunter2@server/keypin", "KEYPIN_DATABASE_CONNECTIONS=32", "KEYPIN_DATABASE_TIMEOUT=3s",
		"KEYPIN_REDIS=redis://:hunter2@cache:6379", "KEYPIN_RATE_LIMITS_WITHOUT_REDIS=deny", "KEYPIN_READ_ONLY=true", "KEYPIN_PPROF=true",
		"KEYPIN_PUBLIC_URL=https://keys.example.com/base", "KEYPIN_DOCS=false", "KEYPIN_INSECURE_LOCAL_ISSUER=true",
		`KEYPIN_ISSUERS=[{"issuer":"https://clerk.example.com","kind":"clerk","authorized_parties":["https://app.example.com"]},` +
			`{"issuer":"https://id.example.com/","kind":"oidc","jwks_url":"https://id.example.com/keys","audiences":["keypin","other"],"algorithms":["ES256"]}]`,
		`KEYPIN_SCOPES=[{"name":"invoices:read","description":"Read invoices."}]`,
		"KEYPIN_KEY_BRAND=acme", "KEYPIN_DEFAULT_RATE_LIMIT_PER_MIN=600", "KEYPIN_TRUSTED_PROXIES=10.0.0.0/8, ::1",
		"KEYPIN_CACHE_MAX_BYTES=67108864", "KEYPIN_CACHE_SERVE_STALE=30s",
		"KEYPIN_CORS_ALLOWED_ORIGINS=https://app.example.com", "KEYPIN_MIN_SDK_VERSION=0.7.0",
		"KEYPIN_LOG_FORMAT=text", "KEYPIN_LOG_LEVEL=debug",
		"KEYPIN_SERVER_READ_HEADER_TIMEOUT=1s", "KEYPIN_SERVER_READ_TIMEOUT=2s", "KEYPIN_SERVER_WRITE_TIMEOUT=3s",
		"KEYPIN_SERVER_IDLE_TIMEOUT=1m", "KEYPIN_SERVER_MAX_HEADER_BYTES=8192", "KEYPIN_SHUTDOWN_DELAY=5s", "KEYPIN_SHUTDOWN_GRACE=90s",
	}})
	if diff := cmp.Diff(fullConfig(), c, cmpopts.IgnoreUnexported(config.Config{}), cmp.Comparer(sameSecret), cmp.Comparer(samePrefix)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := printed(t, c); strings.Contains(got, "source: default") {
		t.Errorf("the environment above does not set every setting:\n%s", got)
	}
}

func TestWhatIsPrintedOfAListCanBeReadFromTheEnvironment(t *testing.T) {
	t.Parallel()
	want := load(t, config.Input{File: write(t, full)})
	var environ []string
	for line := range strings.Lines(printed(t, want)) {
		key, rest, _ := strings.Cut(line, " = ")
		value, _, _ := strings.Cut(rest, "  (source: ")
		if key == "issuers" || key == "scopes" || key == "trusted_proxies" {
			environ = append(environ, "KEYPIN_"+strings.ToUpper(key)+"="+value)
		}
	}
	got := load(t, config.Input{Environ: environ})
	if diff := cmp.Diff(want.Issuers, got.Issuers); diff != "" {
		t.Errorf("issuers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.Scopes, got.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.TrustedProxies, got.TrustedProxies, cmp.Comparer(samePrefix)); diff != "" {
		t.Errorf("trusted proxies (-want +got):\n%s", diff)
	}
}

func TestAnUnknownNameIsRefusedWithTheNearestOne(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ yaml, env, field, right string }{
		{yaml: "lisen: x", field: "lisen", right: "did you mean listen?"},
		{yaml: "trusted_proxy: []", field: "trusted_proxy", right: "did you mean trusted_proxies?"},
		{yaml: "log: {fromat: json}", field: "log.fromat", right: "did you mean log.format?"},
		{yaml: "format: json", field: "format", right: "did you mean log.format?"},
		{yaml: "lgo: {format: json}", field: "lgo", right: "did you mean log?"},
		{yaml: "log.format: json", field: "log.format", right: "nest it: the dots of a path are levels of the file"},
		{yaml: "log: json", field: "log", right: "set log.format, log.level"},
		{yaml: "issuers: [{issuer: x, kind: oidc, jwks_ur: y}]", field: "issuers[0].jwks_ur", right: "did you mean issuers[0].jwks_url?"},
		{env: "KEYPIN_LISTENS=x", field: "KEYPIN_LISTENS", right: "did you mean KEYPIN_LISTEN?"},
		{env: "KEYPIN_LOGFORMAT=x", field: "KEYPIN_LOGFORMAT", right: "did you mean KEYPIN_LOG_FORMAT?"},
		{env: `KEYPIN_SCOPES=[{"nam":"x"}]`, field: "scopes[0].nam", right: "did you mean scopes[0].name?"},
	} {
		in := config.Input{Environ: []string{tc.env}}
		if tc.yaml != "" {
			in = config.Input{File: write(t, tc.yaml)}
		}
		_, err := config.Load(in)
		got := problems(t, err)
		if len(got) != 1 || got[0].Field != tc.field || got[0].Right != tc.right {
			t.Errorf("%s%s: got %+v, want %s: %s", tc.yaml, tc.env, got, tc.field, tc.right)
		}
	}
}

func TestVariablesOfClientsAndOrchestratorsAreLeftAlone(t *testing.T) {
	t.Parallel()
	load(t, config.Input{Environ: []string{
		"KEYPIN_API_KEY=x", "KEYPIN_BASE_URL=x", "KEYPIN_WORKSPACE_ID=x", "KEYPIN_PROFILE=x", "KEYPIN_TOKEN=x",
		"KEYPIN_SERVICE_HOST=10.0.0.1", "KEYPIN_SERVICE_PORT=80", "KEYPIN_SERVICE_PORT_HTTP=80", "KEYPIN_PORT=tcp://10.0.0.1:80",
		"KEYPIN_PORT_80_TCP=tcp://10.0.0.1:80", "KEYPIN_PORT_80_TCP_ADDR=10.0.0.1", "KEYPIN_DATA_SERVICE_HOST=10.0.0.1",
		"OTHER=x",
	}})
}

func TestAValueOfTheWrongTypeIsNamedByItsPath(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Input{File: write(t, `
listen: 8080
data_token: 123456789012345678
data_dir:
insecure_local_issuer: sometimes
issuers: [https://clerk.example.com]
scopes: all
default_rate_limit_per_min: 1.5
trusted_proxies: [10.0.0.1/8, here, 5]
cors: {allowed_origins: {a: b}}
log:
server: {read_timeout: 15, max_header_bytes: 16k}
`)})
	want := []string{
		"data_dir", "listen", "data_token", "insecure_local_issuer", "issuers[0]", "scopes", "default_rate_limit_per_min",
		"trusted_proxies[2]", "cors.allowed_origins", "server.read_timeout", "server.max_header_bytes",
	}
	if diff := cmp.Diff(want, fields(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(err.Error(), "123456789012345678") {
		t.Errorf("the secret is in the error: %v", err)
	}
	_, err = config.Load(config.Input{Environ: []string{"KEYPIN_TRUSTED_PROXIES=10.0.0.1/8,here"}})
	if diff := cmp.Diff([]string{"trusted_proxies[0]", "trusted_proxies[1]"}, fields(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestEveryWrongValueIsReportedAtOnce(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Listen = "8080"
	c.DataListen = "127.0.0.1:99999"
	c.DataToken = keypin.NewSecret("short")
	c.DataDir = ""
	c.Database = keypin.NewSecret("mysql://user:hunter2@host/db")
	c.DatabaseListen = keypin.NewSecret("postgres://user:hunter2@host/db")
	c.DatabaseConnections, c.DatabaseTimeout = 1, time.Millisecond
	c.Redis = keypin.NewSecret("http://user:hunter2@host")
	c.RateLimitsWithoutRedis = "guess"
	c.PublicURL = "keys.example.com"
	c.Issuers = []authn.Issuer{
		{Issuer: "http://clerk.example.com", Kind: "clark", JWKSURL: "ftp://x", Algorithms: []string{"HS256"}},
		{Issuer: "https://id.example.com", Kind: authn.KindOIDC, Audiences: []string{""}},
		{Issuer: "https://id.example.com", Kind: authn.KindOIDC, AuthorizedParties: []string{""}},
	}
	c.Scopes = []keypin.ScopeInfo{{Name: "invoices", Description: "x"}}
	c.KeyBrand = "Op_"
	c.DefaultRateLimitPerMin = -1
	c.CORS.AllowedOrigins = []string{"*", "https://app.example.com/", "https://app.example.com"}
	c.MinSDKVersion = "0.7"
	c.Log = config.Log{Format: "xml", Level: "loud"}
	c.Server = config.Server{WriteTimeout: 2 * time.Hour}
	c.Shutdown = config.Shutdown{Delay: -1, Grace: -1}
	err := c.Validate()
	want := []string{
		"listen", "data_listen", "data_token", "data_dir", "database",
		"database_listen", "database_connections", "redis", "rate_limits_without_redis",
		"issuers[0].issuer", "issuers[0].kind", "issuers[0].jwks_url", "issuers[0].algorithms", "issuers[1].audiences",
		"issuers[2].authorized_parties", "issuers[2].issuer", "scopes[0].name", "key_brand", "default_rate_limit_per_min",
		"public_url", "cors.allowed_origins[0]", "cors.allowed_origins[1]", "min_sdk_version", "log.format", "log.level",
		"database_timeout", "server.read_header_timeout", "server.read_timeout", "server.write_timeout", "server.idle_timeout",
		"shutdown.delay", "shutdown.grace", "server.max_header_bytes",
	}
	if diff := cmp.Diff(want, fields(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, secret := range []string{"hunter2", "short;"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in the error: %v", secret, err)
		}
	}
}

func TestAFileOfSQLiteOrAURLOfPostgreSQLIsADatabase(t *testing.T) {
	t.Parallel()
	for database, right := range map[string]bool{
		"sqlite://keypin.db": true, "sqlite://./data/keypin.db": true, "sqlite:///var/lib/keypin.db": true,
		"postgres://localhost/keypin": true, "postgresql://u:p@[::1]:5432/keypin?sslmode=require": true, "postgres://a,b:5433/keypin?target_session_attrs=read-write": true,
		"postgres:///keypin?host=/run/postgresql": true, "postgres://localhost": false, "postgres://localhost/": false, "postgres:///keypin": false,
		"postgres://u:50%@localhost/keypin": false, "mysql://localhost/keypin": false, "keypin.db": false, "sqlite:keypin.db": false, "sqlite://": false,
		"sqlite://data/": false, "sqlite://:memory:": false, "sqlite://a.db?mode=memory": false, "sqlite://file:a.db": false,
	} {
		c := config.Default()
		c.Database = keypin.NewSecret(database)
		if err := c.Validate(); (err == nil) != right {
			t.Errorf("%s: %v", database, err)
		}
		if c.OnPostgres() != strings.HasPrefix(database, "postgres") {
			t.Errorf("%s is of PostgreSQL: %t", database, c.OnPostgres())
		}
	}
}

func TestChangesAreListenedForWhereTheDatabaseIsUnlessAPoolerStandsBetween(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.Database = keypin.NewSecret("postgres://pooler/keypin")
	if got := c.ListenURL().Reveal(); got != "postgres://pooler/keypin" {
		t.Error(got)
	}
	c.DatabaseListen = keypin.NewSecret("postgres://server/keypin")
	if got := c.ListenURL().Reveal(); got != "postgres://server/keypin" {
		t.Error(got)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	c.Database = keypin.Secret{}
	if diff := cmp.Diff([]string{"database_listen"}, fields(t, c.Validate())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheLocalIssuerStaysOnLoopbackUnlessTheRiskIsAccepted(t *testing.T) {
	t.Parallel()
	for listen, loopback := range map[string]bool{
		"127.0.0.1:0": true, "127.9.9.9:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true, "localhost:80": true,
		"0.0.0.0:80": false, ":80": false, "[::]:80": false, "192.0.2.1:80": false, "keys.example.com:80": false, "localhost.:80": false,
	} {
		c := config.Default()
		c.Listen = listen
		if err := c.Validate(); (err == nil) != loopback {
			t.Errorf("%s: %v", listen, err)
		}
		c.InsecureLocalIssuer = true
		if err := c.Validate(); err != nil {
			t.Errorf("%s with the risk accepted: %v", listen, err)
		}
		c.InsecureLocalIssuer = false
		c.Issuers = []authn.Issuer{{Issuer: "https://clerk.example.com", Kind: authn.KindClerk}}
		if err := c.Validate(); err != nil {
			t.Errorf("%s with an issuer: %v", listen, err)
		}
	}
}

func TestTheDataListenerNeverSharesThePublicAddress(t *testing.T) {
	t.Parallel()
	c := config.Default()
	c.DataListen = c.Listen
	if diff := cmp.Diff([]string{"data_listen"}, fields(t, c.Validate())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	c.Listen, c.DataListen = "127.0.0.1:0", "127.0.0.1:0"
	if err := c.Validate(); err != nil {
		t.Errorf("two free ports: %v", err)
	}
}

func TestNodesAgreeWhereverAPasswordAloneDiffers(t *testing.T) {
	t.Parallel()
	prints := func(environ ...string) map[string]string {
		return load(t, config.Input{Environ: environ}).Fingerprints()
	}
	one := prints("KEYPIN_REDIS=redis://:one@cache", "KEYPIN_LISTEN=127.0.0.1:1")
	if diff := cmp.Diff(one, prints("KEYPIN_REDIS=redis://:two@cache", "KEYPIN_LISTEN=127.0.0.1:2")); diff != "" {
		t.Errorf("a password and an address differ:\n%s", diff)
	}
	for name, variable := range map[string]string{
		"redis": "KEYPIN_REDIS=redis://:one@other", "key_brand": "KEYPIN_KEY_BRAND=acme", "default_rate_limit_per_min": "KEYPIN_DEFAULT_RATE_LIMIT_PER_MIN=5",
		"scopes": `KEYPIN_SCOPES=[{"name":"a:b","description":"B."}]`, "issuers": `KEYPIN_ISSUERS=[{"issuer":"https://id.example.com","kind":"oidc"}]`,
		"rate_limits_without_redis": "KEYPIN_RATE_LIMITS_WITHOUT_REDIS=deny",
	} {
		if other := prints("KEYPIN_REDIS=redis://:one@cache", variable); other[name] == one[name] || len(other) != len(one) {
			t.Errorf("%s does not show: %v", name, other)
		}
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-hunter2-hunter2"
	c := load(t, config.Input{Environ: []string{
		"KEYPIN_DATA_TOKEN=" + secret,
		"KEYPIN_DATABASE=postgres://keypin:" + secret + "@db.example.com/keypin?sslpassword=" + secret,
		"KEYPIN_DATABASE_LISTEN=postgres://keypin:" + secret + "@db.example.com/keypin",
		"KEYPIN_REDIS=rediss://:" + secret + "@redis.example.com",
		"KEYPIN_PUBLIC_URL=https://user:" + secret + "@keys.example.com",
		`KEYPIN_ISSUERS=[{"issuer":"https://user:` + secret + `@id.example.com","kind":"oidc"}]`,
	}})
	got := printed(t, c)
	for _, line := range []string{
		"data_token = [secret]  (source: env KEYPIN_DATA_TOKEN)",
		"database = postgres://keypin:[secret]@db.example.com/keypin?sslpassword=[secret]  (source: env KEYPIN_DATABASE)",
		"database_listen = postgres://keypin:[secret]@db.example.com/keypin  (source: env KEYPIN_DATABASE_LISTEN)",
		"redis = rediss://:[secret]@redis.example.com  (source: env KEYPIN_REDIS)",
		`issuers = [{"issuer":"https://user:[secret]@id.example.com","kind":"oidc"}]`,
	} {
		if !strings.Contains(got, line) {
			t.Errorf("the printed settings lack %q:\n%s", line, got)
		}
	}
	for name, text := range map[string]string{"print": got, "error": c.Validate().Error(), "%+v": fmt.Sprintf("%+v", []any{c.DataToken, c.Database, c.DatabaseListen, c.Redis})} {
		if strings.Contains(text, secret) {
			t.Errorf("the secret is in the %s:\n%s", name, text)
		}
	}
}
