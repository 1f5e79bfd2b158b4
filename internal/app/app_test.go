package app

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// service is a running App and what its Run will return.
type service struct {
	*App
	stop  context.CancelFunc
	ended chan error
	log   *buffer
}

// buffer is a log that is written and read at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func testConfig(t *testing.T) *config.Config {
	t.Helper()
	c := config.Default()
	c.Listen, c.DataListen, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
	return c
}

func testOptions(t *testing.T, log io.Writer) Options {
	t.Helper()
	logger, err := telemetry.NewLogger(log, "json", "debug")
	if err != nil {
		t.Fatal(err)
	}
	return Options{Clock: time.Now, Random: rand.Reader, Logger: logger, Version: "test"}
}

// start runs a service until the test stops it, or ends.
func start(t *testing.T, c *config.Config, adapt ...func(*App)) *service {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &service{stop: stop, ended: make(chan error, 1), log: &buffer{}}
	var err error
	if s.App, err = New(ctx, c, testOptions(t, s.log)); err != nil {
		t.Fatal(err)
	}
	for _, f := range adapt {
		f(s.App)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.ended <- s.Run(ctx)
	}()
	t.Cleanup(func() { stop(); <-done })
	select {
	case <-s.Ready():
	case err := <-s.ended:
		t.Fatalf("the service did not start: %v\n%s", err, s.log)
	case <-time.After(patience):
		t.Fatalf("the service is not ready\n%s", s.log)
	}
	return s
}

// end is what Run returned.
func (s *service) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(patience):
		t.Fatalf("the service does not end\n%s", s.log)
		return nil
	}
}

func get(t *testing.T, address net.Addr, path string, header ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// awaitStatus asks until the answer has the status.
func awaitStatus(t *testing.T, address net.Addr, path string, want int) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		got, _ := get(t, address, path)
		if got == want {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s answers %d, want %d", path, got, want)
		}
	}
}

func mint(t *testing.T, c *config.Config) string {
	t.Helper()
	token, _, err := MintToken(c, authn.LocalToken{Email: "a@example.com", TTL: time.Hour}, testOptions(t, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

// halfRequest sends a create but for the last byte of its body, and waits until the
// service has begun to read it. The function sends the rest and reads the answer.
func halfRequest(t *testing.T, address net.Addr, token string) func() (*http.Response, error) {
	t.Helper()
	conn, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	body := `{"name":"in flight"}`
	// The service answers 100 when it reads the body.
	if _, err := fmt.Fprintf(conn, "POST /api/v1/api-keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", token, len(body)); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	line, err := reader.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("got %q, %v, want 100 Continue", line, err)
	}
	if _, err := reader.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, body[:len(body)-1]); err != nil {
		t.Fatal(err)
	}
	return func() (*http.Response, error) {
		if _, err := io.WriteString(conn, body[len(body)-1:]); err != nil {
			return nil, err
		}
		return http.ReadResponse(reader, nil)
	}
}

func TestARequestInFlightIsFinishedAndReadyTurnsFirst(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Shutdown.Delay, c.Shutdown.Grace = time.Hour, time.Minute
	over := make(chan time.Time) // the hour
	s := start(t, c, func(a *App) { a.after = func(time.Duration) <-chan time.Time { return over } })
	finish := halfRequest(t, s.PublicAddr(), mint(t, c))
	for _, address := range []net.Addr{s.PublicAddr(), s.DataAddr()} {
		if got, body := get(t, address, "/ready"); got != http.StatusOK {
			t.Fatalf("/ready answers %d before the drain: %s", got, body)
		}
	}

	s.stop()
	// During the delay both listeners accept, and both say that they will not for long.
	for _, address := range []net.Addr{s.PublicAddr(), s.DataAddr()} {
		awaitStatus(t, address, "/ready", http.StatusServiceUnavailable)
		if got, _ := get(t, address, "/health"); got != http.StatusOK {
			t.Errorf("/health answers %d in the delay", got)
		}
	}
	close(over)
	awaitClosed(t, s.PublicAddr())
	select {
	case err := <-s.ended:
		t.Fatalf("the service ended (%v) with a request in flight", err)
	default:
	}
	if got, _ := get(t, s.DataAddr(), "/ready"); got != http.StatusServiceUnavailable {
		t.Errorf("the data listener's /ready answers %d while requests are finished", got)
	}

	response, err := finish()
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != http.StatusCreated {
		t.Errorf("the request in flight is answered %d, want 201", response.StatusCode)
	}
	if err := s.end(t); err != nil {
		t.Errorf("the service ended with %v", err)
	}

	// What was acknowledged is there after a new start.
	c.Shutdown.Delay = 0
	again := start(t, c)
	if _, body := get(t, again.PublicAddr(), "/api/v1/api-keys", "Authorization", "Bearer "+mint(t, c)); !strings.Contains(body, "in flight") {
		t.Errorf("the key made in the drain is gone: %s", body)
	}
}

// awaitClosed waits until nobody accepts at the address.
func awaitClosed(t *testing.T, address net.Addr) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", address.String())
		if err != nil {
			return
		}
		_ = conn.Close()
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s still accepts", address)
		}
	}
}

func TestARequestThatOutlastsTheGraceIsCutOffAndReported(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Shutdown.Grace = 50 * time.Millisecond
	s := start(t, c)
	halfRequest(t, s.PublicAddr(), mint(t, c))
	s.stop()
	if err := s.end(t); err == nil || !strings.Contains(err.Error(), "shutdown.grace (50ms)") {
		t.Errorf("the service ended with %v, want the grace named", err)
	}
}

