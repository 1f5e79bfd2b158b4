package edge

import (
	"context"
	crand "crypto/rand"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/gateway"
	"github.com/keypin/keypin/internal/httpapi"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/ratelimit"
	"github.com/keypin/keypin/internal/telemetry"
	"github.com/keypin/keypin/internal/token"
	"github.com/keypin/keypin/internal/verify"
)

// service is the data plane of one process on rows in memory.
type service struct {
	t       testing.TB
	random  *rand.ChaCha8 // of keys; under mu
	checks  *verify.Service
	tell    []keypin.Invalidator // what is told of a change before it is answered
	handler http.Handler
	stop    chan struct{}

	mu   sync.Mutex
	rows map[keypin.KeyHash]*keypin.APIKey
	made int
}

// newService starts a process. Rows are those of an earlier one, if there was.
func newService(t testing.TB, seed uint64, rows map[keypin.KeyHash]*keypin.APIKey) *service {
	t.Helper()
	s := &service{t: t, random: rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}), rows: rows, stop: make(chan struct{})}
	if rows == nil {
		s.rows = map[keypin.KeyHash]*keypin.APIKey{}
	}
	registry, err := keypin.NewRegistry(keypin.DefaultScopes())
	if err != nil {
		t.Fatal(err)
	}
	cache, err := verify.NewCache(verify.CacheOptions{Source: s, Freshness: verify.AlwaysFresh{}, Clock: time.Now, MaxBytes: 1 << 24})
	if err != nil {
		t.Fatal(err)
	}
	feed, err := verify.NewFeed(time.Now, crand.Reader, verify.AlwaysFresh{})
	if err != nil {
		t.Fatal(err)
	}
	s.tell = []keypin.Invalidator{cache, feed}
	s.checks = verify.New(verify.Options{Keys: cache, Limiter: ratelimit.NewMemory(time.Now())})
	metrics := telemetry.NewMetrics("test")
	api := httpapi.New(httpapi.Options{
		Keys: s.checks, Registry: registry, Clock: time.Now, Random: crand.Reader, Logger: slog.New(slog.DiscardHandler), Observer: metrics, Epoch: feed.Epoch(),
	})
	doors := gateway.New(gateway.Options{
		Keys: s.checks, Feed: feed, Registry: registry, Wire: api, Clock: time.Now, Door: metrics.Door, Stopping: s.stop,
	})
	mux := http.NewServeMux()
	mux.Handle(httpapi.VerifyPath, api.DataVerify())
	mux.HandleFunc("/api/v1/invalidations", doors.Invalidations)
	mux.HandleFunc("/api/v1/usage-reports", doors.UsageReports)
	s.handler = mux
	return s
}

// KeyByHash implements verify.KeySource.
func (s *service) KeyByHash(_ context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if row, ok := s.rows[hash]; ok {
		return row, nil
	}
	return nil, keypin.NotFound()
}

var workspace = keypin.ID{15: 7}

// newKey makes a key that may everything, and gives its plaintext.
func (s *service) newKey(adapt func(*keypin.APIKey)) (client.Secret, keypin.KeyHash) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	secret, err := token.New("op_live", s.random)
	if err != nil {
		s.t.Fatal(err)
	}
	parsed, _ := token.Parse(secret.Reveal())
	s.made++
	id := keypin.ID{0: 1, 14: byte(s.made >> 8), 15: byte(s.made)}
	row := &keypin.APIKey{
		ID: id, WorkspaceID: workspace, ChainID: id, Name: "key", Type: keypin.KeyLive, Active: true, Hash: parsed.Hash,
		Scopes: []keypin.Scope{"workflows:read", "voices:read"}, UpdatedAt: time.Now(), Version: 1,
	}
	if adapt != nil {
		adapt(row)
	}
	s.rows[parsed.Hash] = row
	return client.NewSecret(secret.Reveal()), parsed.Hash
}

// change changes a key, tells all who must be told, and returns: the change is answered.
func (s *service) change(hash keypin.KeyHash, change func(*keypin.APIKey)) {
	s.mu.Lock()
	row := *s.rows[hash]
	change(&row)
	row.UpdatedAt = time.Now()
	row.Version++
	s.rows[hash] = &row
	s.mu.Unlock()
	for _, i := range s.tell {
		if err := i.InvalidateKeys(context.Background(), []keypin.KeyHash{hash}); err != nil {
			s.t.Error(err)
		}
	}
}

