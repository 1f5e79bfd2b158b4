package app

import (
	"fmt"

	project "github.com/keypin/keypin"
	"github.com/keypin/keypin/docs"
	"github.com/keypin/keypin/internal/docsite"
	"github.com/keypin/keypin/internal/httpapi"
)

// showDocs puts the documentation beside the API, unless it is turned off.
func (a *App) showDocs(api *httpapi.API) error {
	if !a.config.Docs {
		return nil
	}
	site, err := docsite.New(docsite.Options{
		Docs: docs.Pages, Changelog: project.Changelog, OpenAPI: api.Document(), Version: a.options.Version, BaseURL: api.BaseURL, Logger: a.options.Logger,
	})
	if err != nil {
		return fmt.Errorf("the documentation: %w", err)
	}
	api.Show(site)
	return nil
}
