package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// PgBouncerOptions say what a pooler stands before.
type PgBouncerOptions struct {
	Postgres *Postgres
	Port     int // 0 = a free one
	// Settings are of the section [pgbouncer] of pgbouncer.ini.
	Settings map[string]string
}

// PgBouncer is a pooler in transaction mode before every database of a PostgreSQL.
type PgBouncer struct {
	Port int
	dir  string
	as   *syscall.Credential
	cmd  *exec.Cmd
}

// StartPgBouncer makes a pooler's files and starts it.
func StartPgBouncer(ctx context.Context, options PgBouncerOptions) (b *PgBouncer, err error) {
	b = &PgBouncer{Port: options.Port}
	if b.as, err = unprivileged(); err != nil {
		return nil, err
	}
	if b.dir, err = folder("keypin-pgbouncer-", b.as); err != nil {
		return nil, err
	}
	if b.Port == 0 {
		if b.Port, err = FreePort(ctx); err != nil {
			return nil, errors.Join(err, b.Stop())
		}
	}
	settings := map[string]string{
		"listen_addr": "127.0.0.1", "listen_port": fmt.Sprint(b.Port), "unix_socket_dir": "", "auth_type": "trust",
		"auth_file": filepath.Join(b.dir, "users"), "admin_users": "keypin", "pool_mode": "transaction",
		"max_client_conn": "1000", "default_pool_size": "20", "server_idle_timeout": "5",
	}
	for name, value := range options.Settings {
		settings[name] = value
	}
	lines := []string{"[databases]", fmt.Sprintf("* = host=127.0.0.1 port=%d", options.Postgres.Port), "[pgbouncer]"}
	for name, value := range settings {
		lines = append(lines, name+" = "+value)
	}
	for name, text := range map[string]string{"users": "\"keypin\" \"\"\n", "pgbouncer.ini": strings.Join(lines, "\n") + "\n"} {
		// It holds no secret, and the pooler is another user.
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o644); err != nil {
			return nil, errors.Join(err, b.Stop())
		}
	}
	if err := b.Start(ctx); err != nil {
		return nil, errors.Join(err, b.Stop())
	}
	return b, nil
}

// Start starts a pooler that Kill ended, and waits until it answers.
func (b *PgBouncer) Start(ctx context.Context) error {
	name := filepath.Join(b.dir, "log")
	log, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has its own
	// The pooler outlives the context of who starts it: Stop ends it.
	b.cmd = exec.CommandContext(context.WithoutCancel(ctx), "/usr/sbin/pgbouncer", filepath.Join(b.dir, "pgbouncer.ini"))
	b.cmd.Dir, b.cmd.Stdout, b.cmd.Stderr = b.dir, log, log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: b.as, Pdeathsig: syscall.SIGTERM}
	if err := b.cmd.Start(); err != nil {
		return err
	}
	ask := func() error {
		return run(exec.CommandContext(ctx, "psql", "--no-psqlrc", "--quiet", "--command", "SHOW VERSION", b.URL("pgbouncer")))
	}
	if err := await(ctx, ask); err != nil {
		text, _ := os.ReadFile(name) // without it the error is still one
		return fmt.Errorf("PgBouncer is not ready: %w\n%s", err, text)
	}
	return nil
}

// URL is where the database is, through the pooler.
func (b *PgBouncer) URL(database string) string {
	return fmt.Sprintf("postgres://keypin@127.0.0.1:%d/%s?sslmode=disable", b.Port, database)
}

// Kill ends the pooler without waiting for its clients.
func (b *PgBouncer) Kill() error {
	cmd := b.cmd
	b.cmd = nil
	return end(cmd, syscall.SIGTERM)
}

// Stop ends the pooler and removes its files.
func (b *PgBouncer) Stop() error {
	err := b.Kill()
	if b.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}
