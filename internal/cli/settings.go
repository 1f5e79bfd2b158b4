package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/keypin/keypin/internal/config"
)

// The flags that are settings too: --data-dir is data_dir.
const (
	flagListen     = "listen"
	flagDataListen = "data-listen"
	flagDataDir    = "data-dir"
	flagDatabase   = "database"
	flagRedis      = "redis"
	flagInsecure   = "insecure-local-issuer"
)

const flagConfig = "config"

// addSettings gives the command --config and the named flags of settings. Their
// defaults stay with package config, so a flag that is not given says nothing.
func addSettings(cmd *cobra.Command, names ...string) {
	f := cmd.Flags()
	f.String(flagConfig, "", "YAML `FILE` with settings (default KEYPIN_CONFIG, else none)")
	for name, help := range map[string]string{
		flagListen:     "`ADDR` of the public listener (default 127.0.0.1:8080)",
		flagDataListen: "`ADDR` of the data listener, empty = off (default 127.0.0.1:8081)",
		flagDataDir:    "`DIR` of the local issuer's key and, by default, the database (default ./data)",
		flagDatabase:   "`URL` of the database, sqlite://PATH or postgres://… (default keypin.db in the data folder)",
		flagRedis:      "`URL` of the Redis in which several nodes count admissions together (default none)",
	} {
		if slices.Contains(names, name) {
			f.String(name, "", help)
		}
	}
	if slices.Contains(names, flagInsecure) {
		f.Bool(flagInsecure, false, "allow the local issuer on an address that is not loopback; whoever reads the data folder can then sign in as anyone from elsewhere")
	}
}

// load reads the configuration for a command with the flags of addSettings.
func load(cmd *cobra.Command, environ []string) (*config.Config, error) {
	in := config.Input{Environ: environ, Flags: map[string]string{}}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case flagConfig:
			in.File = f.Value.String()
		case flagListen, flagDataListen, flagDataDir, flagDatabase, flagRedis, flagInsecure:
			in.Flags[strings.ReplaceAll(f.Name, "-", "_")] = f.Value.String()
		}
	})
	return config.Load(in)
}

// loadValid is load, and everything checked.
func loadValid(cmd *cobra.Command, environ []string) (*config.Config, error) {
	c, err := load(cmd, environ)
	if err != nil {
		return nil, err
	}
	return c, c.Validate()
}
