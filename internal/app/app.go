package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/ratelimit/shared"
	"github.com/keypin/keypin/internal/store/postgres"
	"github.com/keypin/keypin/internal/telemetry"
)

// Options are what an App takes from its process.
type Options struct {
	Clock   keypin.Clock
	Random  io.Reader // read by many goroutines at once
	Logger  *slog.Logger
	Version string
}

// App is the service. Make it with New and start it, once, with Run.
type App struct {
	config  *config.Config
	options Options
	metrics *telemetry.Metrics
	tracing *telemetry.Tracing // nil = off

	store        keypin.Store
	postgres     *postgres.Store // nil on SQLite
	limiter      *shared.Limiter // nil without Redis
	public, data net.Listener    // data is nil when it is off; both are set before ready closes
	ready        chan struct{}
	draining     atomic.Bool
	stopping     chan struct{}                        // closed when draining begins
	after        func(time.Duration) <-chan time.Time // time.After outside tests
}

// New makes a service that has not started. It opens nothing; the error is
// config.Problems when c is not valid.
func New(_ context.Context, c *config.Config, o Options) (*App, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &App{
		config:   c,
		options:  o,
		metrics:  telemetry.NewMetrics(o.Version),
		ready:    make(chan struct{}),
		stopping: make(chan struct{}),
		after:    time.After,
	}, nil
}

// Ready is closed when both listeners answer. It stays open when Run fails before.
func (a *App) Ready() <-chan struct{} { return a.ready }

// PublicAddr is the public listener's address. Ask when Ready is closed.
func (a *App) PublicAddr() net.Addr { return a.public.Addr() }

// DataAddr is the data listener's address, nil when it is off. Ask when Ready is
// closed.
func (a *App) DataAddr() net.Addr {
	if a.data == nil {
		return nil
	}
	return a.data.Addr()
}

// Run opens everything, serves until ctx ends, and closes everything. It returns
// nil when ctx ended and all that was in flight was finished.
func (a *App) Run(ctx context.Context) (err error) {
	var open closers
	defer func() { err = errors.Join(err, open.close()) }()
	if err := a.listen(ctx, &open); err != nil {
		return err
	}
	go keepLean(ctx)
	public, data, err := a.assemble(ctx, &open)
	if err != nil {
		return err
	}
	return a.serve(ctx, public, data)
}

// listen binds the addresses first, so that a second service on the same ones ends
// before it touches any data.
func (a *App) listen(ctx context.Context, open *closers) error {
	var err error
	if a.public, err = bind(ctx, "listen", a.config.Listen, open); err != nil {
		return err
	}
	// Names are resolved by now; what counts is the address that was bound.
	bound := a.public.Addr().String()
	if a.config.LocalIssuer() && !a.config.InsecureLocalIssuer && !config.Loopback(bound) {
		return config.Problems{config.LocalIssuerExposed(bound)}
	}
	if a.config.DataListen != "" {
		a.data, err = bind(ctx, "data_listen", a.config.DataListen, open)
	}
	return err
}

func bind(ctx context.Context, field, address string, open *closers) (net.Listener, error) {
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w; stop what uses the address, or set another one", field, address, err)
	}
	open.add(func() error {
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil // the server closed it
	})
	return l, nil
}

// closers are what has to be closed, in the order in which it was opened.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

// close closes the last first, and all whatever fails.
func (c *closers) close() error {
	var errs []error
	for i := len(*c) - 1; i >= 0; i-- {
		errs = append(errs, (*c)[i]())
	}
	return errors.Join(errs...)
}
