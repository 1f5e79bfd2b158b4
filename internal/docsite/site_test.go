package docsite

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	project "github.com/keypin/keypin"
	"github.com/keypin/keypin/docs"
	"github.com/keypin/keypin/internal/ratelimit"
)

func openAPI(t testing.TB) []byte {
	t.Helper()
	document, err := os.ReadFile("../../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// options are those of the real site, but that readers use whatever host they ask, and
// that votes are kept in memory.
func options(t testing.TB) Options {
	t.Helper()
	return optionsWith(openAPI(t))
}

func optionsWith(document []byte) Options {
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	return Options{
		Docs: docs.Pages, Changelog: project.Changelog, OpenAPI: document, Version: "test",
		BaseURL: func(r *http.Request) string { return "http://" + r.Host },
		Logger:  slog.New(slog.DiscardHandler),
		Votes:   &box{}, Limiter: ratelimit.NewMemory(now), Clock: func() time.Time { return now }, Random: rand.Reader,
		ClientAddr: func(r *http.Request) netip.Addr { return netip.MustParseAddrPort(r.RemoteAddr).Addr() },
	}
}

// shared is a site for all tests that only read: rendering is what takes their time.
var shared = sync.OnceValues(func() (*Site, error) {
	document, err := os.ReadFile("../../api/openapi.json")
	if err != nil {
		return nil, err
	}
	return New(optionsWith(document))
})

func newSite(t testing.TB) *Site {
	t.Helper()
	site, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return site
}

// get asks the site for a path, with headers as pairs.
func get(t testing.TB, s *Site, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://docs.example"+path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	if s.Route(r) == "" {
		t.Fatalf("%s is not the site's", path)
	}
	s.ServeHTTP(w, r)
	return w.Result()
}

func bodyOf(t testing.TB, r *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const updatePath = "/docs/api-reference/api-keys/update-api-key"

func TestEverythingThatCanBeAskedForIsThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for path, r := range s.resources {
		answer := get(t, s, path)
		if answer.StatusCode != http.StatusOK || answer.Header.Get("Content-Type") != r.contentType || len(bodyOf(t, answer)) == 0 {
			t.Errorf("%s: %d %s", path, answer.StatusCode, answer.Header.Get("Content-Type"))
		}
	}
	for from, status := range map[string]int{"/docs/get-started/quickstart": 308, "/get-started/introduction": 308, "/docs/configuration/": 308, "/": 302, "/docs/guides": 302, "/api-reference": 302} {
		if answer := get(t, s, from); answer.StatusCode != status || answer.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %d, Cache-Control %q", from, answer.StatusCode, answer.Header.Get("Cache-Control"))
		}
	}
	for from, to := range s.redirects {
		if answer := get(t, s, from); answer.Header.Get("Location") != to.to || answer.StatusCode/100 != 3 || s.resources[to.to] == nil {
			t.Errorf("%s: %d to %s", from, answer.StatusCode, answer.Header.Get("Location"))
		}
	}
}

func TestTheSeedsAddressesLeadToOurPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for from, to := range map[string]string{
		"/api-reference/api-keys/update-api-key":    updatePath,
		"/api-reference/api-keys/list-api-keys":     "/docs/api-reference/api-keys/list-api-keys",
		"/api-reference/api-keys/rotate-api-key.md": "/docs/api-reference/api-keys/rotate-api-key.md",
		"/docs/configuration/":                      "/docs/configuration",
		"/docs/api-reference":                       "/docs/api-reference/api-keys/list-api-keys",
		"/get-started/introduction/":                "/docs/introduction",
		"/api-reference/":                           "/docs/api-reference/api-keys/list-api-keys",
		"/docs/guides.md":                           "/docs/scopes.md",
		"/docs/index.md":                            "/docs.md",
		"/":                                         "/docs",
	} {
		if got := get(t, s, from).Header.Get("Location"); got != to {
			t.Errorf("%s leads to %q, want %q", from, got, to)
		}
	}
}

