package measure

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Other is a running server that is not the program.
type Other struct {
	Command *exec.Cmd
	Address string
}

// Stop ends the process, which has nothing to lose.
func (p Other) Stop() {
	_ = p.Command.Process.Signal(syscall.SIGTERM)
	_ = p.Command.Wait()
}

// BareHandler is the package of a program that answers without looking.
const BareHandler = "./test/benchverify/ceiling"

// StartBare starts the bare handler, which was built as the program, on the processors.
// It answers as the server at the address has answered the request.
func StartBare(ctx context.Context, program, cpus string, env []string, address string, r Request) (Other, error) {
	answer, err := takeDown(ctx, address, r)
	if err != nil {
		return Other{}, err
	}
	p := Other{Command: Pinned(ctx, cpus, program)}
	p.Command.Env, p.Command.Stdin, p.Command.Stderr = env, bytes.NewReader(answer), os.Stderr
	out, err := p.Command.StdoutPipe()
	if err != nil {
		return Other{}, err
	}
	if err := p.Command.Start(); err != nil {
		return Other{}, err
	}
	if _, err := fmt.Fscan(out, &p.Address); err != nil {
		p.Stop()
		return Other{}, fmt.Errorf("the bare handler does not start: %w", err)
	}
	replayed, err := takeDown(ctx, p.Address, r)
	if err == nil && !alike(replayed, answer) {
		err = fmt.Errorf("the bare handler answers\n%s\nwhere Keypin answered\n%s", replayed, answer)
	}
	if err != nil {
		p.Stop()
	}
	return p, err
}

// takeDown is an answer as it comes over the wire.
func takeDown(ctx context.Context, address string, r Request) ([]byte, error) {
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
