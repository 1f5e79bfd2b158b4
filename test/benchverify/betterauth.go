package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/keypin/keypin/test/measure"
)

// nodeFolder holds the program that answers with better-auth's plugin.
const nodeFolder = "test/benchverify/better-auth"

// betterAuth is the plugin's database, and the keys in it.
type betterAuth struct {
	postgres *exec.Cmd
	binaries string // PostgreSQL's programs
	dir      string // its data
	url      string
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
	if p.binaries, err = postgresBinaries(); err != nil {
		return err
	}
	as, err := unprivileged()
	if err != nil {
		return err
	}
	// As another user it can enter no folder of ours; /var/tmp is for all, and on a disk.
	where := dir
	if as != nil {
		where = "/var/tmp"
	}
	if p.dir, err = os.MkdirTemp(where, "keypin-bench-postgres-"); err != nil {
		return err
	}
	if as != nil {
		if err := os.Chown(p.dir, int(as.Uid), int(as.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(p.dir, "data")
	if err := p.postgresCommand(ctx, as, "initdb", "--pgdata", data, "--auth", "trust", "--username", "bench").Run(); err != nil {
		return fmt.Errorf("making a PostgreSQL cluster: %w; see %s", err, p.log.Name())
	}
	address, err := measure.FreeAddress(ctx)
	if err != nil {
		return err
	}
	p.url = "postgres://bench@" + address + "/postgres"
	p.postgres = p.postgresCommand(ctx, as, "postgres", "-D", data, "-p", portOf(address),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=")
	if err := p.postgres.Start(); err != nil {
		return err
	}
	if err := await(func() error {
		return exec.CommandContext(ctx, filepath.Join(p.binaries, "pg_isready"), "--quiet", "--dbname", p.url).Run() //nolint:gosec // PostgreSQL's own
	}); err != nil {
		return fmt.Errorf("PostgreSQL is not ready: %w", err)
	}
	setup := exec.CommandContext(ctx, "node", "setup.js", strconv.Itoa(hotKeys)) //nolint:gosec // a number of ours
	p.prepare(setup)
	out, err := setup.Output()
	if err != nil {
		return fmt.Errorf("setting up better-auth: %w", err)
	}
	return json.Unmarshal(out, &p.keys)
}

func (p *betterAuth) postgresCommand(ctx context.Context, as *syscall.Credential, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.binaries, program), args...) //nolint:gosec // PostgreSQL's own
	cmd.Stdout, cmd.Stderr, cmd.Dir = p.log, p.log, p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // it ends without waiting for its clients
	return cmd
}

// prepare lets a command of the Node program find the database.
func (p *betterAuth) prepare(cmd *exec.Cmd) {
	cmd.Dir, cmd.Stderr = nodeFolder, p.log
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "DATABASE_URL=" + p.url, "NODE_ENV=production"}
}

func (p *betterAuth) stop() error {
	var errs []error
	if p.postgres != nil && p.postgres.Process != nil {
		errs = append(errs, p.postgres.Process.Signal(syscall.SIGINT), p.postgres.Wait())
	}
	if p.dir != "" {
		errs = append(errs, os.RemoveAll(p.dir))
	}
	if p.log != nil {
		errs = append(errs, p.log.Close())
	}
	return errors.Join(errs...)
}

// on serves on the cores: a process for each.
func (p *betterAuth) on(ctx context.Context, c cores) (process, error) {
	address, err := measure.FreeAddress(ctx)
	if err != nil {
		return process{}, err
	}
	node := process{address: address}
	node.command = measure.Pinned(ctx, c.server, "node", "server.js", portOf(address), strconv.Itoa(c.n))
	p.prepare(node.command)
	if err := node.command.Start(); err != nil {
		return process{}, err
	}
	if err := await(func() error { return p.answers(ctx, node.address) }); err != nil {
		node.stop()
		return process{}, fmt.Errorf("better-auth does not answer; see %s: %w", p.log.Name(), err)
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
	return fmt.Sprintf("@better-auth/api-key %s on Node %s and %s.", plugin.Version,
		version(ctx, "node", "--version"), version(ctx, filepath.Join(p.binaries, "postgres"), "--version"))
}

// postgresBinaries is the folder of PostgreSQL's programs, which Debian does not put
// into the PATH.
func postgresBinaries() (string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return "", err
	}
	if len(found) > 0 {
		return filepath.Dir(found[len(found)-1]), nil
	}
	inPath, err := exec.LookPath("postgres")
	if err != nil {
		return "", fmt.Errorf("PostgreSQL is not installed; run scripts/install-bench.sh: %w", err)
	}
	return filepath.Dir(inPath), nil
}

// unprivileged is whom PostgreSQL runs as, since it refuses to run as root; nil = us.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, errors.Join(errUID, errGID)
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }
