package docs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/keypin/keypin/test/browser"
)

// chromium is the one browser of all tests, started by the first that needs it.
var chromium struct {
	sync.Mutex
	tab  context.Context
	stop func()
	err  error
}

func closeBrowser() {
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.stop != nil {
		chromium.stop()
	}
}

// tab is a tab of a profile of its own, with what went wrong in it.
type tab struct {
	t        testing.TB
	ctx      context.Context
	mu       sync.Mutex
	problems []string
}

// patience bounds what a page may take.
const patience = 30 * time.Second

func newTab(t testing.TB, width, height int64) *tab {
	t.Helper()
	chromium.Lock()
	if chromium.tab == nil && chromium.err == nil {
		chromium.tab, chromium.stop, chromium.err = browser.Start(context.Background()) //nolint:fatcontext // made once, for all tests
	}
	first, err := chromium.tab, chromium.err
	chromium.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	b := &tab{t: t}
	var cancel context.CancelFunc
	b.ctx, cancel = chromedp.NewContext(first, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	b.do(chromedp.EmulateViewport(width, height))
	tell(b, cdplog.Enable, cdp.Empty{})
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, problem := range b.problems {
			t.Errorf("the browser says: %s", problem)
		}
	})
	return b
}

// hear notes what a reader's console would show: exceptions, and requests and styles that
// were refused.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		problem := e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			problem += " " + e.ExceptionDetails.Exception.Description
		}
		b.problems = append(b.problems, problem)
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.EntryLevelError {
			b.problems = append(b.problems, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

func (b *tab) check(err error) {
	b.t.Helper()
	if err != nil {
		at, _ := chromedp.Run(b.ctx, chromedp.Location()) // for the message
		b.t.Fatalf("at %s: %v", at, err)
	}
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if chromedp.FromContext(b.ctx).Target == nil { // the first call's context is the tab's life
		ctx = b.ctx
	}
	b.check(chromedp.Do(ctx, steps...))
}

// tell sends the tab a command of the protocol.
func tell[P, R any](b *tab, command cdp.Command[P, R], params P) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, command, params)
	b.check(err)
}

// ask evaluates JavaScript, which may be a promise, into a value.
func ask[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise, func(p *runtime.EvaluateParams) { p.UserGesture = new(true) }))
	b.check(err)
	return value
}

// await waits until an expression is true.
func (b *tab) await(expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression, chromedp.WithPollingInterval(10*time.Millisecond))); err != nil {
		b.check(fmt.Errorf("waiting for %s: %w", expression, err))
	}
}

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(served.base + path))
}

func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// write types into a field.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

func (b *tab) press(keys string) {
	b.t.Helper()
	b.do(chromedp.KeyEvent(keys))
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return ask[string](b, fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector))
}

// run evaluates JavaScript for what it does.
func (b *tab) run(script string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](script))
}

// follow opens the sidebar's group of a link and clicks it.
func (b *tab) follow(path string) {
	b.t.Helper()
	b.run(fmt.Sprintf("{ const link = document.querySelector('#nav a[href=%q]'), group = link.closest('details'); if (group) group.open = true; link.click(); }", path))
}

// media makes the reader's system ask for a theme.
func (b *tab) media(theme string) {
	b.t.Helper()
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

func TestAReaderGoesThroughTheWholeSidebar(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1400, 1000)
	b.open("/docs")
	paths := ask[[]string](b, "[...document.querySelectorAll('#nav a')].map((a) => a.pathname)")
	if want := sitePaths(t); strings.Join(want, " ") != strings.Join(paths, " ") {
		t.Fatalf("the sidebar has %v, the sitemap %v", paths, want)
	}
	b.run("window.stayed = true")
	for _, path := range paths {
		b.follow(path)
		b.await(fmt.Sprintf("location.pathname === %q && document.querySelector('#nav a[aria-current=page]').pathname === location.pathname", path))
		title := b.text("h1")
		if title == "" || ask[string](b, "document.title") != title+" · Keypin" {
			t.Errorf("%s: the title is %q, the heading %q", path, ask[string](b, "document.title"), title)
		}
		if at := ask[string](b, "document.querySelector('link[rel=canonical]').href"); at != served.base+path {
			t.Errorf("%s: the canonical address is %s", path, at)
		}
		if ask[float64](b, "scrollY") != 0 {
			t.Errorf("%s does not begin at its top", path)
		}
	}
	if !ask[bool](b, "window.stayed === true") {
		t.Error("a link within the site loaded everything anew")
	}
	b.do(chromedp.NavigateBack())
	b.await(fmt.Sprintf("location.pathname === %q && document.querySelector('#nav a[aria-current]').pathname === location.pathname", paths[len(paths)-2]))
}

