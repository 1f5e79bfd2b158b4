package proxies

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
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
	url, data string // the public listener's URL, the data listener's address
	token     string // an admin's session
	stop      func() error
}

// start runs a service, which believes what the proxies tell, until the test ends.
func start(t *testing.T, dataToken string) *service {
	t.Helper()
	c := config.Default()
	c.Listen, c.DataListen, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(t.TempDir(), "data")
	c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	if dataToken != "" {
		c.DataToken = keypin.NewSecret(dataToken)
	}
	logger, err := telemetry.NewLogger(io.Discard, c.Log.Format, c.Log.Level)
	if err != nil {
		t.Fatal(err)
	}
	options := app.Options{Clock: time.Now, Random: rand.Reader, Logger: logger, Version: "test"}
	a, err := app.New(t.Context(), c, options)
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
	s := &service{url: "http://" + a.PublicAddr().String(), data: a.DataAddr().String()}
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("the service did not stop cleanly: %v", err)
		}
	})
	token, _, err := app.MintToken(c, authn.LocalToken{Email: "admin@example.com", TTL: time.Hour}, options)
	if err != nil {
		t.Fatal(err)
	}
	s.token = token.Reveal()
	return s
}

// key is a new key's record, and its plaintext.
type key struct {
	ID          string `json:"id"`
	WorkspaceID string `json:"workspace_id"`
	CreatedBy   string `json:"created_by"`
	Secret      string `json:"api_key"`
}

// create makes a key of the JSON body.
func (s *service) create(t *testing.T, body string) (k key) {
	t.Helper()
	s.manage(t, http.MethodPost, "/api/v1/api-keys", body, &k)
	return k
}

func (s *service) revoke(t *testing.T, k key) {
	t.Helper()
	s.manage(t, http.MethodDelete, "/api/v1/api-keys/"+k.ID, "", nil)
}

func (s *service) manage(t *testing.T, method, path, body string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode/100 != 2 {
		t.Fatalf("%s %s answers %d: %s", method, path, response.StatusCode, text)
	}
	if err := json.Unmarshal(text, &struct{ Data any }{into}); err != nil {
		t.Fatal(err)
	}
}
