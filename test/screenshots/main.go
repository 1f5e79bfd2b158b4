// Command screenshots takes pictures of the documentation, to be looked at by people: five
// pages in three widths and both themes, and the windows over a page. It builds and serves
// the program itself, and writes PNGs into a folder that git ignores.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/keypin/keypin/test/browser"
	"github.com/keypin/keypin/test/measure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	to := flag.String("to", "screenshots", "the folder to write to")
	pages := flag.String("pages", "/docs,/docs/quickstart,/docs/errors,/docs/api-reference/api-keys/update-api-key,/docs/configuration", "the pages, by path")
	flag.Parse()
	if err := run(ctx, *to, strings.Split(*pages, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "screenshots:", err)
		os.Exit(1) //nolint:gocritic // the signal is nobody's any more
	}
}

func run(ctx context.Context, to string, pages []string) (err error) {
	if err := os.MkdirAll(to, 0o755); err != nil { //nolint:gosec // pictures of public pages
		return err
	}
	folder, err := os.MkdirTemp("", "keypin-screenshots-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	program := filepath.Join(folder, "keypin")
	if err := measure.Build(ctx, program, "./cmd/keypin"); err != nil {
		return err
	}
	server := &measure.Server{Program: program, Dir: filepath.Join(folder, "data")}
	if err := server.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	tab, end, err := browser.Start(ctx)
	if err != nil {
		return err
	}
	defer end()
	c := &camera{ctx: tab, base: "http://" + server.Address, to: to}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{390, 1024, 1600} {
			for _, page := range pages {
				if err := c.take(page, width, theme, "", ""); err != nil {
					return err
				}
			}
			for name, script := range windows {
				if err := c.take("/docs/api-reference/api-keys/rotate-api-key", width, theme, name, script); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// windows are opened by a script.
var windows = map[string]string{
	"search": `document.querySelector(".find").click(); new Promise((r) => setTimeout(r, 300)).then(() => { const f = document.querySelector("#search-field"); f.value = "rate limit"; f.dispatchEvent(new Event("input")); })`,
	"try":    `document.querySelector(".try-open").click(); document.querySelector("#try-token").value = "none"; document.querySelector("[data-name=key_id]").value = "3fa85f64-5717-4562-b3fc-2c963f66afa6"; document.querySelector(".send").click(); document.querySelector(".try-yes").click(); new Promise((r) => setTimeout(r, 500))`,
	"foot":   `scrollTo(0, document.body.scrollHeight); document.querySelector(".helpful button").click(); new Promise((r) => setTimeout(r, 500))`,
}

type camera struct {
	ctx      context.Context //nolint:containedctx // the browser's tab
	base, to string
}

// take takes a picture of what a reader sees first, or after a script.
func (c *camera) take(page string, width int64, theme, name, script string) error {
	height := int64(1000)
	if width < 500 {
		height = 844
	}
	_, err := chromedp.Call(c.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		return err
	}
	if err := chromedp.Do(c.ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(c.base+page)); err != nil {
		return err
	}
	if script != "" {
		if err := chromedp.Do(c.ctx, chromedp.Evaluate[chromedp.Void](script, chromedp.EvalAwaitPromise)); err != nil {
			return err
		}
	} else {
		name = strings.ReplaceAll(strings.TrimPrefix(page, "/"), "/", "-")
	}
	picture, err := chromedp.Run(c.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	file := filepath.Join(c.to, fmt.Sprintf("%s-%d-%s.png", name, width, theme))
	if err := os.WriteFile(file, picture, 0o644); err != nil { //nolint:gosec // a picture of a public page
		return err
	}
	fmt.Println(file)
	return nil
}
