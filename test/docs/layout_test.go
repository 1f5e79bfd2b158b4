package docs

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp/kb"
)

// sample are pages that differ in what they hold: prose, long code, wide tables, a call.
func sample() []string {
	return []string{"/docs/introduction", "/docs/verifying", "/docs/configuration", "/docs/benchmarks", "/docs/api-reference/api-keys/update-api-key"}
}

// onPaper has the tab lay pages out as for paper, with what the reader's system asks for.
func (b *tab) onPaper(theme string) {
	b.t.Helper()
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print", Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}})
}

// faults evaluates JavaScript into what is wrong on a page, a line each.
func (b *tab) faults(on, script string) {
	b.t.Helper()
	for _, fault := range ask[[]string](b, script) {
		b.t.Errorf("%s: %s", on, fault)
	}
}

const (
	// shownOnPaper finds parts that are of no use there.
	shownOnPaper = `[...document.querySelectorAll("#nav, .top, .bottom, .contents, .helpful, .turn, .copy, .copy-page, .try-open, .skip, dialog")].filter((e) => e.getClientRects().length).map((e) => "on paper there is " + (e.id || e.className || e.tagName))`
	// paleOnPaper finds what can hardly be read there: text is black, and the colours of code
	// have a contrast of at least 4.5 to white.
	paleOnPaper = `(() => {
  const light = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map((v) => v / 255).map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const found = new Set(), white = getComputedStyle(document.body).backgroundColor;
  if (!["rgb(255, 255, 255)", "rgba(0, 0, 0, 0)"].includes(white)) found.add("the paper is " + white);
  const texts = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const e = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !e.getClientRects().length) continue;
    const ink = getComputedStyle(e).color;
    if (1.05 / (light(ink) + 0.05) < 4.5) found.add(e.tagName + "." + e.className + " is printed in " + ink);
    if (e.matches("p, li, td, h1, h2, h3") && ink !== "rgb(0, 0, 0)" && !e.closest(".crumbs, .lead, .fields, .panel, .call, .code-head")) found.add(e.tagName + "." + e.className + " is printed in " + ink + ", not in black");
  }
  return [...found];
})()`
	// clipped finds what is wider or higher than the box that it has to be read in.
	clipped = `[...document.querySelectorAll("pre, .table")].filter((e) => e.getClientRects().length && (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1)).map((e) => e.tagName + "." + e.className + " is cut off: " + e.textContent.trim().slice(0, 60))`
)

func TestAPrintedPageIsBlackOnWhiteAndWhole(t *testing.T) {
	t.Parallel()
	b := newTab(t, 718, 1000) // A4 without its margins
	for _, theme := range []struct{ asked, chosen string }{{"light", ""}, {"dark", ""}, {"light", "dark"}} {
		b.onPaper(theme.asked)
		for _, path := range sample() {
			b.open(path)
			if theme.chosen != "" {
				b.run(fmt.Sprintf("document.documentElement.dataset.theme = %q", theme.chosen))
			}
			on := fmt.Sprintf("%s, %v", path, theme)
			b.faults(on, shownOnPaper)
			b.faults(on, paleOnPaper)
			b.faults(on, clipped)
			if width := ask[float64](b, "document.documentElement.scrollWidth"); width > 718 {
				t.Errorf("%s is %v pixels wide", on, width)
			}
		}
	}
}

func TestAWideScreenShowsEveryPageAndItsParts(t *testing.T) {
	t.Parallel()
	const width = 1600
	b := newTab(t, width, 1000)
	for _, path := range sitePaths(t) {
		b.open(path)
		if got := ask[float64](b, "document.documentElement.scrollWidth"); got > width {
			t.Errorf("%s is %v pixels wide", path, got)
		}
		b.faults(path, `[...document.querySelectorAll("main *")].filter((e) => e.getClientRects().length && !e.closest("pre, .table, .panel") && e.getBoundingClientRect().right > innerWidth).map((e) => e.tagName + "." + e.className + " goes beyond the screen")`)
		b.faults(path, `(() => {
  const seen = (selector) => { const e = document.querySelector(selector), at = e?.getBoundingClientRect(); return !!at && at.width > 0 && at.top >= 0 && at.top < innerHeight && at.right <= innerWidth; };
  const faults = [];
  if (!seen("#nav a[aria-current=page]")) faults.push("the sidebar does not show the page");
  if (document.querySelector("article.reference")) { if (!seen(".panels pre")) faults.push("the example is not beside the call"); }
  else if (document.querySelectorAll("article h2[id]").length > 1 && !seen(".contents a")) faults.push("the list of what is on the page is not beside it");
  return faults;
})()`)
	}
}

// focused is what has the keyboard.
const focused = `(document.activeElement.id ? "#" + document.activeElement.id : document.activeElement.tagName.toLowerCase() + "." + document.activeElement.className)`

func TestAReaderNeedsNoMouse(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1400, 900)
	b.open("/docs/quickstart")
	b.press(kb.Tab)
	if got := ask[string](b, focused); got != "a.skip" {
		t.Fatalf("the first Tab goes to %s", got)
	}
	if !ask[bool](b, "(() => { const at = document.activeElement.getBoundingClientRect(); return at.top >= 0 && at.left >= 0 && at.width > 1 && at.bottom <= innerHeight; })()") {
		t.Error("the link that skips to the content cannot be seen when it has the focus")
	}
	b.press(kb.Enter)
	b.await("location.hash === '#main' && document.activeElement.id === 'main'")

	// From the content on, Tab comes to every block's button.
	buttons := ask[int](b, "document.querySelectorAll('article .copy').length")
	reached := 0
	for range 200 {
		b.press(kb.Tab)
		if ask[bool](b, "document.activeElement.matches('article .copy')") {
			reached++
			if reached == 1 {
				b.faults("/docs/quickstart", `(() => { const style = getComputedStyle(document.activeElement); return style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2 ? ["a button with the focus looks as one without"] : []; })()`)
				b.press(kb.Enter)
				b.await("document.activeElement.textContent === 'Copied'")
			}
		}
		if ask[bool](b, "document.activeElement.matches('.helpful button')") {
			break
		}
	}
	if buttons < 10 || reached != buttons {
		t.Errorf("Tab reaches %d of %d buttons that copy", reached, buttons)
	}

	// Escape gives the keyboard back to where it was.
	before := ask[string](b, focused)
	b.press("/")
	b.await("document.querySelector('#search').open && document.activeElement.id === 'search-field'")
	b.press(kb.Escape)
	b.await("!document.querySelector('#search').open")
	if after := ask[string](b, focused); after != before {
		t.Errorf("after the search the focus is at %s, before it was at %s", after, before)
	}
	b.press("/")
	b.press("workspaces and roles")
	b.await("document.querySelectorAll('#search-found li').length > 0")
	b.press(kb.ArrowDown)
	b.press(kb.ArrowUp)
	first := ask[string](b, "document.querySelector('#search-found [aria-selected=true]').dataset.path")
	b.press(kb.Enter)
	b.await(fmt.Sprintf("!document.querySelector('#search').open && location.pathname + location.hash === %q", first))
	if got := ask[string](b, focused); !strings.HasPrefix(got, "h1.") && !strings.Contains(first, "#") {
		t.Errorf("on the page that was found the focus is at %s", got)
	}
}
