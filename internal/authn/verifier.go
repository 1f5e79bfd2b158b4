package authn

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// DefaultRefreshEvery is how often an issuer's keys are fetched in the background
// and so, about, how long a key that the issuer dropped is still accepted.
const DefaultRefreshEvery = 10 * time.Minute

var errClosed = errors.New("the verifier is closed")

// Options are what a Verifier needs.
type Options struct {
	// Issuers whose tokens are trusted, each once.
	Issuers []Issuer
	// Local, unless nil, is trusted too.
	Local *LocalIssuer
	// Clock is time.Now when nil.
	Clock keypin.Clock
	// HTTPClient fetches the keys; nil = one with its own timeouts. Redirects to other
	// hosts are refused whatever it says, and cookies are not kept.
	HTTPClient *http.Client
	// Traced, unless nil, is put around what sends the requests for the keys.
	Traced func(http.RoundTripper) http.RoundTripper
	// Logger is told of refreshes that failed; nil = nobody is.
	Logger *slog.Logger
	// RefreshEvery is how often Start's background refresh runs; 0 =
	// DefaultRefreshEvery, and at least one minute.
	RefreshEvery time.Duration
}

// Verifier verifies session tokens. It is safe for concurrent use.
type Verifier struct {
	clock   keypin.Clock
	every   time.Duration
	issuers map[string]trusted
	tasks   *tasks
	recent  recent
}

// trusted is an issuer and where its keys are.
type trusted struct {
	Issuer
	keys interface {
		// find gives the key of that ID that fits alg; a refusal when the issuer has none,
		// CodeUnavailable when that cannot be known.
		find(ctx context.Context, kid, alg string) (any, error)
		// current is the key set that find looks into first; nil while there is none.
		current() *keySet
	}
}

// New makes a Verifier. It fetches nothing yet: Start does, and so does the first
// token. The error names each field of the options that is wrong.
func New(o Options) (*Verifier, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.HTTPClient == nil {
		o.HTTPClient = newHTTPClient()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.RefreshEvery == 0 {
		o.RefreshEvery = DefaultRefreshEvery
	}
	if o.RefreshEvery < time.Minute {
		return nil, errors.New("refresh_every: is too short; it must be at least 1m")
	}
	if len(o.Issuers) == 0 && o.Local == nil {
		return nil, errors.New("issuers: there is none, so no session token could be accepted; name at least one, or use the local issuer")
	}
	v := &Verifier{clock: o.Clock, every: o.RefreshEvery, issuers: map[string]trusted{}, tasks: newTasks()}
	client := sameHostOnly(o.HTTPClient)
	if o.Traced != nil {
		client.Transport = o.Traced(cmp.Or(client.Transport, http.DefaultTransport))
	}
	var faults []error
	for n, issuer := range o.Issuers {
		for _, fault := range issuer.faults() {
			faults = append(faults, fmt.Errorf("issuers[%d].%w", n, fault))
		}
		if _, twice := v.issuers[issuer.Issuer]; twice {
			faults = append(faults, fmt.Errorf("issuers[%d].issuer: is listed twice; each must be there once", n))
		}
		if len(issuer.Algorithms) == 0 {
			issuer.Algorithms = defaultAlgorithms()
		}
		v.issuers[issuer.Issuer] = trusted{issuer, &remoteKeys{
			issuer: issuer, client: client, clock: o.Clock, logger: o.Logger, tasks: v.tasks,
		}}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if o.Local != nil {
		v.issuers[LocalIssuerName] = trusted{
			Issuer{Issuer: LocalIssuerName, Kind: kindLocal, Algorithms: []string{"EdDSA"}}, o.Local,
		}
	}
	return v, nil
}

// Start fetches every issuer's keys in the background, now and then every
// RefreshEvery, until ctx ends or Close. It does not wait for the first answer.
// Call it once.
func (v *Verifier) Start(ctx context.Context) {
	for _, issuer := range v.issuers {
		if remote, ok := issuer.keys.(*remoteKeys); ok {
			v.tasks.start(func(closing context.Context) {
				closing, cancel := context.WithCancel(closing)
				defer cancel()
				defer context.AfterFunc(ctx, cancel)()
				remote.keepFresh(closing, v.every)
			})
		}
	}
}

// Close ends every fetch and waits for it. Tokens whose key is known can still be
// verified.
func (v *Verifier) Close() { v.tasks.close() }

// Verify tells whose session the token is. The error is a *keypin.Error:
// CodeUnauthorized, in the same public words whatever is wrong, or CodeUnavailable
// with RetryAfter when the issuer's keys cannot be had and none are cached. It
// waits for at most one fetch of keys (5 s).
func (v *Verifier) Verify(ctx context.Context, token string) (*keypin.Identity, error) {
	identity, err := v.verify(ctx, token)
	if err == nil {
		return identity, nil
	}
	var known *keypin.Error
	if errors.As(err, &known) {
		return nil, known
	}
	return nil, unauthorized(err)
}

func (v *Verifier) verify(ctx context.Context, token string) (*keypin.Identity, error) {
	hash := sha256.Sum256([]byte(token))
	current := func(issuer string) *keySet { return v.issuers[issuer].keys.current() }
	if identity := v.recent.find(hash, v.clock(), current); identity != nil {
		return identity, nil
	}
	t, err := parseToken(token)
	if err != nil {
		return nil, err
	}
	iss, _ := t.claims["iss"].(string)
	issuer, ok := v.issuers[iss]
	if !ok {
		return nil, refuseIssuer
	}
	if !slices.Contains(issuer.Algorithms, t.alg) {
		return nil, refuseAlgorithm
	}
	// The claims come before the signature: a token that would be refused anyway costs
	// no fetch and no arithmetic. Nothing of them is used until the signature holds.
	if err := t.check(issuer.Issuer, v.clock()); err != nil {
		return nil, err
	}
	keys := issuer.keys.current()
	key, err := issuer.keys.find(ctx, t.kid, t.alg)
	if err != nil {
		return nil, err
	}
	if err := t.method.Verify(t.signed, t.signature, key); err != nil {
		return nil, refuseSignature
	}
	identity, err := t.identity(issuer.Issuer)
	if err != nil {
		return nil, err
	}
	// Remembered only if the key is certain to be of that set.
	if keys != nil && issuer.keys.current() == keys {
		from, until := t.validity()
		v.recent.add(hash, verified{identity: identity, issuer: iss, keys: keys, from: from, until: until})
	}
	return identity, nil
}

// tasks are goroutines that one Close ends and waits for.
type tasks struct {
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu     sync.Mutex
	closed bool
}

func newTasks() *tasks {
	t := &tasks{}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// start runs task unless it is too late for that.
func (t *tasks) start(task func(context.Context)) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.group.Go(func() { task(t.ctx) })
	return true
}

func (t *tasks) close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.cancel()
	t.group.Wait()
}
