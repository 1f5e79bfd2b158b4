package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	// fetchTimeout bounds one refresh, discovery included, and so every request that
	// waits for one.
	fetchTimeout = 5 * time.Second
	// fetchPause is how long after a refresh nothing that a caller sends starts
	// another one.
	fetchPause = 5 * time.Second
	// retryEvery is how soon the background tries again after a failure.
	retryEvery = 30 * time.Second
	// maxBody bounds a discovery document or a key set.
	maxBody = 1 << 20
	// maxRedirects bounds the redirects within one host.
	maxRedirects = 3
)

// remoteKeys is the cached key set of one issuer.
type remoteKeys struct {
	issuer Issuer
	client *http.Client
	clock  keypin.Clock
	logger *slog.Logger
	tasks  *tasks

	set atomic.Pointer[keySet] // the last good one; nil before the first

	mu      sync.Mutex
	running *refresh  // nil when none is
	ended   time.Time // of the last refresh; zero before the first
	lastErr error     // of the last refresh
}

// refresh is one fetch under way. err is set before done is closed.
type refresh struct {
	done chan struct{}
	err  error
}

// find looks for a key. One that is not known may be new at the issuer: unless a
// refresh just ended, find starts one or joins the one that runs, and waits for it.
func (r *remoteKeys) find(ctx context.Context, kid, alg string) (any, error) {
	if key, ok := r.cached(kid, alg); ok {
		return key, nil
	}
	run, pause, err := r.start()
	if run != nil {
		pause = fetchPause
		select {
		case <-run.done:
			err = run.err
		case <-ctx.Done():
			return nil, unavailable(ctx.Err(), 0)
		}
	}
	if key, ok := r.cached(kid, alg); ok {
		return key, nil
	}
	if r.set.Load() == nil {
		return nil, unavailable(fmt.Errorf("no keys of issuer %s: %w", r.issuer.Issuer, err), pause)
	}
	return nil, refuseKey
}

func (r *remoteKeys) current() *keySet { return r.set.Load() }

func (r *remoteKeys) cached(kid, alg string) (any, bool) {
	set := r.set.Load()
	if set == nil {
		return nil, false
	}
	return set.find(kid, alg)
}

// start begins a refresh or joins the one that runs. When one ended less than
// fetchPause ago there is none, but how long to wait and what became of that one.
func (r *remoteKeys) start() (*refresh, time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != nil {
		return r.running, 0, nil
	}
	if !r.ended.IsZero() {
		if pause := fetchPause - max(r.clock().Sub(r.ended), 0); pause > 0 {
			return nil, pause, r.lastErr
		}
	}
	run := &refresh{done: make(chan struct{})}
	if !r.tasks.start(func(ctx context.Context) { r.run(ctx, run) }) {
		return nil, fetchPause, errClosed
	}
	r.running = run
	return run, 0, nil
}

// run is the refresh itself. It belongs to no request, so that none that goes away
// spoils it for the others.
func (r *remoteKeys) run(ctx context.Context, run *refresh) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	set, err := r.fetch(ctx)
	if err == nil {
		r.set.Store(&set)
	} else {
		r.logger.WarnContext(ctx, "The keys of an issuer could not be refreshed.",
			"issuer", r.issuer.Issuer, "error", err, "keeping_old_keys", r.set.Load() != nil)
	}
	run.err = err
	r.mu.Lock()
	r.running, r.ended, r.lastErr = nil, r.clock(), err
	r.mu.Unlock()
	close(run.done)
}

// keepFresh refreshes now and then every so often, until ctx ends.
func (r *remoteKeys) keepFresh(ctx context.Context, every time.Duration) {
	for {
		next := every
		run, pause, err := r.start()
		if run != nil {
			select {
			case <-run.done:
				err = run.err
			case <-ctx.Done():
				return
			}
		}
		if err != nil {
			next = max(min(retryEvery, every), pause)
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// fetch gets the key set, by way of the discovery document where that names it.
func (r *remoteKeys) fetch(ctx context.Context) (keySet, error) {
	keysURL := r.issuer.keysURL()
	if keysURL == "" {
		var err error
		if keysURL, err = r.discover(ctx); err != nil {
			return nil, err
		}
	}
	body, err := r.get(ctx, keysURL)
	if err != nil {
		return nil, err
	}
	return parseKeySet(body)
}

// discover reads jwks_uri of a document that says it is this issuer's (OpenID
// Connect Discovery 1.0, section 4.3).
func (r *remoteKeys) discover(ctx context.Context) (string, error) {
	body, err := r.get(ctx, r.issuer.discoveryURL())
	if err != nil {
		return "", err
	}
	var doc struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return "", errors.New("the discovery document is not a JSON object with strings `issuer` and `jwks_uri`")
	}
	if doc.Issuer != r.issuer.Issuer {
		return "", errors.New("the discovery document is another issuer's")
	}
	// Only an issuer that is on a loopback host itself may point to one over http.
	if err := checkURL(doc.JWKSURI, strings.HasPrefix(r.issuer.Issuer, "http:")); err != nil {
		return "", fmt.Errorf("the discovery document's jwks_uri %w", err)
	}
	return doc.JWKSURI, nil
}

// get reads a document of at most maxBody bytes.
func (r *remoteKeys) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("asking for %s: %w", url, err)
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	req.Header.Set("User-Agent", "keypin")
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the issuer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking for %s: status %d instead of 200", url, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", url, err)
	}
	if len(body) > maxBody {
		return nil, fmt.Errorf("reading %s: longer than %d bytes", url, maxBody)
	}
	return body, nil
}

// newHTTPClient is a client that gives up in time. Its limits hold even where the
// fetch's own context would let more pass.
func newHTTPClient() *http.Client {
	dialer := &net.Dialer{Timeout: 3 * time.Second}
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    3 * time.Second,
			ResponseHeaderTimeout:  fetchTimeout,
			IdleConnTimeout:        30 * time.Second,
			MaxIdleConns:           10,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true,
		},
	}
}

// sameHostOnly copies the client so that it follows no redirect to another scheme,
// host or port: whose keys are trusted is the operator's choice.
func sameHostOnly(client *http.Client) *http.Client {
	c := *client
	c.Jar = nil
	c.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("too many redirects")
		}
		if req.URL.Scheme != via[0].URL.Scheme || req.URL.Host != via[0].URL.Host {
			return errors.New("redirect to another host")
		}
		return nil
	}
	return &c
}
