package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/cli/problem"
	"github.com/keypin/keypin/internal/cli/show"
)

func (c *console) health() *cobra.Command {
	return &cobra.Command{
		Use:   "health",
		Short: "Show whether the service runs and can work",
		Long: `Health asks the service whether it runs (/health) and whether it can work (/ready).
Nobody has to be signed in. The exit code is 1 if it does not, or cannot.`,
		Example: "  keypin health\n  keypin health --base-url https://keys.example.com --json",
		Args:    takes(0, 0, ""),
		RunE:    c.run(func(s *session, _ []string) error { return s.health() }),
	}
}

// healthReport is how a service is.
type healthReport struct {
	BaseURL string `json:"base_url"`
	Status  string `json:"status"`
	Version string `json:"version"`
	Ready   bool   `json:"ready"`
	TookMS  int64  `json:"took_ms"`
}

func (s *session) health() error {
	api, err := s.anonymous()
	if err != nil {
		return err
	}
	began := time.Now()
	probe, err := callWith(s, api, func(ctx context.Context, api *client.Client) (*client.Probe, error) { return api.Health(ctx) })
	if err != nil {
		return err
	}
	r := healthReport{s.settings.BaseURL.Value(), probe.Status, probe.Version, true, time.Since(began).Milliseconds()}
	why := ""
	_, err = callWith(s, api, func(ctx context.Context, api *client.Client) (*client.Probe, error) { return api.Ready(ctx) })
	var p *problem.Problem
	switch {
	case errors.As(err, &p) && p.Exit == problem.ExitFailed:
		r.Ready, why = false, p.What
	case err != nil:
		return err
	}
	err = s.data(r, func() error {
		ready := show.Cell{Text: "yes", Style: show.Good}
		if !r.Ready {
			ready = show.Cell{Text: "no: " + why, Exact: "no", Style: show.Bad}
		}
		return s.out.Details([]show.Pair{
			{Label: "service", Cell: from(r.BaseURL, s.settings.BaseURL.Source)},
			{Label: "status", Cell: show.Cell{Text: r.Status}},
			{Label: "ready", Cell: ready},
			{Label: "version", Cell: show.Cell{Text: r.Version}},
			{Label: "answered in", Cell: show.Cell{Text: fmt.Sprintf("%d ms", r.TookMS)}},
		})
	})
	if err == nil && !r.Ready {
		return problem.Told()
	}
	return err
}

// anonymous is a client that is not signed in.
func (s *session) anonymous() (*client.Client, error) {
	if err := s.resolve(false); err != nil {
		return nil, err
	}
	if err := s.checkProfile(); err != nil {
		return nil, err
	}
	return s.connect(s.settings, client.Secret{})
}