func TestOtherPathsAreNotTheSites(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/api/v1/api-keys", "/health", "/openapi.json", "/docsx", "/nothing", "/llms.txt/", "/api-reference/none"} {
		if route := s.Route(httptest.NewRequest(http.MethodGet, path, nil)); route != "" {
			t.Errorf("%s: %s", path, route)
		}
	}
}

func TestAPageIsMarkdownForWhoAsksForIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for accept, want := range map[string]string{
		"":                                typeHTML,
		"*/*":                             typeHTML,
		"text/html,application/xhtml+xml": typeHTML,
		"text/markdown":                   typeMarkdown,
		"text/markdown, text/html, */*":   typeMarkdown,
		"text/html, text/markdown;q=0.9":  typeHTML,
		"text/markdown;q=0, */*":          typeHTML,
		"text/markdown;q=0.5, */*":        typeHTML,
		"text/markdown, */*":              typeMarkdown,
		"text/markdown, text/*;q=0.9":     typeMarkdown,
		"text/markdown;q=no":              typeHTML,
		"text/html;q=0.5, */*, text/markdown;q=0.7": typeMarkdown,
		"text/x-markdown, text/html;q=0.5":          typeMarkdown,
	} {
		answer := get(t, s, updatePath, "Accept", accept)
		if got := answer.Header.Get("Content-Type"); got != want {
			t.Errorf("%q: %s", accept, got)
		}
		if !slices.Equal(answer.Header.Values("Vary"), []string{"Accept, Accept-Encoding"}) {
			t.Errorf("%q: Vary is %q", accept, answer.Header.Values("Vary"))
		}
	}
	page := bodyOf(t, get(t, s, updatePath+".md"))
	if !strings.HasPrefix(page, "> For AI agents: a documentation index is available at the root level at /llms.txt and /llms-full.txt.") {
		t.Errorf("it begins with %.100q", page)
	}
	for _, want := range []string{"# Update an API key", "`PATCH /api/v1/api-keys/{key_id}`", "- `rate_limit_per_min` (integer or null, 1–1,000,000)", "curl -X PATCH http://docs.example/api/v1/api-keys/"} {
		if !strings.Contains(page, want) {
			t.Errorf("it lacks %q", want)
		}
	}
}

func TestOnlyWhatIsCopiedNamesTheReadersServer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/docs/cli", "/docs/cli.md", "/docs/llms-full.txt"} {
		if page := bodyOf(t, get(t, s, path)); !regexp.MustCompile(`default(?:<[^>]*>|[\s|` + "`" + `])+http://127\.0\.0\.1:8080`).MatchString(page) {
			t.Errorf("%s does not say what the default is", path)
		}
	}
	for _, path := range []string{"/docs/scopes", "/docs/scopes.md", "/docs/cli", "/docs/cli.md"} {
		if page := bodyOf(t, get(t, s, path)); !strings.Contains(page, "http://docs.example") {
			t.Errorf("%s does not name the reader's server", path)
		}
	}
}

func TestEverySectionHasItsIndexes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for folder, want := range map[string]string{
		"/docs/get-started": "/docs/quickstart", "/docs/guides": "/docs/rotating", "/docs/python-sdk": "/docs/python-usage", "/docs/operate": "/docs/edge",
		"/docs/api-reference": updatePath, "/docs/api-reference/api-keys": updatePath,
	} {
		index, full := bodyOf(t, get(t, s, folder+"/llms.txt")), bodyOf(t, get(t, s, folder+"/llms-full.txt"))
		if !strings.Contains(index, "(http://docs.example"+want+".md)") || strings.Contains(index, "/docs/changelog.md") {
			t.Errorf("%s/llms.txt: %s", folder, index)
		}
		if !strings.Contains(full, "The page http://docs.example"+want+"\n") || strings.Contains(full, "/docs/changelog\n") {
			t.Errorf("%s/llms-full.txt lacks %s", folder, want)
		}
		if answer := get(t, s, folder); answer.StatusCode != http.StatusFound {
			t.Errorf("%s: %d", folder, answer.StatusCode)
		}
	}
}

