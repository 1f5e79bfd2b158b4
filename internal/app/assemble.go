package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/keypin/keypin/internal/admin"
	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/gateway"
	"github.com/keypin/keypin/internal/httpapi"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
	"github.com/keypin/keypin/internal/telemetry/otlp"
	"github.com/keypin/keypin/internal/verify"
)

// assemble opens the store, joins every adapter to its port, starts what runs in the
// background, and gives the handlers of the public and of the data listener.
func (a *App) assemble(ctx context.Context, open *closers) (public, data http.Handler, err error) {
	c, o := a.config, a.options
	registry, err := keypin.NewRegistry(c.Scopes)
	if err != nil {
		return nil, nil, err // Validate has found none
	}
	if err := a.startExport(ctx, open); err != nil {
		return nil, nil, err
	}
	store, err := a.openStore(ctx, open)
	if err != nil {
		return nil, nil, err
	}
	sessions, jwks, err := a.openSessions(ctx, open)
	if err != nil {
		return nil, nil, err
	}
	others := &peers{on: c.OnPostgres()}
	cache, feed, err := a.makeCache(store, others)
	if err != nil {
		return nil, nil, err
	}
	followers := followers{cache, feed}
	if err := a.join(ctx, others, followers, jwks, open); err != nil {
		return nil, nil, err
	}
	limiter, err := a.openLimiter(ctx, others.count, open)
	if err != nil {
		return nil, nil, err
	}
	checks := verify.New(verify.Options{
		Keys: cache, Limiter: limiter,
		DefaultRateLimit: c.DefaultRateLimitPerMin, Usage: a.startUsage(store, open),
		Unknown: a.metrics.CountUnknownKeys(ownPrefixes(c.KeyBrand)...),
	})
	api := httpapi.New(httpapi.Options{
		Admin: admin.New(admin.Options{
			Store: store, Registry: registry, Invalidator: followers, Clock: o.Clock, Random: o.Random,
			Brand: c.KeyBrand, DefaultRateLimit: c.DefaultRateLimitPerMin,
		}),
		Keys:           checks,
		Sessions:       sessions,
		Registry:       registry,
		Clock:          o.Clock,
		Random:         o.Random,
		Logger:         o.Logger,
		Observer:       a.metrics,
		Ready:          a.isReady,
		JWKS:           jwks,
		Epoch:          feed.Epoch(),
		Version:        o.Version,
		PublicURL:      c.PublicURL,
		TrustedProxies: c.TrustedProxies,
		AllowedOrigins: c.CORS.AllowedOrigins,
		MinSDKVersion:  c.MinSDKVersion,
	})
	doors := gateway.New(gateway.Options{
		Keys: checks, Feed: feed, Registry: registry, Wire: api, Clock: o.Clock, Door: a.metrics.Door,
		Stopping: a.stopping, TrustedProxies: c.TrustedProxies,
	})
	return a.tracing.Handler(api, ""), a.dataHandler(api, doors), a.showDocs(api)
}

// startExport starts sending traces and metrics, where the environment says so. It is
// closed after everything that makes them.
func (a *App) startExport(ctx context.Context, open *closers) error {
	export, err := otlp.Start(ctx, otlp.Options{
		Metrics: a.metrics, Version: a.options.Version, Clock: a.options.Clock, Random: a.options.Random, Logger: a.options.Logger,
	})
	if err != nil {
		return err
	}
	open.add(func() error { export.Close(); return nil })
	a.tracing = export.Tracing()
	return nil
}

// makeCache makes the cache of keys, and the feed that caches elsewhere follow.
func (a *App) makeCache(store keypin.Store, others *peers) (*verify.Cache, *verify.Feed, error) {
	options := verify.CacheOptions{
		Source: store, Freshness: others, Clock: a.options.Clock,
		MaxBytes: uint64(a.config.Cache.MaxBytes), ServeStale: a.config.Cache.ServeStale,
	}
	if a.postgres != nil {
		options.Source, options.Proven = a.postgres.Vouched(others.vouch), a.postgres.Proven()
	}
	cache, err := verify.NewCache(options)
	if err != nil {
		return nil, nil, err
	}
	a.metrics.WatchCache(func() telemetry.Cache {
		s := cache.Stats()
		return telemetry.Cache{Keys: s.Keys, Bytes: s.Bytes, Missing: s.Missing, Loads: s.Loads, Stale: s.Stale}
	})
	feed, err := verify.NewFeed(a.options.Clock, a.options.Random, others)
	return cache, feed, err
}

// openSessions makes the verifier of session tokens, and the local issuer's key set
// when there is a local issuer.
func (a *App) openSessions(ctx context.Context, open *closers) (*authn.Verifier, []byte, error) {
	options := authn.Options{Issuers: a.config.Issuers, Clock: a.options.Clock, Logger: a.options.Logger, Traced: a.tracing.Transport}
	var jwks []byte
	if a.config.LocalIssuer() {
		local, err := authn.OpenLocalIssuer(a.config.DataDir, a.options.Random)
		if err != nil {
			return nil, nil, fmt.Errorf("data_dir: %w", err)
		}
		options.Local, jwks = local, local.JWKS()
	}
	verifier, err := authn.New(options)
	if err != nil {
		return nil, nil, err
	}
	for i, issuer := range a.config.Issuers {
		if len(issuer.AuthorizedParties)+len(issuer.Audiences) == 0 {
			a.options.Logger.Warn("sessions that this issuer made for any application are accepted; name yours in authorized_parties or audiences",
				slog.String("setting", fmt.Sprintf("issuers[%d]", i)), slog.String("issuer", issuer.Issuer))
		}
	}
	verifier.Start(context.WithoutCancel(ctx)) // Close ends it, after the drain
	open.add(func() error { verifier.Close(); return nil })
	return verifier, jwks, nil
}

// startUsage starts writing down how keys are used. Closing it writes what is left, so
// it is closed before the store. Where nothing can be written, nothing is noted: nil.
func (a *App) startUsage(store keypin.Store, open *closers) *verify.Usage {
	if a.config.ReadOnly {
		return nil
	}
	usage := verify.NewUsage(store, a.options.Clock, a.options.Logger)
	a.metrics.WatchUsageDropped(usage.Dropped)
	a.metrics.WatchUsageWaiting(usage.Waiting)
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- usage.Run(running) }()
	open.add(func() error {
		stop()
		return <-ended
	})
	return usage
}

// ownPrefixes are those of the deployment's keys whose makers asked for none.
func ownPrefixes(brand string) []string {
	var prefixes []string
	for _, t := range keypin.KeyTypes() {
		prefixes = append(prefixes, t.DefaultPrefix(brand))
	}
	return prefixes
}

// followers are told of changes one after another: first the cache that answers, then the
// feed, so that who hears of a change and asks again is answered by it.
type followers []keypin.Follower

func (all followers) InvalidateKeys(ctx context.Context, hashes []keypin.KeyHash) error {
	return all.each(func(f keypin.Follower) error { return f.InvalidateKeys(ctx, hashes) })
}

func (all followers) InvalidateWorkspace(ctx context.Context, workspace keypin.ID) error {
	return all.each(func(f keypin.Follower) error { return f.InvalidateWorkspace(ctx, workspace) })
}

func (all followers) InvalidateAll(ctx context.Context) error {
	return all.each(func(f keypin.Follower) error { return f.InvalidateAll(ctx) })
}

func (all followers) each(do func(keypin.Follower) error) error {
	var errs []error
	for _, f := range all {
		errs = append(errs, do(f))
	}
	return errors.Join(errs...)
}
