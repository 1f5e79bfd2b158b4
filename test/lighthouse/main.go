// Command lighthouse lets Lighthouse judge three pages of the documentation, as on a phone
// with a slow line, and fails when a category is below its aim. It builds and serves the
// program itself.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/keypin/keypin/test/measure"
)

const (
	aim     = 95
	program = "tools/lighthouse/node_modules/lighthouse/cli/index.js"
	// Of its own: the profile is a new one each time, and nobody is called but our server.
	chromium = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
)

func pages() []string {
	return []string{"/docs", "/docs/configuration", "/docs/api-reference/api-keys/update-api-key"}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lighthouse:", err)
		os.Exit(1) //nolint:gocritic // the signal is nobody's any more
	}
}

func run(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "keypin-lighthouse-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	keypin := filepath.Join(folder, "keypin")
	if err := measure.Build(ctx, keypin, "./cmd/keypin"); err != nil {
		return err
	}
	server := &measure.Server{Program: keypin, Dir: filepath.Join(folder, "data")}
	if err := server.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	var below []error
	for _, page := range pages() {
		report, err := judge(ctx, "http://"+server.Address+page)
		if err != nil {
			return err
		}
		fmt.Print(page)
		for _, name := range []string{"performance", "accessibility", "best-practices", "seo"} {
			score := int(report.Categories[name].Score*100 + 0.5)
			fmt.Printf("  %s %d", name, score)
			if score < aim {
				below = append(below, fmt.Errorf("%s: %s is %d, and should be at least %d: %s", page, name, score, aim, report.failed(name)))
			}
		}
		fmt.Printf("  first paint %s  weight %s\n", report.Audits["first-contentful-paint"].DisplayValue, report.Audits["total-byte-weight"].DisplayValue)
	}
	return errors.Join(below...)
}

type report struct {
	Categories map[string]struct {
		Score     float64
		AuditRefs []struct{ ID string }
	}
	Audits map[string]struct {
		Score        *float64
		Title        string
		DisplayValue string
	}
}

// failed names what cost a category its points.
func (r report) failed(category string) (titles []string) {
	for _, ref := range r.Categories[category].AuditRefs {
		if audit := r.Audits[ref.ID]; audit.Score != nil && *audit.Score < 0.9 {
			titles = append(titles, audit.Title+" "+audit.DisplayValue)
		}
	}
	return titles
}

func judge(ctx context.Context, url string) (r report, err error) {
	chrome, err := exec.LookPath("chromium")
	if err != nil {
		return r, err
	}
	cmd := exec.CommandContext(ctx, "node", program, url, "--output=json", "--quiet", "--no-enable-error-reporting", "--chrome-flags="+chromium) //nolint:gosec // our server's address
	cmd.Env = append(os.Environ(), "CHROME_PATH="+chrome)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("judging %s: %w", url, err)
	}
	return r, json.Unmarshal(out, &r)
}
