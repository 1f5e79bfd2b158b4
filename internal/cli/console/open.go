package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keypin/keypin/internal/cli/problem"
)

func (c *console) open() *cobra.Command {
	return &cobra.Command{
		Use:   "open docs|dashboard",
		Short: "Open the service's documentation or dashboard in a browser",
		Long: `Open asks the service whether it has the page, and opens it in your browser. Without a
terminal or a browser it prints the address instead.`,
		Example:   "  keypin open docs\n  keypin open dashboard",
		Args:      takes(1, 1, "docs|dashboard"),
		ValidArgs: []string{"docs\tthe documentation", "dashboard\tthe dashboard"},
		RunE:      c.run(func(s *session, args []string) error { return s.open(args[0]) }),
	}
}

// patience is how long is waited for a page that only has to be there.
const patience = 10 * time.Second

func (s *session) open(page string) error {
	path, ok := map[string]string{"docs": "/docs", "dashboard": "/dashboard"}[page]
	if !ok {
		return problem.Usage("needs docs or dashboard")
	}
	if _, err := s.anonymous(); err != nil {
		return err
	}
	base := strings.TrimRight(s.settings.BaseURL.Value(), "/")
	address := base + path
	found, err := s.hasPage(address)
	switch {
	case err != nil:
		return problem.Failed("%s does not answer", base).WithDo("check that the service runs and that the address (of %s) is right", s.settings.BaseURL.Source)
	case !found && page == "docs":
		return problem.Failed("the service at %s has no documentation pages", base).WithDo("read its OpenAPI document at %s/openapi.json", base)
	case !found:
		return problem.Failed("the service at %s has no dashboard", base).WithDo("use the commands instead: keypin --help")
	}
	if s.format.Given() {
		return s.format.Write(s.out.Stdout, map[string]string{"url": address})
	}
	if s.out.Terminal {
		if browser := s.browser(); browser != nil && s.browse(browser, address) == nil {
			s.out.Note("Opened %s.", address)
			return nil
		}
	}
	_, err = fmt.Fprintln(s.out.Stdout, address)
	return err
}

// hasPage asks whether a page is there. No credential is sent.
func (s *session) hasPage(address string) (bool, error) {
	stop := s.out.Progress("waiting for " + address)
	defer stop()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false, err
	}
	request.Header.Set("Accept", "text/html")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20)); err != nil {
		return false, err
	}
	return answer.StatusCode/100 == 2, nil
}

// browse runs the browser, which may be one for the terminal.
func (s *session) browse(browser []string, address string) error {
	cmd := exec.CommandContext(s.ctx, browser[0], append(browser[1:], address)...) //nolint:gosec // the user's own browser, and an address that begins with http
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.process.Stdin, s.process.Stdout, s.process.Stderr
	return cmd.Run()
}

// browser is the command that opens an address; nil = there is none.
func (s *session) browser() []string {
	if own := strings.Fields(s.env.Get("BROWSER")); len(own) > 0 {
		return own
	}
	candidates := [][]string{{"xdg-open"}}
	switch runtime.GOOS {
	case "darwin":
		candidates = [][]string{{"open"}}
	case "windows":
		candidates = [][]string{{"rundll32", "url.dll,FileProtocolHandler"}}
	default:
		if s.env.Get("DISPLAY") == "" && s.env.Get("WAYLAND_DISPLAY") == "" {
			return nil // xdg-open would start a browser for text in this terminal
		}
	}
	for _, c := range candidates {
		if _, err := exec.LookPath(c[0]); err == nil {
			return c
		}
	}
	return nil
}
