package docsite

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	root       = "/docs" // where the site is
	repository = "https://github.com/keypin/keypin"
	errorsPath = root + "/errors"
	skillPath  = root + "/skills/keypin/SKILL.md"

	examplesPath = root + "/examples/"

	// baseMark stands in what is rendered where the reader's base URL will be.
	baseMark = "KEYPINBASEURL"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Options are what New makes a site of. All are needed.
type Options struct {
	// Docs hold site.yaml and the Markdown files that it names.
	Docs fs.FS
	// Changelog is CHANGELOG.md, which lies elsewhere.
	Changelog []byte
	// OpenAPI is the OpenAPI document of the server, as JSON.
	OpenAPI []byte
	// Version is the server's.
	Version string
	// BaseURL gives the base URL that a reader reaches this server by, without a slash
	// at its end.
	BaseURL func(*http.Request) string
	// Logger is told of pages that cannot be rendered, and of votes that cannot be kept.
	Logger *slog.Logger

	// Votes is where readers' votes are kept, Limiter how many are taken, and ClientAddr
	// whose they are, as far as that is counted.
	Votes      Votes
	Limiter    keypin.Limiter
	ClientAddr func(*http.Request) netip.Addr
	Clock      keypin.Clock
	Random     io.Reader
	// PublicURL is where readers reach this server through a proxy, which may give requests
	// another Host and take the URL's path off; "" = nowhere else.
	PublicURL string
}

// Site is the documentation. It is an http.Handler for the paths that Route names.
type Site struct {
	options    Options
	sections   []*section
	pages      []*page // in the order of the sidebar
	byPath     map[string]*page
	folders    []folder
	document   *document
	links      links
	errorCodes map[string]string // an error's code, and what the page about errors says first of it
	templates  *template.Template
	assets     assets
	resources  map[string]*resource
	redirects  map[string]redirect
	skill      string            // what teaches agents the command
	examples   map[string]string // the files that pages are about, by their names
	editions   editions
	problems   sync.Map // of problem: func() ([]byte, error), the page that tells of it
	sameOrigin *http.CrossOriginProtection
	prefix     string // what a proxy puts before every path, such as /keys; "" = nothing
}

// New reads the pages and the document. The error says which page is wrong.
func New(o Options) (*Site, error) {
	s := &Site{options: o, byPath: map[string]*page{}, sameOrigin: http.NewCrossOriginProtection()}
	var err error
	if o.PublicURL != "" {
		public, err := url.Parse(o.PublicURL)
		if err == nil {
			s.prefix = public.EscapedPath()
			err = s.sameOrigin.AddTrustedOrigin(public.Scheme + "://" + public.Host)
		}
		if err != nil {
			return nil, fmt.Errorf("the public URL: %w", err)
		}
	}
	if s.document, err = parseDocument(o.OpenAPI); err != nil {
		return nil, err
	}
	if err := s.readFiles(); err != nil {
		return nil, err
	}
	if s.sections, err = readSidebar(o.Docs, o.Changelog, s.document.reference()); err != nil {
		return nil, err
	}
	s.links = links{pages: map[string]*page{}, prefix: s.prefix}
	for _, section := range s.sections {
		for _, p := range section.all() {
			s.pages = append(s.pages, p)
			s.byPath[p.Path] = p
			if p.text != nil {
				s.links.pages[pageFile(p.text.file)] = p
			}
		}
	}
	if s.folders, err = foldersOf(s.sections, s.byPath); err != nil {
		return nil, err
	}
	s.readErrorCodes()
	search, err := makeSearchIndex(s.pages, s.prefix)
	if err != nil {
		return nil, err
	}
	if s.assets, err = readAssets(search); err != nil {
		return nil, err
	}
	if s.templates, err = s.parseTemplates(); err != nil {
		return nil, err
	}
	s.addResources()
	s.addRedirects()
	return s, nil
}

// readFiles reads what is served as it is, beside the pages.
func (s *Site) readFiles() error {
	skill, err := fs.ReadFile(s.options.Docs, "skills/keypin/SKILL.md")
	if err != nil {
		return err
	}
	s.skill = markBaseURL(string(skill))
	s.examples = map[string]string{}
	names, err := fs.Glob(s.options.Docs, "examples/*")
	if err != nil {
		return err
	}
	for _, name := range names {
		content, err := fs.ReadFile(s.options.Docs, name)
		if err != nil {
			return err
		}
		s.examples[path.Base(name)] = string(content)
	}
	return nil
}

