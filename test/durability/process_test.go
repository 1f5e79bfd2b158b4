package durability

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is the deadline of everything that is waited for.
const patience = 60 * time.Second

// build makes the program as it is shipped.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "keypin")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/keypin/keypin/cmd/keypin")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the program: %v\n%s", err, out)
	}
	return program
}

// environment is the programs' own: what is set for this test is not for them.
func environment() []string { return []string{"PATH=" + os.Getenv("PATH")} }

// mint prints a session token with the command that users have for it.
func mint(t *testing.T, program, dir string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "token", "--data-dir", dir, "--user", "durable@example.com", "--ttl", "12h")
	cmd.Env = environment()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("minting a session token: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// process is one life of the program.
type process struct {
	url     string
	command *exec.Cmd
	gone    chan struct{} // closed when it ended and its log was read
	log     []string      // its last lines; read it when gone
	errors  []string      // its lines of level ERROR; read it when gone
	client  *http.Client
}

// start returns when the program says that it is ready.
func start(t *testing.T, program, dir string) *process {
	t.Helper()
	// Not the test's context: it ends before the clean-up that waits for the process.
	cmd := exec.CommandContext(context.Background(), program, "serve", "--listen", "127.0.0.1:0", "--data-listen", "", "--data-dir", dir)
	cmd.Env = environment()
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{command: cmd, gone: make(chan struct{}), client: &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{MaxIdleConnsPerHost: 32},
	}}
	ready := make(chan string, 1)
	go p.follow(stderr, ready)
	t.Cleanup(func() { p.kill(t) })
	select {
	case address := <-ready:
		p.url = "http://" + address
	case <-p.gone:
		t.Fatalf("the program did not start:\n%s", strings.Join(p.log, "\n"))
	case <-time.After(patience):
		t.Fatal("the program is not ready")
	}
	return p
}

// follow reads the log to its end, and tells the address once it is there.
func (p *process) follow(stderr io.Reader, ready chan<- string) {
	const kept = 20
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		line := lines.Bytes()
		p.log = append(p.log, string(line))[max(0, len(p.log)+1-kept):]
		switch {
		case bytes.Contains(line, []byte(`"level":"ERROR"`)):
			p.errors = append(p.errors, string(line))
		case bytes.Contains(line, []byte(`"msg":"ready"`)):
			var record struct {
				Listen string `json:"listen"`
			}
			if json.Unmarshal(line, &record) == nil {
				ready <- record.Listen
			}
		}
	}
	_ = p.command.Wait() // it was killed, or its log says why it ended
	close(p.gone)
}

// kill sends SIGKILL and waits until the process is gone. Again does nothing.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("killing the program: %v", err)
	}
	select {
	case <-p.gone:
	case <-time.After(patience):
		t.Error("the program survives SIGKILL")
	}
	p.client.CloseIdleConnections()
	for _, line := range p.errors {
		t.Errorf("the program logged an error: %s", line)
	}
	p.errors = nil
}

// request is a call of the API that can be made again.
type request struct {
	method, path string
	body         map[string]any // nil = none
	idempotency  string         // "" = none
}

// reply is an answer that came whole.
type reply struct {
	status   int
	etag     string
	replayed bool
	data     json.RawMessage
	total    int // of a list
	raw      string
}

// call makes the request. An error says that no whole answer came.
func (p *process) call(token string, r request) (*reply, error) {
	var body io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(encoded)
	}
	// The client's timeout bounds it.
	req, err := http.NewRequestWithContext(context.Background(), r.method, p.url+"/api/v1"+r.path, body)
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // so that the client never sends a request twice by itself
	req.Header.Set("Authorization", "Bearer "+token)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.idempotency != "" {
		req.Header.Set("Idempotency-Key", r.idempotency)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var envelope struct {
		Data       json.RawMessage `json:"data"`
		Pagination struct {
			Total int `json:"total"`
		} `json:"pagination"`
	}
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return nil, fmt.Errorf("an answer that is not JSON: %w", err)
	}
	return &reply{
		status: resp.StatusCode, etag: resp.Header.Get("ETag"), replayed: resp.Header.Get("Idempotent-Replayed") == "true",
		data: envelope.Data, total: envelope.Pagination.Total, raw: string(raw),
	}, nil
}