// network carries requests to a service's handler, in memory, with the faults it is told.
type network struct {
	mu      sync.Mutex
	to      *service
	down    bool                                                         // requests are refused, streams end
	slow    func() time.Duration                                         // how long a request is under way; nil = not at all
	streams func(ctx context.Context, from io.Reader, to *io.PipeWriter) // what becomes of a stream's bytes
	asked   int                                                          // checks so far
	live    map[*io.PipeWriter]bool
}

var errNetwork = errors.New("the network is down")

// RoundTrip implements http.RoundTripper.
func (n *network) RoundTrip(r *http.Request) (*http.Response, error) {
	n.mu.Lock()
	to, down, slow := n.to, n.down, n.slow
	if strings.HasSuffix(r.URL.Path, "/verify") {
		n.asked++
	}
	n.mu.Unlock()
	if slow != nil {
		if err := wait(r.Context(), slow()); err != nil {
			return nil, err
		}
	}
	if down {
		return nil, errNetwork
	}
	pr, pw := io.Pipe()
	w := &writer{header: http.Header{}, body: pw, begun: make(chan struct{})}
	ctx, cancel := context.WithCancel(r.Context())
	request := r.Clone(ctx)
	request.RemoteAddr = "127.0.0.1:9"
	go func() {
		defer cancel()
		to.handler.ServeHTTP(w, request)
		w.begin(http.StatusOK)
		_ = pw.Close()
	}()
	select {
	case <-w.begun:
	case <-r.Context().Done():
		cancel()
		_ = pr.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	body := pr
	if strings.HasPrefix(w.header.Get("Content-Type"), "text/event-stream") {
		var out *io.PipeWriter
		body, out = io.Pipe()
		n.open(out)
		go func() {
			<-ctx.Done()
			_ = pr.CloseWithError(ctx.Err())
		}()
		go func() {
			defer cancel()
			n.carry(ctx, pr, out)
			_ = out.Close()
		}()
	} else if slow != nil {
		if err := wait(r.Context(), slow()); err != nil {
			cancel()
			_ = pr.CloseWithError(err)
			return nil, err
		}
	}
	return &http.Response{StatusCode: w.status, Header: w.header, Body: readCloser{body, cancel}, Request: r, ProtoMajor: 1, ProtoMinor: 1}, nil
}

type readCloser struct {
	*io.PipeReader
	cancel context.CancelFunc
}

func (r readCloser) Close() error {
	r.cancel()
	return r.PipeReader.Close()
}

func (n *network) open(w *io.PipeWriter) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.live == nil {
		n.live = map[*io.PipeWriter]bool{}
	}
	n.live[w] = true
}

func (n *network) carry(ctx context.Context, from io.Reader, to *io.PipeWriter) {
	n.mu.Lock()
	carry := n.streams
	n.mu.Unlock()
	if carry == nil {
		_, _ = io.Copy(to, from)
		return
	}
	carry(ctx, from, to)
}

// set changes the network, and cuts the streams when it goes down.
func (n *network) set(change func(*network)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n)
	if n.down {
		for w := range n.live {
			_ = w.CloseWithError(errNetwork)
			delete(n.live, w)
		}
	}
}

func (n *network) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writer is an http.ResponseWriter on a pipe.
type writer struct {
	header http.Header
	body   *io.PipeWriter
	once   sync.Once
	status int
	begun  chan struct{}
}

func (w *writer) Header() http.Header { return w.header }
func (w *writer) begin(status int) {
	w.once.Do(func() { w.status = status; w.header = w.header.Clone(); close(w.begun) })
}
func (w *writer) WriteHeader(status int) { w.begin(status) }
func (w *writer) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.body.Write(b)
}
func (w *writer) Flush() { w.begin(http.StatusOK) }

// newGuard makes a Guard over the network, which ends with the test.
func newGuard(t testing.TB, n *network) *client.Guard {
	t.Helper()
	c, err := client.New("http://keypin.test", client.WithHTTPClient(&http.Client{Transport: n}))
	if err != nil {
		t.Fatal(err)
	}
	g, err := client.NewGuard(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var home = netip.MustParseAddr("203.0.113.7")
