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

// RedisOptions say which Redis to start.
type RedisOptions struct {
	Port     int // 0 = a free one
	Password string
	// Settings are of redis.conf, such as appendonly: yes. Without one, nothing is kept
	// over a restart.
	Settings map[string]string
	// Sentinel makes it one, with these lines of sentinel.conf.
	Sentinel []string
}

// Redis is a Redis server.
type Redis struct {
	Port    int
	options RedisOptions
	dir     string
	cmd     *exec.Cmd
}

// StartRedis makes a server's files and starts it.
func StartRedis(ctx context.Context, options RedisOptions) (r *Redis, err error) {
	r = &Redis{Port: options.Port, options: options}
	if r.dir, err = folder("keypin-redis-", nil); err != nil {
		return nil, err
	}
	if r.Port == 0 {
		if r.Port, err = FreePort(ctx); err != nil {
			return nil, errors.Join(err, r.Stop())
		}
	}
	lines := []string{"bind 127.0.0.1", fmt.Sprintf("port %d", r.Port), "dir " + r.dir, "daemonize no"}
	if len(options.Sentinel) > 0 {
		lines = append(lines, options.Sentinel...)
	} else if options.Settings["save"] == "" {
		lines = append(lines, `save ""`)
	}
	if options.Password != "" {
		lines = append(lines, "requirepass "+options.Password)
	}
	for name, value := range options.Settings {
		lines = append(lines, name+" "+value)
	}
	if err := os.WriteFile(r.config(), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	if err := r.Start(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

func (r *Redis) config() string { return filepath.Join(r.dir, "redis.conf") }

// Start starts a server that Shutdown or Kill ended, and waits until it answers.
func (r *Redis) Start(ctx context.Context) error {
	log, err := os.OpenFile(filepath.Join(r.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the server has its own
	args := []string{r.config()}
	if len(r.options.Sentinel) > 0 {
		args = append(args, "--sentinel")
	}
	// The server outlives the context of who starts it: Stop ends it.
	r.cmd = exec.CommandContext(context.WithoutCancel(ctx), "redis-server", args...)
	r.cmd.Stdout, r.cmd.Stderr = log, log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := r.cmd.Start(); err != nil {
		return err
	}
	if err := await(ctx, func() error { _, err := r.Do(ctx, "PING"); return err }); err != nil {
		text, _ := os.ReadFile(filepath.Join(r.dir, "log")) // without it the error is still one
		return fmt.Errorf("Redis is not ready: %w\n%s", err, text)
	}
	return nil
}

// Do runs a command, and gives what redis-cli prints.
func (r *Redis) Do(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "redis-cli", append([]string{"-e", "-p", fmt.Sprint(r.Port)}, args...)...)
	cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+r.options.Password)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("redis-cli: %w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// Address is host:port.
func (r *Redis) Address() string { return fmt.Sprintf("127.0.0.1:%d", r.Port) }

// URL is where the server is, with its password.
func (r *Redis) URL() string {
	if r.options.Password != "" {
		return "redis://:" + r.options.Password + "@" + r.Address()
	}
	return "redis://" + r.Address()
}

// Pid is the server's process.
func (r *Redis) Pid() int { return r.cmd.Process.Pid }

// Signal sends a signal to the server: SIGSTOP stalls it, SIGCONT lets it go on.
func (r *Redis) Signal(signal syscall.Signal) error { return syscall.Kill(r.Pid(), signal) }

// Shutdown ends the server; it saves what its settings say.
func (r *Redis) Shutdown() error { return end(r.cmd, syscall.SIGTERM) }

// Kill ends the server as a crash would.
func (r *Redis) Kill() error { return end(r.cmd, syscall.SIGKILL) }

// Stop ends the server and removes its files.
func (r *Redis) Stop() error {
	err := r.Shutdown()
	if r.dir != "" {
		err = errors.Join(err, os.RemoveAll(r.dir))
	}
	return err
}
