package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// patience bounds every wait.
const patience = 30 * time.Second

// process is a server that is not the program.
type process struct {
	command *exec.Cmd
	address string
}

// stop ends the process, which has nothing to lose.
func (p process) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	_ = p.command.Wait()
}

// ceiling starts the bare handler that answers as the server at the address has
// answered the request.
func (b *bench) ceiling(ctx context.Context, c cores, address string, r measure.Request) (process, error) {
	answer, err := takeDown(ctx, address, r)
	if err != nil {
		return process{}, err
	}
	p := process{command: measure.Pinned(ctx, c.server, filepath.Join(b.dir, "ceiling"))}
	p.command.Env, p.command.Stdin, p.command.Stderr = c.environment(), bytes.NewReader(answer), os.Stderr
	out, err := p.command.StdoutPipe()
	if err != nil {
		return process{}, err
	}
	if err := p.command.Start(); err != nil {
		return process{}, err
	}
	if _, err := fmt.Fscan(out, &p.address); err != nil {
		p.stop()
		return process{}, fmt.Errorf("the bare handler does not start: %w", err)
	}
	replayed, err := takeDown(ctx, p.address, r)
	if err == nil && !alike(replayed, answer) {
		err = fmt.Errorf("the bare handler answers\n%s\nwhere Keypin answered\n%s", replayed, answer)
	}
	if err != nil {
		p.stop()
	}
	return p, err
}

// takeDown is an answer as it comes over the wire.
func takeDown(ctx context.Context, address string, r measure.Request) ([]byte, error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // nothing is lost with it
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := conn.Write(r); err != nil {
		return nil, err
	}
	var answer []byte
	for part := make([]byte, 16<<10); ; {
		n, err := conn.Read(part)
		answer = append(answer, part[:n]...)
		if err != nil {
			return nil, fmt.Errorf("the answer %q ends early: %w", answer, err)
		}
		head, body, whole := bytes.Cut(answer, []byte("\r\n\r\n"))
		var length int
		if _, told, ok := bytes.Cut(head, []byte("\r\nContent-Length: ")); whole && ok {
			if _, err := fmt.Sscan(string(told), &length); err == nil && len(body) == length {
				return answer, nil
			}
		}
	}
}

// alike compares answers without regard to the order of their fields and to the time
// at which they were made.
func alike(a, b []byte) bool {
	return slices.Equal(parts(a), parts(b))
}

func parts(answer []byte) []string {
	head, body, _ := strings.Cut(string(answer), "\r\n\r\n")
	lines := slices.DeleteFunc(strings.Split(head, "\r\n"), func(line string) bool { return strings.HasPrefix(line, "Date: ") })
	slices.Sort(lines[1:])
	return append(lines, body)
}

// await asks until there is no error.
func await(ask func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-deadline:
			return err
		}
	}
}
