package doors

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// python makes the calls with the Python SDK, in a process that reads them one by one.
type python struct {
	url string

	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

func startPython(t *testing.T, kind, url string) *python {
	t.Helper()
	root := filepath.Join("..", "..", "..")
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(root, ".tools", "sdk", "bin", "python"), "driver.py", kind)
	sdk := filepath.Join(root, "sdk", "python") // the package, and beside its tests which call makes which operation
	path := filepath.Join(sdk, "src") + string(os.PathListSeparator) + filepath.Join(sdk, "tests")
	cmd.Env = append(os.Environ(), "PYTHONPATH="+path, "PYTHONDONTWRITEBYTECODE=1")
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; run scripts/install.sh", err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &python{url: url, in: in, out: bufio.NewReader(out)}
}

func (p *python) do(_ context.Context, s *step, credential string) (*result, error) {
	given := func(m map[string]any) map[string]any {
		if m == nil {
			return map[string]any{}
		}
		return m
	}
	path := map[string]any{}
	for name, value := range s.Path {
		path[name] = value
	}
	raw, err := json.Marshal(map[string]any{"url": p.url, "credential": credential, "workspace": s.Workspace,
		"call": s.Call, "path": path, "query": given(s.Query), "body": given(s.Body)})
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintf(p.in, "%s\n", raw); err != nil {
		return nil, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return nil, fmt.Errorf("the SDK's process ended: %w", err)
	}
	out := new(result)
	return out, json.Unmarshal(line, out)
}