// readErrorCodes takes from the page about errors what each code means: its headings are
// the codes.
func (s *Site) readErrorCodes() {
	s.errorCodes = map[string]string{}
	p, ok := s.byPath[errorsPath]
	if !ok {
		return
	}
	for _, h := range p.Headings {
		if h.Level > 2 {
			first, _, found := strings.Cut(h.Text, ". ")
			if found {
				first += "."
			}
			s.errorCodes[h.Title] = first
		}
	}
}

// addResources names everything that can be asked for.
func (s *Site) addResources() {
	s.resources = map[string]*resource{}
	for _, p := range s.pages {
		page := newMarkup(typeHTML, func() ([]byte, error) { return s.htmlPage(p) })
		page.markdown = newResource(typeMarkdown, func() ([]byte, error) { return []byte(s.markdownPage(p)), nil })
		s.resources[p.Path], s.resources[p.Path+".md"] = page, page.markdown
		s.addIndex(p.Path, func() string { return s.pageIndex(p) }, p)
	}
	first := s.resources[s.pages[0].Path]
	s.resources[root], s.resources[root+".md"] = first, first.markdown
	for _, f := range s.folders {
		s.addIndex(f.path, func() string { return s.folderIndex(f) }, f.pages...)
	}
	s.addIndex(root, s.index, s.pages...)
	for _, name := range []string{"/llms.txt", "/llms-full.txt"} {
		s.resources[name] = s.resources[root+name]
	}
	s.resources["/sitemap.xml"] = newMarkup("application/xml; charset=utf-8", func() ([]byte, error) { return s.sitemap(), nil })
	s.addText("/robots.txt", typeText, func() string {
		return "User-agent: *\nDisallow: /api/\nAllow: /\n\nSitemap: " + baseMark + "/sitemap.xml\n"
	})
	s.addText(skillPath, typeMarkdown, func() string { return s.skill })
	for name, content := range s.examples {
		s.addText(examplesPath+name, typeText, func() string { return content })
	}
	for _, a := range s.assets.byName {
		s.resources[a.path] = newFixed(a.contentType, a.content)
	}
	icon := s.assets.byName["icon.svg"]
	s.resources["/favicon.ico"] = newResource(icon.contentType, func() ([]byte, error) { return icon.content, nil })
}

func (s *Site) addText(path, contentType string, make func() string) {
	s.resources[path] = newResource(contentType, func() ([]byte, error) { return []byte(make()), nil })
}

// addIndex adds what programs find their way with at a path: an index, and all pages in one.
func (s *Site) addIndex(at string, index func() string, pages ...*page) {
	s.addText(at+"/llms.txt", typeText, index)
	s.addText(at+"/llms-full.txt", typeText, func() string { return s.full(pages) })
}

// redirect is where a page is that is asked for elsewhere.
type redirect struct {
	to        string
	permanent bool // what a folder or the whole site shows first may change
}

// addRedirects sends who follows a link to OnePin's documentation, who leaves /docs out and
// who asks for a folder to the page that they mean.
func (s *Site) addRedirects() {
	s.redirects = map[string]redirect{"/": {to: root}}
	shows := func(from, to string) {
		s.redirects[from], s.redirects[from+".md"] = redirect{to: to}, redirect{to: to + ".md"}
	}
	shows(root+"/index", root)
	moved := func(from, to string) {
		if s.byPath[to] != nil && s.resources[from] == nil {
			s.redirects[from], s.redirects[from+".md"] = redirect{to, true}, redirect{to + ".md", true}
		}
	}
	for _, f := range s.folders {
		first := f.pages[0]
		shows(f.path, first.Path)
		if first.Operation != nil {
			shows(strings.TrimPrefix(f.path, root), first.Path)
		}
	}
	for _, p := range s.pages {
		if p.Operation != nil {
			moved(strings.TrimPrefix(p.Path, root), p.Path)
		}
	}
	for _, at := range []string{"", root} {
		for from, to := range map[string]string{
			"/get-started/introduction": "/introduction", "/get-started/quickstart": "/quickstart", "/get-started/authentication": "/authentication",
			"/python-sdk/install": "/python-install", "/python-sdk/usage": "/python-usage", "/python-sdk/errors": "/python-errors",
			"/cli/overview": "/cli", "/api-reference/errors": "/errors",
		} {
			moved(at+from, root+to)
		}
	}
}
