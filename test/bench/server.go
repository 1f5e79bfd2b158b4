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
	"strings"
	"syscall"
	"time"
)

// patience bounds every wait.
const patience = 60 * time.Second

// server is a running program with a data folder of its own.
type server struct {
	program, dir string
	address      string
	token        string // a session of the admin of a workspace
	command      *exec.Cmd
}

// serve starts the program with the defaults of its configuration. Its log goes into
// a file beside the data.
func (b *bench) serve(ctx context.Context, name string) (*server, error) {
	s := &server{program: b.program, dir: filepath.Join(b.dir, name)}
	return s, s.start(ctx)
}

func (s *server) start(ctx context.Context) error {
	logFile := s.dir + ".log"
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	// The program has its own handle.
	defer func() { _ = log.Close() }()
	s.command = exec.CommandContext(ctx, s.program, "serve", "--listen", "127.0.0.1:0", "--data-listen", "", "--data-dir", s.dir) //nolint:gosec // the folder is ours
	s.command.Env = environment()
	s.command.Stderr = log
	s.command.Cancel = func() error { return s.command.Process.Signal(syscall.SIGTERM) }
	if err := s.command.Start(); err != nil {
		return err
	}
	if s.address, err = readyAt(logFile); err != nil {
		return errors.Join(err, s.stop())
	}
	s.token, err = s.mint(ctx)
	return err
}

// environment is the program's own: it is measured with the defaults.
func environment() []string { return []string{"PATH=" + os.Getenv("PATH")} }

// readyAt waits for the line of the log that tells the address.
func readyAt(logFile string) (string, error) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		text, err := os.ReadFile(logFile)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			var record struct{ Msg, Listen string }
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "ready" {
				return record.Listen, nil
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			return "", fmt.Errorf("the program is not ready: %s", text)
		}
	}
}

// stop lets the program end well.
func (s *server) stop() error {
	err := s.command.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	return errors.Join(err, s.command.Wait())
}

func (s *server) mint(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, s.program, "token", "--data-dir", s.dir, "--user", "bench@example.com", "--ttl", "12h") //nolint:gosec // the folder is ours
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("minting a session token: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// caller is who the session speaks for, and where.
type caller struct {
	UserID      string `json:"user_id"`
	WorkspaceID string `json:"workspace_id"`
}

// whoami also makes the workspace, the first time.
func (s *server) whoami(ctx context.Context) (c caller, err error) {
	err = s.ask(ctx, s.request(http.MethodGet, "/api/v1/auth/whoami", ""), http.StatusOK, &c)
	return c, err
}

// issued is a new key.
type issued struct {
	ID     string `json:"id"`
	Secret string `json:"api_key"`
}

func (s *server) create(ctx context.Context, body string) (k issued, err error) {
	err = s.ask(ctx, s.request(http.MethodPost, "/api/v1/api-keys", body), http.StatusCreated, &k)
	return k, err
}

// ask makes one request on a connection of its own, and decodes the answer's data.
func (s *server) ask(ctx context.Context, r request, status int, into any) error {
	c, err := dial(ctx, s.address)
	if err != nil {
		return err
	}
	defer c.close()
	body, err := c.do(r, status)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, &struct{ Data any }{into})
}
