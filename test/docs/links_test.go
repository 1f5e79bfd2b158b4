package docs

import (
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	hrefs      = regexp.MustCompile(`(?:href|src|action|data-search)="([^"]+)"`)
	heads      = regexp.MustCompile(`<link ([^>]+)>`) // what programs follow
	attributes = regexp.MustCompile(`(\w+)="([^"]*)"`)
	metas      = regexp.MustCompile(`<meta (?:property|name)="((?:og|twitter):(?:url|image|see_also))" content="([^"]*)">`)
	ids        = regexp.MustCompile(`\sid="([^"]+)"`)
	marks      = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

const repositoryFile = "https://github.com/keypin/keypin/blob/main/"

// checker follows links, each once.
type checker struct {
	t     *testing.T
	pages map[string]page
	parts map[string]map[string]bool // the ids on a page, by its path
	good  map[string]bool            // addresses that lead somewhere
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	return &checker{t: t, pages: map[string]page{}, parts: map[string]map[string]bool{}, good: map[string]bool{}}
}

func (c *checker) get(path string) page {
	if p, ok := c.pages[path]; ok {
		return p
	}
	p := get(c.t, path)
	c.pages[path] = p
	return p
}

// has reports whether a page has a part.
func (c *checker) has(path, id string) bool {
	if c.parts[path] == nil {
		c.parts[path] = map[string]bool{}
		for _, found := range ids.FindAllStringSubmatch(c.get(path).body, -1) {
			c.parts[path][html.UnescapeString(found[1])] = true
		}
	}
	return c.parts[path][id]
}

// follow checks that a link on a page leads somewhere, to the part that it names.
func (c *checker) follow(on, link string) {
	c.t.Helper()
	if file, ok := strings.CutPrefix(link, repositoryFile); ok {
		file, _, _ = strings.Cut(file, "#")
		if _, err := os.Stat(filepath.Join("../..", filepath.FromSlash(file))); err != nil {
			c.t.Errorf("%s links to %s, which the repository does not have", on, file)
		}
		return
	}
	base, err := url.Parse(served.base + on)
	if err != nil {
		c.t.Fatal(err)
	}
	to, err := base.Parse(link)
	if err != nil {
		c.t.Errorf("%s has the link %q: %v", on, link, err)
		return
	}
	if to.Scheme+"://"+to.Host != served.base {
		return // elsewhere, which a test does not ask
	}
	if to.Path == "/docs/feedback" {
		return // takes votes only
	}
	if c.good[to.String()] {
		return
	}
	at := to.Path
	found := c.get(at)
	for found.status/100 == 3 {
		at = found.header.Get("Location")
		found = c.get(at)
	}
	switch page := strings.TrimSuffix(at, ".md"); {
	case found.status != http.StatusOK:
		c.t.Errorf("%s links to %s, which is %d", on, link, found.status)
	case to.Fragment != "" && !c.has(page, to.Fragment):
		c.t.Errorf("%s links to %s, which has no part %s", on, link, to.Fragment)
	default:
		c.good[to.String()] = true
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	t.Parallel()
	c := newChecker(t)
	for _, path := range sitePaths(t) {
		found := c.get(path)
		if found.status != http.StatusOK {
			t.Errorf("%s is %d", path, found.status)
		}
		for _, link := range hrefs.FindAllStringSubmatch(found.body, -1) {
			c.follow(path, html.UnescapeString(link[1]))
		}
		for _, meta := range metas.FindAllStringSubmatch(found.body, -1) {
			if !strings.HasPrefix(meta[2], served.base+"/") {
				t.Errorf("%s: %s is %s, which others cannot follow", path, meta[1], meta[2])
			}
			c.follow(path, html.UnescapeString(meta[2]))
		}
		for _, index := range []string{".md", "/llms.txt"} {
			text := c.get(path + index)
			if text.status != http.StatusOK || len(text.body) < 100 {
				t.Errorf("%s%s is %d, %d bytes", path, index, text.status, len(text.body))
			}
			for _, link := range marks.FindAllStringSubmatch(withoutCode(text.body), -1) {
				c.follow(path+index, link[1])
			}
		}
	}
}

// headLink is a link of a page's head.
type headLink struct{ rel, href, kind string }

func headLinks(body string) (links []headLink) {
	for _, found := range heads.FindAllStringSubmatch(body, -1) {
		given := map[string]string{}
		for _, attribute := range attributes.FindAllStringSubmatch(found[1], -1) {
			given[attribute[1]] = html.UnescapeString(attribute[2])
		}
		links = append(links, headLink{given["rel"], given["href"], given["type"]})
	}
	return links
}

func TestAProgramFindsItsWayByTheHeadOfEachPage(t *testing.T) {
	t.Parallel()
	c := newChecker(t)
	paths := sitePaths(t)
	for i, path := range paths {
		body := c.get(path).body
		hrefs := map[string][]string{}
		for _, link := range headLinks(body) {
			hrefs[link.rel] = append(hrefs[link.rel], link.href)
			answer := c.get(strings.TrimPrefix(link.href, served.base))
			kind, _, _ := strings.Cut(answer.header.Get("Content-Type"), ";")
			if answer.status != http.StatusOK || link.kind != "" && kind != link.kind || link.rel == "stylesheet" && kind != "text/css" {
				t.Errorf("%s: the link %v leads to %d, %q", path, link, answer.status, kind)
			}
		}
		want := map[string]string{"canonical": served.base + path, "alternate": path + ".md"}
		if i > 0 {
			want["prev"] = paths[i-1]
		}
		if i < len(paths)-1 {
			want["next"] = paths[i+1]
		}
		for _, rel := range []string{"canonical", "alternate", "prev", "next"} {
			if got := hrefs[rel]; want[rel] == "" && len(got) > 0 || want[rel] != "" && !slices.Contains(got, want[rel]) {
				t.Errorf("%s: the links %s are %q; there should be %q", path, rel, got, want[rel])
			}
		}
		for _, rel := range []string{"prev", "next"} {
			if strings.Contains(body, `<a rel="`+rel+`" href="`+want[rel]) != (want[rel] != "") {
				t.Errorf("%s: below it there should be a link %s, if there is such a page: %q", path, rel, want[rel])
			}
		}
		if len(hrefs["stylesheet"]) == 0 || len(hrefs["icon"]) == 0 {
			t.Errorf("%s has the links %v", path, hrefs)
		}
		if !strings.Contains(body, `<meta property="og:url" content="`+served.base+path+`">`) {
			t.Errorf("%s does not tell its address for Open Graph", path)
		}
	}
}

// withoutCode leaves out what is no Markdown's link though it looks like one.
func withoutCode(text string) string {
	for _, b := range blocks(text) {
		if b.raw != "" {
			text = strings.Replace(text, b.raw, "", 1)
		}
	}
	return text
}

func TestTheIndexesNameEveryPage(t *testing.T) {
	t.Parallel()
	c := newChecker(t)
	full, index := get(t, "/llms-full.txt").body, get(t, "/llms.txt").body
	if !strings.HasPrefix(index, "# Keypin\n\n> ") {
		t.Errorf("llms.txt begins with %.60q", index)
	}
	for _, link := range marks.FindAllStringSubmatch(index, -1) {
		c.follow("/llms.txt", link[1])
	}
	for _, path := range sitePaths(t) {
		if !strings.Contains(index, "("+served.base+path+".md)") {
			t.Errorf("llms.txt lacks %s", path)
		}
		_, body, ok := strings.Cut(get(t, path+".md").body, "\n\n")
		if !ok || !strings.Contains(full, strings.TrimSpace(body)) {
			t.Errorf("llms-full.txt lacks %s", path)
		}
	}
	for _, below := range []string{"/docs", "/docs/api-reference", "/docs/api-reference/api-keys"} {
		if got := get(t, below+"/llms.txt"); got.status != http.StatusOK || !strings.Contains(got.body, "update-api-key.md") {
			t.Errorf("%s/llms.txt is %d", below, got.status)
		}
	}
}

func TestEveryPageIsWhole(t *testing.T) {
	t.Parallel()
	for _, path := range sitePaths(t) {
		text := get(t, path).body
		seen := map[string]bool{}
		for _, id := range ids.FindAllStringSubmatch(text, -1) {
			if seen[id[1]] {
				t.Errorf("%s has the id %s twice", path, id[1])
			}
			seen[id[1]] = true
		}
		for _, want := range []string{`<link rel="canonical" href="` + served.base + path + `">`, `<meta property="og:title"`, `<meta name="description" content="`, "<h1", `href="` + path + `" aria-current="page"`} {
			if strings.Count(text, want) != 1 {
				t.Errorf("%s has %d of %s", path, strings.Count(text, want), want)
			}
		}
		for _, not := range []string{"PLACEHOLDER", "KEYPINBASEURL", "ZgotmplZ", "&lt;no value&gt;", "raw HTML"} {
			if strings.Contains(text, not) {
				t.Errorf("%s holds %s", path, not)
			}
		}
	}
}
