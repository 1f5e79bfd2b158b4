package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	project "github.com/keypin/keypin"
	"github.com/keypin/keypin/docs"
	"github.com/keypin/keypin/internal/clientaddr"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/docsite"
	"github.com/keypin/keypin/internal/httpapi"
	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/ratelimit"
	"github.com/keypin/keypin/internal/store/postgres"
	"github.com/keypin/keypin/internal/store/sqlite"
)

// showDocs puts the documentation beside the API, unless it is turned off.
func (a *App) showDocs(api *httpapi.API) error {
	if !a.config.Docs {
		return nil
	}
	site, err := docsite.New(docsite.Options{
		Docs: docs.Pages, Changelog: project.Changelog, OpenAPI: api.Document(), Version: a.options.Version, BaseURL: api.BaseURL, Logger: a.options.Logger,
		Votes: a.store, Limiter: ratelimit.NewMemory(a.options.Clock()), Clock: a.options.Clock, Random: a.options.Random, PublicURL: a.config.PublicURL,
		ClientAddr: func(r *http.Request) netip.Addr { return clientaddr.Of(r, a.config.TrustedProxies) },
	})
	if err != nil {
		return fmt.Errorf("the documentation: %w", err)
	}
	api.Show(site)
	return nil
}

// votesAtOnce is how many votes are read at once.
const votesAtOnce = 100

// PageVotes tells of every vote on a page of the documentation, newest first. The service
// may run meanwhile.
func PageVotes(ctx context.Context, c *config.Config, told func(keypin.PageVote) error) (err error) {
	var votes interface {
		PageVotes(ctx context.Context, before keypin.ID, limit int) ([]keypin.PageVote, error)
		Close() error
	}
	if c.OnPostgres() {
		votes, err = postgres.Open(ctx, postgres.Options{URL: c.DatabaseURL(), Pooled: !c.DatabaseListen.IsZero(), MaxConnections: 2, Timeout: c.DatabaseTimeout})
	} else {
		votes, err = sqlite.OpenOriginal(ctx, c.SQLitePath())
	}
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	defer func() { err = errors.Join(err, votes.Close()) }()
	for before := (keypin.ID{}); ; {
		some, err := votes.PageVotes(ctx, before, votesAtOnce)
		if err != nil {
			return err
		}
		for _, vote := range some {
			if err := told(vote); err != nil {
				return err
			}
			before = vote.ID
		}
		if len(some) < votesAtOnce {
			return nil
		}
	}
}