func TestTheLastUseOfAKeyIsWrittenBeforeTheEnd(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	s := start(t, c)
	token := mint(t, c)
	response, err := halfRequest(t, s.PublicAddr(), token)()
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		Data struct {
			ID     string `json:"id"`
			APIKey string `json:"api_key"`
		} `json:"data"`
	}
	if err := json.NewDecoder(response.Body).Decode(&made); err != nil {
		t.Fatal(err)
	}
	if got, body := get(t, s.PublicAddr(), "/api/v1/auth/whoami", "Authorization", "Bearer "+made.Data.APIKey); got != http.StatusOK {
		t.Fatalf("whoami answers %d: %s", got, body)
	}
	s.stop()
	if err := s.end(t); err != nil {
		t.Fatal(err)
	}
	again := start(t, c)
	_, body := get(t, again.PublicAddr(), "/api/v1/api-keys/"+made.Data.ID, "Authorization", "Bearer "+token)
	if !strings.Contains(body, `"last_used_at":"2`) {
		t.Errorf("the use is not written: %s", body)
	}
	for what, secret := range map[string]string{"key": made.Data.APIKey, "token": token} {
		if strings.Contains(s.log.String(), secret) {
			t.Errorf("the %s is in the log", what)
		}
	}
}

func TestTheDataListenerServesProbesAndMetricsOnly(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.DataToken = keypin.NewSecret("0123456789abcdef")
	s := start(t, c)
	if got, body := get(t, s.DataAddr(), "/health"); got != http.StatusOK || !strings.Contains(body, `"status":"ok"`) {
		t.Errorf("/health answers %d %s", got, body)
	}
	for _, header := range []string{"", "Bearer", "Bearer 0123456789abcdeX", "Basic 0123456789abcdef"} {
		if got, body := get(t, s.DataAddr(), "/metrics", "Authorization", header); got != http.StatusUnauthorized || strings.Contains(body, "keypin_") {
			t.Errorf("/metrics with %q answers %d %s", header, got, body)
		}
	}
	got, body := get(t, s.DataAddr(), "/metrics", "Authorization", "Bearer 0123456789abcdef")
	if got != http.StatusOK || !strings.Contains(body, `keypin_build_info{`) {
		t.Errorf("/metrics answers %d %s", got, body)
	}
	for _, path := range []string{"/api/v1/api-keys", "/.well-known/jwks.json", "/"} {
		if got, _ := get(t, s.DataAddr(), path); got != http.StatusNotFound {
			t.Errorf("the data listener answers %s with %d", path, got)
		}
	}
	if got, _ := get(t, s.PublicAddr(), "/metrics", "Authorization", "Bearer 0123456789abcdef"); got != http.StatusNotFound {
		t.Errorf("the public listener answers /metrics with %d", got)
	}
}

func TestTheJWKSIsServedForTheLocalIssuerOnly(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.DataListen = ""
	s := start(t, c)
	if s.DataAddr() != nil {
		t.Errorf("a data listener that is off listens on %s", s.DataAddr())
	}
	if got, body := get(t, s.PublicAddr(), "/.well-known/jwks.json"); got != http.StatusOK || !strings.Contains(body, `"OKP"`) {
		t.Errorf("the local issuer's JWKS is %d %s", got, body)
	}
	other := testConfig(t)
	other.Issuers = []authn.Issuer{{Issuer: "https://127.0.0.1:1", Kind: authn.KindClerk}}
	s = start(t, other)
	if got, _ := get(t, s.PublicAddr(), "/.well-known/jwks.json"); got != http.StatusNotFound {
		t.Errorf("without a local issuer its JWKS is answered %d", got)
	}
	if _, err := os.Stat(filepath.Join(other.DataDir, "issuer.key")); err == nil {
		t.Error("a key was made for a local issuer that is off")
	}
	if got, _ := get(t, s.PublicAddr(), "/ready"); got != http.StatusOK {
		t.Errorf("/ready answers %d while an issuer is down: keys can still be verified", got)
	}
}

func TestNothingStartsWithAConfigurationThatIsNotValid(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	c.Listen = "0.0.0.0:0"
	_, err := New(t.Context(), c, testOptions(t, io.Discard))
	if err == nil || !strings.Contains(err.Error(), "insecure_local_issuer") {
		t.Errorf("got %v, want the remedy named", err)
	}
}

func TestAStartThatFailsClosesWhatItOpened(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	if err := os.WriteFile(c.DataDir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), c, testOptions(t, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Run(t.Context()); err == nil {
		t.Fatal("the service started on a data folder that is a file")
	}
	select {
	case <-a.Ready():
		t.Error("it says that it is ready")
	default:
	}
	if conn, err := net.Dial("tcp", a.PublicAddr().String()); err == nil {
		_ = conn.Close()
		t.Error("it still listens")
	}
}

func TestAPanicsLogIsOurs(t *testing.T) {
	t.Parallel()
	log := &buffer{}
	a, err := New(t.Context(), testConfig(t), testOptions(t, log))
	if err != nil {
		t.Fatal(err)
	}
	a.server(nil).ErrorLog.Print("http: panic serving: Bearer abc")
	var line struct{ Level, Msg string }
	if err := json.Unmarshal([]byte(log.String()), &line); err != nil {
		t.Fatal(err)
	}
	if line.Level != slog.LevelWarn.String() || strings.Contains(line.Msg, "abc") {
		t.Errorf("the server's own words are logged as %+v", line)
	}
}
