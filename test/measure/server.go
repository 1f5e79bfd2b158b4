package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// patience bounds every wait.
const patience = 60 * time.Second

// Server is a running program with a data folder of its own.
type Server struct {
	Program, Dir string
	// Env is added to its environment, which has nothing else that configures it: it
	// is measured with its defaults.
	Env []string
	// Data says that it serves its data listener too, on a port that is free.
	Data bool
	// CPUs are the processors that it may run on, as taskset names them; "" = all.
	CPUs string

	Address     string // of the public listener
	DataAddress string // "" when there is none
	Token       string // a session of the admin of a workspace
	command     *exec.Cmd
}

// Start runs the program and waits until it is ready. Its log goes into a file beside
// the data.
func (s *Server) Start(ctx context.Context) error {
	logFile := s.Dir + ".log"
	log, err := os.Create(logFile)
	if err != nil {
		return err
	}
	// The program has its own handle.
	defer func() { _ = log.Close() }()
	data := ""
	if s.Data {
		data = "127.0.0.1:0"
	}
	s.command = Pinned(ctx, s.CPUs, s.Program, "serve", "--listen", "127.0.0.1:0", "--data-listen", data, "--data-dir", s.Dir)
	s.command.Env = s.environment()
	s.command.Stderr = log
	if err := s.command.Start(); err != nil {
		return err
	}
	if err := s.awaitReady(logFile); err != nil {
		return errors.Join(err, s.Stop())
	}
	s.Token, err = s.mint(ctx)
	return err
}

// Pinned is a command that runs on the processors only, "" being all, and ends well
// with ctx.
func Pinned(ctx context.Context, cpus, program string, args ...string) *exec.Cmd {
	command := append([]string{program}, args...)
	if cpus != "" {
		command = append([]string{"taskset", "--cpu-list", cpus}, command...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // programs that we have built or installed
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

func (s *Server) environment() []string {
	return append([]string{"PATH=" + os.Getenv("PATH")}, s.Env...)
}

// PID is the process, which taskset has become.
func (s *Server) PID() int { return s.command.Process.Pid }

// awaitReady waits for the line of the log that tells the addresses.
func (s *Server) awaitReady(logFile string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		text, err := os.ReadFile(logFile)
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(text)) {
			var record struct {
				Msg, Listen string
				Data        string `json:"data_listen"`
			}
			if json.Unmarshal([]byte(line), &record) == nil && record.Msg == "ready" {
				s.Address, s.DataAddress = record.Listen, record.Data
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-deadline:
			return fmt.Errorf("the program is not ready: %s", text)
		}
	}
}

// Request makes a request of the server's own session.
func (s *Server) Request(method, path, body string) Request {
	return NewRequest(s.Address, s.Token, method, path, body)
}

// Stop lets the program end well.
func (s *Server) Stop() error {
	err := s.command.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	return errors.Join(err, s.command.Wait())
}

func (s *Server) mint(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, s.Program, "token", "--data-dir", s.Dir, "--user", "bench@example.com", "--ttl", "12h") //nolint:gosec // the folder is ours
	cmd.Env = s.environment()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("minting a session token: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Caller is who the session speaks for, and where.
type Caller struct {
	UserID      string `json:"user_id"`
	WorkspaceID string `json:"workspace_id"`
}

// Whoami also makes the workspace, the first time.
func (s *Server) Whoami(ctx context.Context) (c Caller, err error) {
	err = s.Ask(ctx, s.Request(http.MethodGet, "/api/v1/auth/whoami", ""), http.StatusOK, &c)
	return c, err
}

// Issued is a new key.
type Issued struct {
	ID     string `json:"id"`
	Secret string `json:"api_key"`
}

// Create makes a key of the JSON body.
func (s *Server) Create(ctx context.Context, body string) (k Issued, err error) {
	err = s.Ask(ctx, s.Request(http.MethodPost, "/api/v1/api-keys", body), http.StatusCreated, &k)
	return k, err
}

// Ask makes one request on a connection of its own, and decodes the answer's data.
func (s *Server) Ask(ctx context.Context, r Request, status int, into any) error {
	c, err := Dial(ctx, s.Address)
	if err != nil {
		return err
	}
	defer c.Close()
	body, err := c.Do(r, status)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, &struct{ Data any }{into})
}
