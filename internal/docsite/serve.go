package docsite

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"html"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

const (
	typeHTML     = "text/html; charset=utf-8"
	typeMarkdown = "text/markdown; charset=utf-8"
)

// policy lets a page load this server's own files, call this server and be shown by
// itself, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// resource is something that can be asked for.
type resource struct {
	contentType string
	// revalidate is for what keeps its address when it changes; all else is kept for ever.
	revalidate bool
	markup     bool      // it is HTML or XML
	markdown   *resource // of a page: the same in Markdown
	make       func() ([]byte, error)

	once  sync.Once
	parts [][]byte // between them stands the base URL
	err   error
}

// rendered makes the resource if nobody has asked for it yet.
func (r *resource) rendered() ([][]byte, error) {
	r.once.Do(func() {
		var made []byte
		if made, r.err = r.make(); r.err == nil {
			if r.revalidate {
				made = bytes.ReplaceAll(made, []byte(baseURL), []byte(baseMark))
				r.parts = bytes.Split(made, []byte(baseMark))
			} else {
				r.parts = [][]byte{made}
			}
		}
	})
	return r.parts, r.err
}

// pack is a resource as it is sent to those who use one base URL.
type pack struct {
	etag   string // of the plain form
	zipped []byte // nil where that is not shorter
	size   int    // of the plain form
}

type packKey struct {
	base string
	of   *resource
}

// packs keeps what was compressed for the base URLs that were used last.
type packs struct {
	mu    sync.RWMutex
	all   map[packKey]*pack
	bases []string
}

// mostBases bounds how many names of the server packs are kept for. Who makes up names
// gets pages all the same, and drives the others' packs out.
const mostBases = 4

func (p *packs) get(base string, r *resource) (*pack, error) {
	if !r.revalidate {
		base = "" // the same for all
	}
	key := packKey{base, r}
	p.mu.RLock()
	found := p.all[key]
	p.mu.RUnlock()
	if found != nil {
		return found, nil
	}
	parts, err := r.rendered()
	if err != nil {
		return nil, err
	}
	made := packed(bytes.Join(parts, []byte(base)))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[packKey]*pack{}
	}
	p.use(base)
	p.all[key] = made
	return made, nil
}

// use makes room for a base URL. The caller holds the lock.
func (p *packs) use(base string) {
	for _, known := range p.bases {
		if known == base {
			return
		}
	}
	p.bases = append(p.bases, base)
	if len(p.bases) <= mostBases {
		return
	}
	oldest := p.bases[0]
	p.bases = p.bases[1:]
	for key := range p.all {
		if key.base == oldest {
			delete(p.all, key)
		}
	}
}

func packed(plain []byte) *pack {
	sum := sha256.Sum256(plain)
	made := &pack{etag: hex.EncodeToString(sum[:12]), size: len(plain)}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(plain); err == nil && z.Close() == nil && b.Len() < len(plain) {
		made.zipped = b.Bytes()
	}
	return made
}

// Route names the kind of page that a request is for, for logs and metrics; "" when it is
// for none of this site.
func (s *Site) Route(r *http.Request) string {
	path := r.URL.Path
	switch {
	case path == feedbackPath, path == "/", path == "/robots.txt", path == "/sitemap.xml", path == "/favicon.ico", path == "/llms.txt", path == "/llms-full.txt":
		return path
	case strings.HasPrefix(path, assetsPath):
		return assetsPath + "{name}"
	case path == root, path == root+".md", strings.HasPrefix(path, root+"/"):
		return root + "/{page}"
	case s.redirects[path] != "":
		return "/{old-page}"
	}
	return ""
}

// ServeHTTP answers a request that Route has a name for.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Content-Security-Policy"], h["Referrer-Policy"] = policyHeader, referrerHeader
	if r.URL.Path == feedbackPath {
		s.serveFeedback(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		s.serveProblem(w, r, http.StatusMethodNotAllowed)
		return
	}
	found, ok := s.resources[r.URL.Path]
	if !ok {
		s.serveElsewhere(w, r)
		return
	}
	if found.markdown != nil {
		h["Vary"] = append(h["Vary"], "Accept, Accept-Encoding")
		if prefersMarkdown(r.Header["Accept"]) {
			found = found.markdown
		}
	} else {
		h["Vary"] = append(h["Vary"], "Accept-Encoding")
	}
	s.send(w, r, found, http.StatusOK)
}

