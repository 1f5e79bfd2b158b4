package nodes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience bounds how long a node may take to start or to end.
const patience = 60 * time.Second

// Node is one node: a process, the folder of its data, and its addresses, which stay the
// same when it is started again.
type Node struct {
	Name    string
	Program string
	Dir     string // of its data; its log lies beside it
	Listen  string // host:port of the public listener
	Data    string // host:port of the data listener
	// Env are its settings, such as KEYPIN_REDIS=redis://127.0.0.1:6379. Nothing else of
	// this process's environment configures it.
	Env []string

	mu      sync.Mutex
	command *exec.Cmd
	ended   chan struct{}
	status  error // of the process, once ended is closed
}

// URL is where the public listener is.
func (n *Node) URL() string { return "http://" + n.Listen }

// DataURL is where the data listener is.
func (n *Node) DataURL() string { return "http://" + n.Data }

// Log is the file that the node logs to, over all its starts.
func (n *Node) Log() string { return n.Dir + ".log" }

func (n *Node) environment() []string {
	return append([]string{"PATH=" + os.Getenv("PATH")}, n.Env...)
}

// Start starts the node and waits until it is ready.
func (n *Node) Start(ctx context.Context) error {
	log, err := os.OpenFile(n.Log(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the program has its own handle
	// The node outlives the context of who starts it: Stop ends it. Should this process
	// die first, it ends too.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), n.Program, "serve", "--listen", n.Listen, "--data-listen", n.Data, "--data-dir", n.Dir)
	cmd.Env, cmd.Stderr = n.environment(), log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	n.mu.Lock()
	n.command, n.ended = cmd, ended
	n.mu.Unlock()
	go func() {
		n.status = cmd.Wait()
		close(ended)
	}()
	if err := n.awaitReady(ctx, ended); err != nil {
		text, _ := os.ReadFile(n.Log()) // without it the error is still one
		return errors.Join(fmt.Errorf("%s: %w: %s", n.Name, err, lastLines(string(text), 5)), n.Stop())
	}
	return nil
}

// awaitReady asks /ready until it is 200.
func (n *Node) awaitReady(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if ready(ctx, n.URL()) && (n.Data == "" || ready(ctx, n.DataURL())) {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the node ended before it was ready: %w", n.status)
		case <-ctx.Done():
			return fmt.Errorf("the node is not ready: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

func ready(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/ready", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	return resp.Body.Close() == nil && resp.StatusCode == http.StatusOK
}

// process is the node's last process, and what is closed when it has ended; nil when
// there was none.
func (n *Node) process() (*os.Process, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.command == nil {
		return nil, nil
	}
	return n.command.Process, n.ended
}

// Alive reports whether the node's process has not ended.
func (n *Node) Alive() bool {
	p, ended := n.process()
	if p == nil {
		return false
	}
	select {
	case <-ended:
		return false
	default:
		return true
	}
}

// PID is the node's process.
func (n *Node) PID() int {
	p, _ := n.process()
	return p.Pid
}

// Signal sends a signal to the node: SIGSTOP stalls it, SIGCONT lets it go on.
func (n *Node) Signal(signal syscall.Signal) error {
	p, _ := n.process()
	if p == nil {
		return errors.New(n.Name + " was not started")
	}
	return p.Signal(signal)
}

// Kill ends the node as a crash would.
func (n *Node) Kill() error { return n.end(syscall.SIGKILL) }

// Stop lets the node end well. It is killed when it takes too long.
func (n *Node) Stop() error { return n.end(syscall.SIGTERM) }

func (n *Node) end(signal syscall.Signal) error {
	p, ended := n.process()
	if p == nil {
		return nil
	}
	err := p.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	kill := time.AfterFunc(patience, func() { _ = p.Kill() }) // it has ended if that fails
	defer kill.Stop()
	<-ended
	return err
}

// Token mints a session token of the local issuer, which the nodes share.
func (n *Node) Token(ctx context.Context, user string, ttl time.Duration) (string, error) {
	cmd := exec.CommandContext(ctx, n.Program, "token", "--data-dir", n.Dir, "--user", user, "--ttl", ttl.String())
	cmd.Env = n.environment()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("minting a session token: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// share gives the node the issuer's key of another.
func (n *Node) share(from *Node) error {
	key, err := os.ReadFile(filepath.Join(from.Dir, "issuer.key"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(n.Dir, "issuer.key"), key, 0o600)
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