func TestConfigurationsThatPagesAreAboutAreServed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := bodyOf(t, get(t, s, "/docs/proxies"))
	for _, name := range []string{"nginx.conf", "Caddyfile", "traefik.yml", "envoy.yaml"} {
		want, err := os.ReadFile("../../docs/examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, get(t, s, examplesPath+name)); got != string(want) {
			t.Errorf("%s is another one", name)
		}
		if !strings.Contains(page, `href="`+examplesPath+name+`"`) {
			t.Errorf("the page does not link to %s", name)
		}
	}
}

func TestEachReaderSeesTheURLThatTheyUse(t *testing.T) {
	t.Parallel()
	s, err := New(options(t)) // one that nobody else asks
	if err != nil {
		t.Fatal(err)
	}
	for i := range mostEditions {
		host := fmt.Sprintf("h%d.example", i)
		r := httptest.NewRequest(http.MethodGet, "http://"+host+updatePath, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		page, err := io.ReadAll(z)
		if err != nil || !bytes.Contains(page, []byte("http://"+host+"/api/v1/api-keys/")) {
			t.Fatalf("%s is not on its page: %v", host, err)
		}
		for _, other := range []string{baseMark, baseURL, "h999.example"} {
			if bytes.Contains(page, []byte(other)) {
				t.Errorf("%s: the page holds %s", host, other)
			}
		}
	}
}

// Who makes up hosts gets what is right, but nothing is compressed or kept for them while
// others use the site.
func TestMadeUpHostsDriveNobodyOut(t *testing.T) {
	t.Parallel()
	o := options(t)
	now := o.Clock()
	o.Clock = func() time.Time { return now }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	zippedFor := func(host string) bool {
		r := httptest.NewRequest(http.MethodGet, "http://"+host+updatePath, nil)
		r.Header.Set("Accept-Encoding", "gzip")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		zipped := w.Header().Get("Content-Encoding") == "gzip"
		if !zipped && !bytes.Contains(w.Body.Bytes(), []byte("http://"+host+"/api/v1/api-keys/")) {
			t.Errorf("%s is not on its page", host)
		}
		return zipped
	}
	for i := range 20 * mostEditions { // several in each second
		now = now.Add(idleAfter / (10 * mostEditions))
		if i%3 == 0 && !zippedFor("used.example") {
			t.Fatal("the reader who is there was driven out")
		}
		zippedFor(fmt.Sprintf("h%d.example", i))
		if n := len(*s.editions.all.Load()); n > mostEditions {
			t.Fatalf("%d editions are kept", n)
		}
	}
	if zippedFor("late.example") {
		t.Error("somebody who is there made room")
	}
	now = now.Add(idleAfter)
	if !zippedFor("late.example") {
		t.Error("nobody who has gone made room")
	}
}

func TestWhatWasSentIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, encoding := range []string{"identity", "gzip", "br, gzip;q=0.5", "gzip;q=0"} {
		first := get(t, s, "/docs", "Accept-Encoding", encoding)
		zipped := first.Header.Get("Content-Encoding") == "gzip"
		if zipped != (strings.Contains(encoding, "gzip") && !strings.Contains(encoding, "gzip;q=0") || strings.Contains(encoding, "0.5")) {
			t.Errorf("%s: %q", encoding, first.Header.Get("Content-Encoding"))
		}
		if length := len(bodyOf(t, first)); int64(length) != first.ContentLength {
			t.Errorf("%s: %d bytes and Content-Length %d", encoding, length, first.ContentLength)
		}
		etag := first.Header.Get("ETag")
		for _, given := range []string{etag, "W/" + etag, `"other", ` + etag} {
			again := get(t, s, "/docs", "Accept-Encoding", encoding, "If-None-Match", given)
			if again.StatusCode != http.StatusNotModified || again.Header.Get("ETag") != etag || len(bodyOf(t, again)) != 0 || again.Header.Get("Content-Encoding") != "" || again.Header.Get("Vary") == "" {
				t.Errorf("%s, If-None-Match %s: %d", encoding, given, again.StatusCode)
			}
		}
		if again := get(t, s, "/docs", "Accept-Encoding", encoding, "If-None-Match", `"other"`); again.StatusCode != http.StatusOK {
			t.Errorf("%s: another ETag got %d", encoding, again.StatusCode)
		}
	}
	for _, a := range s.assets.byName {
		if got := get(t, s, a.path).Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", a.path, got)
		}
	}
}