// Headers whose values are the same in every answer.
var (
	policyHeader   = []string{policy}
	referrerHeader = []string{"same-origin"}
	gzipHeader     = []string{"gzip"}
	foreverHeader  = []string{"public, max-age=31536000, immutable"}
	checkHeader    = []string{"no-cache"} // may be stored, and is asked for again with its ETag
)

func (s *Site) send(w http.ResponseWriter, r *http.Request, found *resource, status int) {
	base := s.options.BaseURL(r)
	if found.markup {
		base = html.EscapeString(base)
	}
	p, err := s.packs.get(base, found)
	if err != nil {
		s.options.Logger.ErrorContext(r.Context(), "a page of the documentation cannot be rendered", slog.String("error", err.Error()))
		s.serveProblem(w, r, http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h["Cache-Control"] = foreverHeader
	if found.revalidate {
		h["Cache-Control"] = checkHeader
	}
	zipped := p.zipped != nil && acceptsGzip(r.Header["Accept-Encoding"])
	etag := `"` + p.etag + `"`
	if zipped {
		etag = `"` + p.etag + `-gzip"`
	}
	h["Etag"] = []string{etag}
	if status == http.StatusOK && matches(r.Header["If-None-Match"], etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = []string{found.contentType}
	size := p.size
	if zipped {
		h["Content-Encoding"] = gzipHeader
		size = len(p.zipped)
	}
	h["Content-Length"] = []string{strconv.Itoa(size)}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	if zipped {
		_, _ = w.Write(p.zipped) // the client is gone; nobody is left to tell
		return
	}
	if !found.revalidate {
		base = ""
	}
	_, _ = w.Write(bytes.Join(found.parts, []byte(base))) // as above
}

// serveElsewhere answers for an address at which there is nothing: it redirects if it
// knows what was meant, and suggests pages otherwise.
func (s *Site) serveElsewhere(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	to, ok := s.redirects[path]
	if trimmed := strings.TrimRight(path, "/"); !ok && trimmed != path {
		if to, ok = s.redirects[trimmed]; !ok && s.resources[trimmed] != nil {
			to, ok = trimmed, true
		}
	}
	if !ok {
		s.serveProblem(w, r, http.StatusNotFound)
		return
	}
	w.Header()["Cache-Control"] = checkHeader
	status := http.StatusPermanentRedirect
	if to == root || strings.HasSuffix(path, "api-reference") {
		status = http.StatusFound // what is shown first may change
	}
	w.Header().Set("Location", s.prefix+to)
	w.WriteHeader(status)
}

// acceptsGzip reports whether a client takes gzip.
func acceptsGzip(accept []string) bool {
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(item, ";")
			if strings.EqualFold(strings.TrimSpace(name), "gzip") {
				return quality(parameters) > 0
			}
		}
	}
	return false
}

// prefersMarkdown reports whether a client asks for Markdown, and not for HTML rather.
func prefersMarkdown(accept []string) bool {
	var markdown, html float64
	for _, line := range accept {
		for item := range strings.SplitSeq(line, ",") {
			name, parameters, _ := strings.Cut(item, ";")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "text/markdown", "text/x-markdown":
				markdown = max(markdown, quality(parameters))
			case "text/html", "application/xhtml+xml":
				html = max(html, quality(parameters))
			}
		}
	}
	return markdown > 0 && markdown >= html
}

// quality is the weight among the parameters of an accepted form; 1 when there is none.
func quality(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				return 0
			}
			return q
		}
	}
	return 1
}

// matches reports whether If-None-Match names an ETag. Proxies that compress turn strong
// ones into weak ones.
func matches(given []string, etag string) bool {
	for _, line := range given {
		for item := range strings.SplitSeq(line, ",") {
			item = strings.TrimPrefix(strings.TrimSpace(item), "W/")
			if item == etag || item == "*" {
				return true
			}
		}
	}
	return false
}
