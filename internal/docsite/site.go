package docsite

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	root       = "/docs" // where the site is
	repository = "https://github.com/keypin/keypin"
	errorsPath = root + "/errors"
	skillPath  = root + "/skills/keypin/SKILL.md"

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
	document   *document
	links      links
	errorCodes map[string]string // an error's code, and what the page about errors says first of it
	templates  *template.Template
	assets     assets
	resources  map[string]*resource
	redirects  map[string]string
	skill      []byte // what teaches agents the command
	packs      packs
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
	if s.skill, err = fs.ReadFile(o.Docs, "skills/keypin/SKILL.md"); err != nil {
		return nil, err
	}
	if s.sections, err = readSidebar(o.Docs, o.Changelog, s.document.reference()); err != nil {
		return nil, err
	}
	s.links.pages = map[string]*page{}
	for _, section := range s.sections {
		for _, p := range section.all() {
			s.pages = append(s.pages, p)
			s.byPath[p.Path] = p
			if p.text != nil {
				s.links.pages[pageFile(p.text.file)] = p
			}
		}
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
		html := &resource{contentType: typeHTML, revalidate: true, markup: true, make: func() ([]byte, error) { return s.htmlPage(p) }}
		markdown := &resource{contentType: typeMarkdown, revalidate: true, make: func() ([]byte, error) { return []byte(s.markdownPage(p)), nil }}
		html.markdown = markdown
		s.resources[p.Path], s.resources[p.Path+".md"] = html, markdown
		s.addText(p.Path+"/llms.txt", func() string { return s.pageIndex(p) })
		s.addText(p.Path+"/llms-full.txt", func() string { return s.full([]*page{p}) })
	}
	for folder, pages := range s.folders() {
		s.addText(folder+"/llms.txt", func() string { return s.folderIndex(folder, pages) })
		s.addText(folder+"/llms-full.txt", func() string { return s.full(pages) })
	}
	first := s.resources[s.pages[0].Path]
	s.resources[root], s.resources[root+".md"] = first, first.markdown
	for _, at := range []string{"", root} {
		s.addText(at+"/llms.txt", func() string { return s.index(s.sections) })
		s.addText(at+"/llms-full.txt", func() string { return s.full(s.pages) })
	}
	s.resources["/sitemap.xml"] = &resource{contentType: "application/xml; charset=utf-8", revalidate: true, markup: true, make: func() ([]byte, error) { return s.sitemap(), nil }}
	s.addText("/robots.txt", func() string {
		return "User-agent: *\nDisallow: /api/\nAllow: /\n\nSitemap: " + baseMark + "/sitemap.xml\n"
	})
	s.resources[skillPath] = &resource{contentType: typeMarkdown, revalidate: true, make: func() ([]byte, error) { return s.skill, nil }}
	for _, a := range s.assets.byName {
		s.resources[a.path] = &resource{contentType: a.contentType, make: func() ([]byte, error) { return a.content, nil }}
	}
	s.resources["/favicon.ico"] = &resource{contentType: "image/svg+xml", revalidate: true, make: func() ([]byte, error) { return s.assets.byName["icon.svg"].content, nil }}
}

func (s *Site) addText(path string, make func() string) {
	s.resources[path] = &resource{contentType: "text/plain; charset=utf-8", revalidate: true, make: func() ([]byte, error) { return []byte(make()), nil }}
}

// folders are the paths that have pages below them, and are none themselves: those of the
// API reference.
func (s *Site) folders() map[string][]*page {
	folders := map[string][]*page{}
	for _, p := range s.pages {
		for at := p.Path; ; {
			at = at[:strings.LastIndexByte(at, '/')]
			if at == root {
				break
			}
			if s.byPath[at] == nil {
				folders[at] = append(folders[at], p)
			}
		}
	}
	return folders
}

// folderIndex is the index of what is below a path.
func (s *Site) folderIndex(folder string, pages []*page) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Keypin: %s\n\n> %s\n\n", strings.TrimPrefix(folder, root+"/"), summary)
	for _, p := range pages {
		b.WriteString(s.entry(p))
	}
	fmt.Fprintf(&b, "\nThe index of everything is %s/llms.txt.\n", baseMark)
	return b.String()
}

func (s *Site) sitemap() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">` + "\n")
	for _, p := range s.pages {
		b.WriteString("<url><loc>" + baseMark + p.Path + "</loc></url>\n")
	}
	b.WriteString("</urlset>\n")
	return b.Bytes()
}

// addRedirects sends who follows a link to OnePin's documentation, or leaves /docs out, to
// the page that it meant.
func (s *Site) addRedirects() {
	s.redirects = map[string]string{"/": root, root + "/index": root}
	add := func(from, to string) {
		if s.byPath[to] != nil && s.resources[from] == nil {
			s.redirects[from], s.redirects[from+".md"] = to, to+".md"
		}
	}
	for _, p := range s.pages {
		if p.Operation != nil {
			add(strings.TrimPrefix(p.Path, root), p.Path)
		}
	}
	for _, at := range []string{"", root} {
		for from, to := range map[string]string{
			"/get-started/introduction": "/introduction", "/get-started/quickstart": "/quickstart", "/get-started/authentication": "/authentication",
			"/python-sdk/install": "/python-install", "/python-sdk/usage": "/python-usage", "/python-sdk/errors": "/python-errors",
			"/cli/overview": "/cli", "/api-reference/errors": "/errors",
		} {
			add(at+from, root+to)
		}
	}
	for _, p := range s.pages {
		for _, folder := range []string{root + "/api-reference"} {
			if p.Operation != nil {
				s.redirectOnce(folder, p.Path)
				s.redirectOnce(folder+"/"+p.Group, p.Path)
				s.redirectOnce(strings.TrimPrefix(folder, root), p.Path)
				s.redirectOnce(strings.TrimPrefix(folder, root)+"/"+p.Group, p.Path)
			}
		}
	}
}

// redirectOnce keeps the first page of a folder as what is meant by the folder.
func (s *Site) redirectOnce(from, to string) {
	if s.redirects[from] == "" {
		s.redirects[from] = to
	}
}