func TestAPageIsLight(t *testing.T) {
	t.Parallel()
	const most = 60 << 10
	s := newSite(t)
	loaded := 0
	for _, name := range []string{"site.css", "theme.js", "site.js", "icon.svg"} {
		loaded += len(bodyOf(t, get(t, s, s.assets.Path(name), "Accept-Encoding", "gzip")))
	}
	for _, p := range s.pages {
		if size := loaded + len(bodyOf(t, get(t, s, p.Path, "Accept-Encoding", "gzip"))); size > most {
			t.Errorf("%s: %d bytes over the wire, at most %d", p.Path, size, most)
		}
	}
}

var (
	inlineScript = regexp.MustCompile(`<script(?:\s[^>]*)?>[^<]`)
	inlineStyle  = regexp.MustCompile(`<style|\sstyle=|\son[a-z]+="|javascript:`)
)

func TestALinkToAPageIsShownWithItsPicture(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := bodyOf(t, get(t, s, "/docs/quickstart"))
	for property, want := range map[string]string{"type": "article", "site_name": "Keypin", "title": "Quickstart", "url": "http://docs.example/docs/quickstart"} {
		if !strings.Contains(page, `<meta property="og:`+property+`" content="`+want+`">`) {
			t.Errorf("og:%s is not %s", property, want)
		}
	}
	found := regexp.MustCompile(`<meta property="og:image" content="http://docs\.example(/[^"]+)">`).FindStringSubmatch(page)
	if found == nil {
		t.Fatal("there is no og:image")
	}
	answer := get(t, s, found[1])
	picture, err := png.DecodeConfig(answer.Body)
	if err != nil || picture.Width != 1200 || picture.Height != 630 || answer.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%+v, %v", picture, err)
	}
}

func TestPagesRunNothingThatThePolicyForbids(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, p := range s.pages {
		answer := get(t, s, p.Path)
		policy := answer.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'; style-src 'self'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", p.Path, policy)
		}
		page := bodyOf(t, answer)
		if found := inlineScript.FindString(page) + inlineStyle.FindString(page); found != "" {
			t.Errorf("%s holds %q", p.Path, found)
		}
	}
}

func TestAPageThatIsNotThereSuggestsOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for path, want := range map[string]string{
		"/docs/api-reference/api-keys/update-key": updatePath,
		"/docs/confuguration":                     "/docs/configuration",
		"/docs/rotate":                            "/docs/api-reference/api-keys/rotate-api-key",
		"/docs/guides/telemetry.html":             "/docs/telemetry",
	} {
		answer := get(t, s, path)
		page := bodyOf(t, answer)
		main := page[strings.Index(page, "<main"):strings.Index(page, "</main")]
		if answer.StatusCode != http.StatusNotFound || !strings.Contains(main, `href="`+want+`"`) {
			t.Errorf("%s: %d, without %s", path, answer.StatusCode, want)
		}
	}
	answer := get(t, s, "/docs/%22%3E%3Cscript%3Ealert(1)%3C/script%3E"+strings.Repeat("x", 5000))
	if page := bodyOf(t, answer); answer.StatusCode != http.StatusNotFound || strings.Contains(page, "alert(1)") {
		t.Errorf("%d, and the page repeats what was asked for", answer.StatusCode)
	}
	if text := bodyOf(t, get(t, s, "/docs/confuguration.md")); !strings.Contains(text, "(http://docs.example/docs/configuration.md)") {
		t.Errorf("in Markdown: %s", text)
	}
}

func TestPagesAreReadOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, "http://docs.example/docs", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodHead, "http://docs.example/docs", nil))
	if w.Code != http.StatusOK || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD: %d, %d bytes", w.Code, w.Body.Len())
	}
}

func TestWrongPagesAreToldAtTheStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"no sidebar":           {fstest.MapFS{}, "site.yaml"},
		"no skill":             {fstest.MapFS{"skills/keypin/SKILL.md": nil}, "SKILL.md"},
		"a page is missing":    {fstest.MapFS{"site.yaml": {Data: []byte("sections: [{title: A, pages: [{file: a.md}]}]")}}, "a.md"},
		"no heading":           {fstest.MapFS{"site.yaml": {Data: []byte("sections: [{title: A, pages: [{file: a.md}]}]")}, "a.md": {Data: []byte("text")}}, "no first heading"},
		"two in one place":     {fstest.MapFS{"site.yaml": {Data: []byte("sections: [{title: A, pages: [{file: b.md}]}, {title: a, pages: [{file: c.md}]}]")}, "b.md": {Data: []byte("# B")}, "c.md": {Data: []byte("# C")}}, "something else"},
		"in the assets' place": {fstest.MapFS{"site.yaml": {Data: []byte("sections: [{title: Assets, pages: [{file: b.md}]}]")}, "b.md": {Data: []byte("# B")}}, "something else"},
		"twice the same":       {fstest.MapFS{"site.yaml": {Data: []byte("sections: [{title: A, pages: [{file: a.md}, {file: a.md}]}]")}, "a.md": {Data: []byte("# A")}}, "two pages"},
		"a word that is none":  {fstest.MapFS{"site.yaml": {Data: []byte("sections: [{title: A, sites: []}]")}}, "sites"},
		"no pages":             {fstest.MapFS{"site.yaml": {Data: []byte("sections: []")}}, "no page"},
	} {
		o := options(t)
		o.Docs = c.files
		if skill, ok := c.files["skills/keypin/SKILL.md"]; !ok {
			c.files["skills/keypin/SKILL.md"] = &fstest.MapFile{Data: []byte("x")}
		} else if skill == nil {
			delete(c.files, "skills/keypin/SKILL.md")
		}
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBehindAProxyThatTakesAPathOffEveryLinkHasIt(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.PublicURL = "https://keys.example/a&b"
	o.BaseURL = func(*http.Request) string { return o.PublicURL }
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/docs/edge", updatePath, "/docs/none"} {
		page := bodyOf(t, get(t, s, path))
		if found := regexp.MustCompile(`(?:href|src|action|data-from|data-search)="/(?:[^a/][^"]*)?"`).FindString(page); found != "" {
			t.Errorf("%s holds %s", path, found)
		}
		if !strings.Contains(page, `data-prefix="/a&amp;b"`) || strings.Contains(page, "a&b") {
			t.Errorf("%s does not name the path, or as it is", path)
		}
	}
	if to := get(t, s, "/").Header.Get("Location"); to != "/a&b/docs" {
		t.Errorf("it leads to %s", to)
	}
	if text := bodyOf(t, get(t, s, "/docs/edge.md")); strings.Contains(text, "](/docs") || !strings.Contains(text, "](/a&b/docs/proxies.md)") || !strings.Contains(text, "level at /a&b/llms.txt and /a&b/llms-full.txt. Append /llms.txt to") {
		t.Error("Markdown leads elsewhere")
	}
	if index := string(s.assets.byName["search.json"].content); !strings.Contains(index, `"path":"/a\u0026b/docs/edge"`) {
		t.Error("the search leads elsewhere")
	}
}
