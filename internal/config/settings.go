package config

import (
	"slices"
	"strings"

	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/keypin"
)

// EnvPrefix begins every environment variable of the service.
const EnvPrefix = "KEYPIN_"

// setting is one setting by its YAML path, and the field that holds it.
type setting struct {
	key   string
	value value
}

// env is the setting's environment variable: log.format is KEYPIN_LOG_FORMAT.
func (s setting) env() string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// settings are all settings in the order in which they are printed, bound to c.
func settings(c *Config) []setting {
	return []setting{
		{"listen", text{&c.Listen}},
		{"data_listen", text{&c.DataListen}},
		{"data_token", secret{&c.DataToken}},
		{"data_dir", text{&c.DataDir}},
		{"database", location{&c.Database}},
		{"database_listen", location{&c.DatabaseListen}},
		{"database_connections", whole{&c.DatabaseConnections}},
		{"database_timeout", duration{&c.DatabaseTimeout}},
		{"redis", location{&c.Redis}},
		{"rate_limits_without_redis", text{&c.RateLimitsWithoutRedis}},
		{"read_only", boolean{&c.ReadOnly}},
		{"public_url", text{&c.PublicURL}},
		{"docs", boolean{&c.Docs}},
		{"insecure_local_issuer", boolean{&c.InsecureLocalIssuer}},
		{"issuers", objects[authn.Issuer]{&c.Issuers, issuerSettings}},
		{"scopes", objects[keypin.ScopeInfo]{&c.Scopes, scopeSettings}},
		{"key_brand", text{&c.KeyBrand}},
		{"default_rate_limit_per_min", whole{&c.DefaultRateLimitPerMin}},
		{"trusted_proxies", ranges{&c.TrustedProxies}},
		{"cache.max_bytes", whole{&c.Cache.MaxBytes}},
		{"cache.serve_stale", duration{&c.Cache.ServeStale}},
		{"cors.allowed_origins", texts{&c.CORS.AllowedOrigins}},
		{"min_sdk_version", text{&c.MinSDKVersion}},
		{"log.format", text{&c.Log.Format}},
		{"log.level", text{&c.Log.Level}},
		{"server.read_header_timeout", duration{&c.Server.ReadHeaderTimeout}},
		{"server.read_timeout", duration{&c.Server.ReadTimeout}},
		{"server.write_timeout", duration{&c.Server.WriteTimeout}},
		{"server.idle_timeout", duration{&c.Server.IdleTimeout}},
		{"server.max_header_bytes", whole{&c.Server.MaxHeaderBytes}},
		{"shutdown.delay", duration{&c.Shutdown.Delay}},
		{"shutdown.grace", duration{&c.Shutdown.Grace}},
		{"pprof", boolean{&c.Pprof}},
	}
}

func issuerSettings(i *authn.Issuer) []setting {
	return []setting{
		{"issuer", text{&i.Issuer}},
		{"kind", text{(*string)(&i.Kind)}},
		{"jwks_url", text{&i.JWKSURL}},
		{"audiences", texts{&i.Audiences}},
		{"authorized_parties", texts{&i.AuthorizedParties}},
		{"algorithms", texts{&i.Algorithms}},
	}
}

func scopeSettings(s *keypin.ScopeInfo) []setting {
	return []setting{
		{"name", text{(*string)(&s.Name)}},
		{"description", text{&s.Description}},
	}
}

func find(all []setting, key string) (setting, bool) {
	for _, s := range all {
		if s.key == key {
			return s, true
		}
	}
	return setting{}, false
}

func keys(all []setting) []string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.key
	}
	return names
}

// section lists the settings below key: log is log.format and log.level.
func section(all []setting, key string) []string {
	var names []string
	for _, s := range all {
		if strings.HasPrefix(s.key, key+".") {
			names = append(names, s.key)
		}
	}
	return names
}

// sections lists the names that have settings below them.
func sections(all []setting) []string {
	var names []string
	for _, s := range all {
		if name, _, ok := strings.Cut(s.key, "."); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