func TestAReaderSearchesWithTheKeyboard(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1200, 900)
	b.open("/docs")
	b.press("/")
	b.await("document.querySelector('#search').open && document.activeElement.id === 'search-field'")
	b.press("rotate api key")
	b.await("document.querySelectorAll('#search-found li').length > 0")
	if first := b.text("#search-found li"); !strings.Contains(first, "Rotate an API key") {
		t.Errorf("the first that was found is %q", first)
	}
	b.press(kb.ArrowDown)
	second := ask[string](b, "document.querySelector('#search-found [aria-selected=true]').dataset.path")
	if ask[string](b, "document.querySelector('#search-field').getAttribute('aria-activedescendant')") != "search-1" {
		t.Error("the arrow did not choose the second")
	}
	b.press(kb.Enter)
	b.await(fmt.Sprintf("!document.querySelector('#search').open && location.pathname + location.hash === %q", second))
	b.press("/")
	b.await("document.querySelector('#search').open")
	b.press("qwertyuiop")
	b.await("document.querySelector('.search-none').textContent !== ''")
	b.press(kb.Escape)
	b.await("!document.querySelector('#search').open")
	for query, want := range map[string]string{"rate_limit_per_min": "/docs/api-reference/api-keys/create-api-key", "KEYPIN_REDIS": "/docs/configuration", "auth_request": "/docs/proxies"} {
		b.click(".find")
		b.run(fmt.Sprintf("{ const f = document.querySelector('#search-field'); f.value = %q; f.dispatchEvent(new Event('input')); }", query))
		b.await("document.querySelectorAll('#search-found li').length > 0")
		if found := ask[string](b, "[...document.querySelectorAll('#search-found li')].map((i) => i.dataset.path).join(' ')"); !strings.Contains(found, want) {
			t.Errorf("%s finds %s", query, found)
		}
		b.press(kb.Escape)
	}
}

func TestAReaderCopiesCodeAndPages(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1400, 900)
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		_, err := chromedp.CallBrowser(b.ctx, cdpbrowser.SetPermission, cdpbrowser.SetPermissionParams{
			Permission: &cdpbrowser.PermissionDescriptor{Name: name}, Setting: cdpbrowser.PermissionSettingGranted, Origin: served.base,
			BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
		})
		b.check(err)
	}
	b.open("/docs/api-reference/api-keys/update-api-key")
	clipboard := func() string { t.Helper(); return ask[string](b, "navigator.clipboard.readText()") }
	copied := func(selector string) {
		t.Helper()
		b.click(selector)
		b.await(fmt.Sprintf("document.querySelector(%q).textContent === 'Copied'", selector))
	}
	copied(".tabs .copy")
	if got := clipboard(); !strings.HasPrefix(got, "curl -X PATCH "+served.base+"/api/v1/api-keys/") {
		t.Errorf("copied %q", got)
	}
	b.click("label[for=language-python]")
	copied(".tabs .copy")
	if got := clipboard(); !strings.HasPrefix(got, "from keypin import Keypin") {
		t.Errorf("copied %q", got)
	}
	copied(".call .copy")
	if got := clipboard(); got != "/api/v1/api-keys/{key_id}" {
		t.Errorf("copied %q", got)
	}
	copied(".copy-page")
	if got := clipboard(); !strings.HasPrefix(got, "> For AI agents: ") || !strings.Contains(got, "# Update an API key") {
		t.Errorf("copied %.80q", got)
	}
	b.open("/docs/api-reference/api-keys/get-api-key")
	if !ask[bool](b, "document.querySelector('#language-python').checked") {
		t.Error("the language that was chosen is forgotten")
	}
}

func TestAReaderChoosesTheTheme(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1200, 900)
	b.media("light")
	b.open("/docs")
	back := func() string { t.Helper(); return ask[string](b, "getComputedStyle(document.body).backgroundColor") }
	light := back()
	b.media("dark")
	dark := back()
	if light != "rgb(255, 255, 255)" || dark == light {
		t.Fatalf("light is %s, dark %s", light, dark)
	}
	b.click(".theme")
	if back() != light || ask[string](b, "document.querySelector('.theme').getAttribute('aria-pressed')") != "false" {
		t.Error("the button does not turn a dark page light")
	}
	b.do(chromedp.Reload())
	if back() != light {
		t.Error("what was chosen is forgotten")
	}
}

