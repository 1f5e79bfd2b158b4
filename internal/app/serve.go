package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
)

// serve answers requests until ctx ends or a listener fails, then drains.
func (a *App) serve(ctx context.Context, public, data http.Handler) error {
	servers := []*http.Server{a.server(public)}
	listeners := []net.Listener{a.public}
	if a.data != nil {
		server := a.server(data)
		server.Protocols = &http.Protocols{}
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetUnencryptedHTTP2(true) // gRPC
		servers = append(servers, server)
		listeners = append(listeners, a.data)
	}
	ended := make(chan error, len(servers))
	for i, s := range servers {
		go func() { ended <- s.Serve(listeners[i]) }()
	}
	a.logReady()
	close(a.ready)

	var errs []error
	running := len(servers)
	select {
	case <-ctx.Done():
	case err := <-ended:
		errs = append(errs, fmt.Errorf("a listener failed: %w", err))
		running--
	}
	errs = append(errs, a.drain(servers))
	for ; running > 0; running-- {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// server is a server with every timeout set.
func (a *App) server(h http.Handler) *http.Server {
	s := a.config.Server
	return &http.Server{
		Handler: h,
		// OPTIONS * is answered like every other request, with its request id.
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            s.ReadHeaderTimeout,
		ReadTimeout:                  s.ReadTimeout,
		WriteTimeout:                 s.WriteTimeout,
		IdleTimeout:                  s.IdleTimeout,
		MaxHeaderBytes:               s.MaxHeaderBytes,
		ErrorLog:                     slog.NewLogLogger(a.options.Logger.Handler(), slog.LevelWarn),
	}
}

func (a *App) logReady() {
	attrs := []any{slog.String("listen", a.PublicAddr().String())}
	if a.data != nil {
		attrs = append(attrs, slog.String("data_listen", a.DataAddr().String()))
	}
	a.options.Logger.Info("ready", append(attrs, slog.String("version", a.options.Version), slog.Bool("local_issuer", a.config.LocalIssuer()))...)
}

// drain turns /ready to 503, leaves load balancers the time to notice, and lets
// requests in flight end. The data listener, with its probes, closes last.
func (a *App) drain(servers []*http.Server) error {
	a.draining.Store(true)
	close(a.stopping)
	a.options.Logger.Info("draining", slog.Duration("delay", a.config.Shutdown.Delay), slog.Duration("grace", a.config.Shutdown.Grace))
	for _, s := range servers {
		s.SetKeepAlivesEnabled(false)
	}
	if a.config.Shutdown.Delay > 0 {
		<-a.after(a.config.Shutdown.Delay)
	}
	grace, cancel := context.WithTimeout(context.Background(), a.config.Shutdown.Grace)
	defer cancel()
	var errs []error
	for _, s := range servers {
		err := s.Shutdown(grace)
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.Join(fmt.Errorf("requests were still in flight after shutdown.grace (%s) and were cut off", a.config.Shutdown.Grace), s.Close())
		}
		errs = append(errs, err)
	}
	a.options.Logger.Info("stopped")
	return errors.Join(errs...)
}
