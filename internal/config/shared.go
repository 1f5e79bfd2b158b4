package config

import (
	"crypto/sha256"
	"encoding/hex"
)

// sharedSettings are those that decide what a key may do, so that a key would be judged
// by the node that is asked if they differed.
func sharedSettings() []string {
	return []string{"issuers", "scopes", "key_brand", "default_rate_limit_per_min", "redis", "rate_limits_without_redis"}
}

// Fingerprints are, by name, short hashes of the settings in which all nodes of a
// deployment have to agree. A password in a URL does not count.
func (c *Config) Fingerprints() map[string]string {
	all := settings(c)
	prints := map[string]string{}
	for _, key := range sharedSettings() {
		if s, ok := find(all, key); ok {
			prints[key] = Fingerprint([]byte(asJSON(s.value.plain())))
		}
	}
	return prints
}

// Fingerprint is a short hash, by which equal things can be told from others.
func Fingerprint(of []byte) string {
	sum := sha256.Sum256(of)
	return hex.EncodeToString(sum[:8])
}