func TestAReaderVotesAndWritesAComment(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1200, 900)
	const path, comment = "/docs/benchmarks", "Which machine was that?"
	b.open(path)
	b.do(chromedp.ScrollIntoView(chromedp.CSS(".helpful")))
	b.click(".helpful button[value=no]")
	b.await("document.activeElement.id === 'comment'")
	b.press(comment)
	b.click(".comment button")
	b.await("document.querySelector('.helpful').innerText.includes('Your comment is kept')")
	wantVote(t, path, false, comment)
}

// wantVote asks the command for the newest vote on a page.
func wantVote(t *testing.T, path string, helpful bool, comment string) {
	t.Helper()
	out := keypin(t, "docs", "feedback", "--data-dir", served.Dir, "--page", path, "--json")
	line, _, _ := strings.Cut(out, "\n")
	var vote struct {
		Page    string
		Helpful bool
		Comment string
	}
	if err := json.Unmarshal([]byte(line), &vote); err != nil || vote.Page != path || vote.Helpful != helpful || vote.Comment != comment {
		t.Errorf("%v: the newest vote is %s", err, line)
	}
	if table := keypin(t, "docs", "feedback", "--data-dir", served.Dir); !strings.Contains(table, path+" ") || !strings.Contains(table, comment) {
		t.Errorf("the command shows\n%s", table)
	}
}

func TestTheSiteServesWhoHasNoJavaScript(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1200, 900)
	tell(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	const path = "/docs/api-reference/auth/whoami"
	b.open("/docs")
	b.run(fmt.Sprintf("document.querySelector('#nav a[href=%q]').closest('details').open = true", path))
	b.click(`#nav a[href="` + path + `"]`)
	b.do(chromedp.WaitVisible(chromedp.CSS("article.reference")))
	if shown := ask[[]string](b, "[...document.querySelectorAll('.find, .theme, .copy, .copy-page, .try-open')].filter((e) => e.offsetParent).map((e) => e.className)"); len(shown) > 0 {
		t.Errorf("%v do nothing, and are shown", shown)
	}
	b.click("label[for=language-go]")
	if code := b.text(".pane-go"); !strings.Contains(code, "keypin.WhoAmI(ctx)") {
		t.Errorf("the Go example is %q", code)
	}
	b.click(".helpful button[value=yes]")
	b.write("#comment", "Short.")
	b.click(".comment button")
	b.do(chromedp.WaitNotPresent(chromedp.CSS("#comment")), chromedp.WaitVisible(chromedp.CSS("article a[href='"+path+"']")))
	wantVote(t, path, true, "Short.")
}

func TestAPhoneShowsEveryPage(t *testing.T) {
	t.Parallel()
	b := newTab(t, 390, 844)
	for _, path := range sitePaths(t) {
		b.open(path)
		if width := ask[float64](b, "document.documentElement.scrollWidth"); width > 390 {
			t.Errorf("%s is %v pixels wide", path, width)
		}
	}
	b.open("/docs")
	if ask[bool](b, "document.querySelector('#nav').matches(':popover-open')") {
		t.Fatal("the sidebar is open")
	}
	b.click(".menu")
	b.await("document.querySelector('#nav').matches(':popover-open')")
	b.click(`#nav a[href="/docs/configuration"]`)
	b.await("location.pathname === '/docs/configuration' && !document.querySelector('#nav').matches(':popover-open')")
}

func TestNothingIsKeptInTheBrowserButChoices(t *testing.T) {
	t.Parallel()
	b := newTab(t, 1200, 900)
	b.open("/docs/api-reference/auth/whoami")
	b.click(".try-open")
	b.write("#try-token", served.Token)
	b.click(".send")
	b.await("document.querySelector('.try-status b')?.textContent.startsWith('200')")
	kept := ask[string](b, "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href, history.state, document.documentElement.outerHTML])")
	if strings.Contains(kept, served.Token) || strings.Contains(kept, url.QueryEscape(served.Token)) {
		t.Error("the token is kept")
	}
	b.do(chromedp.Reload())
	b.click(".try-open")
	if ask[string](b, "document.querySelector('#try-token').value") != "" {
		t.Error("the token outlives a reload")
	}
}

// keypin runs the program.
func keypin(t testing.TB, args ...string) string {
	t.Helper()
	out, err := command(t, args...).Output()
	if err != nil {
		t.Fatalf("keypin %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}

// axe is the source of axe-core.
var axe = sync.OnceValues(func() ([]byte, error) { return os.ReadFile("../../tools/browser/node_modules/axe-core/axe.min.js") })
