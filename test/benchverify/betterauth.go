package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/keypin/keypin/test/engines"
	"github.com/keypin/keypin/test/measure"
)

// nodeFolder holds the program that answers with better-auth's plugin.
const nodeFolder = "test/benchverify/better-auth"

// betterAuth is the plugin's database, and the keys in it.
type betterAuth struct {
	postgres *engines.Postgres
	version  string // PostgreSQL's
	keys     []string
	log      *os.File
}

// startBetterAuth makes a PostgreSQL cluster with the plugin's tables and with keys.
// It may run on all cores, whatever the plugin is given.
func (b *bench) startBetterAuth(ctx context.Context) (*betterAuth, error) {
	if _, err := os.Stat(filepath.Join(nodeFolder, "node_modules")); err != nil {
		return nil, fmt.Errorf("better-auth is not installed; run scripts/install-bench.sh: %w", err)
	}
	p := &betterAuth{}
	if err := p.start(ctx, b.dir); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

func (p *betterAuth) start(ctx context.Context, dir string) (err error) {
	if p.log, err = os.Create(filepath.Join(dir, "better-auth.log")); err != nil {
		return err
	}
	if p.postgres, err = engines.StartPostgres(ctx, engines.PostgresOptions{}); err != nil {
		return err
	}
	if p.version, err = p.postgres.Query(ctx, "postgres", "SHOW server_version"); err != nil {
		return err
	}
	setup := exec.CommandContext(ctx, "node", "setup.js", strconv.Itoa(hotKeys)) //nolint:gosec // a number of ours
	p.prepare(setup)
	out, err := setup.Output()
	if err != nil {
		return fmt.Errorf("setting up better-auth: %w", err)
	}
	return json.Unmarshal(out, &p.keys)
}

// prepare lets a command of the Node program find the database.
func (p *betterAuth) prepare(cmd *exec.Cmd) {
	cmd.Dir, cmd.Stderr = nodeFolder, p.log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "DATABASE_URL=" + p.postgres.URL("keypin"), "NODE_ENV=production"}
}

func (p *betterAuth) stop() error {
	var errs []error
	if p.postgres != nil {
		errs = append(errs, p.postgres.Stop())
	}
	if p.log != nil {
		errs = append(errs, p.log.Close())
	}
	return errors.Join(errs...)
}

// on serves on the cores: a process for each.
func (p *betterAuth) on(ctx context.Context, c cores) (measure.Other, error) {
	address, err := measure.FreeAddress(ctx)
	if err != nil {
		return measure.Other{}, err
	}
	node := measure.Other{Address: address}
	node.Command = measure.Pinned(ctx, c.server, "node", "server.js", portOf(address), strconv.Itoa(c.n))
	p.prepare(node.Command)
	if err := node.Command.Start(); err != nil {
		return measure.Other{}, err
	}
	if err := await(func() error { return p.answers(ctx, node.Address) }); err != nil {
		node.Stop()
		return measure.Other{}, fmt.Errorf("better-auth does not answer; see %s: %w", p.log.Name(), err)
	}
	return node, nil
}

// answers makes sure that the plugin takes a key and refuses another one.
func (p *betterAuth) answers(ctx context.Context, address string) error {
	for key, status := range map[string]int{p.keys[0]: http.StatusOK, strings.ToLower(p.keys[0]): http.StatusUnauthorized} {
		c, err := measure.Dial(ctx, address)
		if err != nil {
			return err
		}
		_, err = c.Do(p.verification(key), status)
		c.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *betterAuth) verification(key string) measure.Request {
	return measure.NewRequest("127.0.0.1", "", http.MethodPost, "/", fmt.Sprintf(`{"key":%q}`, key))
}

func (p *betterAuth) versions(ctx context.Context) string {
	text, err := os.ReadFile(filepath.Join(nodeFolder, "node_modules", "@better-auth", "api-key", "package.json"))
	var plugin struct{ Version string }
	if err == nil {
		err = json.Unmarshal(text, &plugin)
	}
	if err != nil {
		plugin.Version = "of an unknown version"
	}
	return fmt.Sprintf("@better-auth/api-key %s on Node %s and PostgreSQL %s.", plugin.Version, version(ctx, "node", "--version"), p.version)
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
