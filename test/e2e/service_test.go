package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
)

// service is a running Keypin with a database of its own.
type service struct {
	URL, DataURL string
	Dir          string // its data folder
	Log          *logBuffer
	config       *config.Config
	stop         func() error
}

// logBuffer collects what the service logs.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs the service in this process until the test ends.
func start(t testing.TB, configure ...func(*config.Config)) *service {
	t.Helper()
	c := config.Default()
	c.Listen, c.DataListen, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
	c.Log.Level = "debug"
	for _, f := range configure {
		f(c)
	}
	s := &service{Dir: c.DataDir, Log: &logBuffer{}, config: c}
	logger, err := telemetry.NewLogger(s.Log, c.Log.Format, c.Log.Level)
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), c, app.Options{Clock: time.Now, Random: rand.Reader, Logger: logger, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	select {
	case <-a.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("the service did not start: %v", err)
	}
	s.URL, s.DataURL = "http://"+a.PublicAddr().String(), "http://"+a.DataAddr().String()
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("the service did not stop cleanly: %v", err)
		}
		for line := range strings.SplitSeq(s.Log.String(), "\n") {
			if t.Failed() && strings.Contains(line, "ERROR") {
				t.Log(line)
			}
		}
	})
	return s
}

// session mints a session token. org "" is none.
func (s *service) session(t testing.TB, user, org string, role keypin.Role) string {
	t.Helper()
	token, _, err := app.MintToken(s.config, authn.LocalToken{Email: user, Org: org, Role: role, TTL: time.Hour},
		app.Options{Clock: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

// answer is a response, read to its end.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

// get digs into the JSON body: get("data", "id").
func (a answer) get(path ...string) any {
	var v any
	if json.Unmarshal([]byte(a.Body), &v) != nil {
		return nil
	}
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func (a answer) str(path ...string) string { s, _ := a.get(path...).(string); return s }

// fields lists the fields at fault.
func (a answer) fields() []string {
	var out []string
	details, _ := a.get("error", "details").([]any)
	for _, d := range details {
		m, _ := d.(map[string]any)
		f, _ := m["field"].(string)
		out = append(out, f)
	}
	return out
}

// call sends a request. Headers are "Name: value"; a body that is not a string is
// sent as JSON.
func (s *service) call(t testing.TB, token, method, path string, body any, headers ...string) answer {
	t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, r)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	return send(t, req)
}

var client = &http.Client{
	Timeout:       30 * time.Second,
	Transport:     &http.Transport{MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func send(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{Status: resp.StatusCode, Header: resp.Header, Body: string(b)}
}

type object = map[string]any

// must fails the test unless the answer has the status.
func (a answer) must(t testing.TB, status int) answer {
	t.Helper()
	if a.Status != status {
		t.Fatalf("answered %d, want %d: %s", a.Status, status, a.Body)
	}
	return a
}

// createKey makes a key and returns its id and plaintext.
func (s *service) createKey(t testing.TB, token string, body object, headers ...string) (id, secret string) {
	t.Helper()
	a := s.call(t, token, "POST", "/api/v1/api-keys", body, headers...).must(t, 201)
	return a.str("data", "id"), a.str("data", "api_key")
}
