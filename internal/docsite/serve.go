package docsite

import (
	"log/slog"
	"net/http"
	"strings"
)

const (
	typeHTML     = "text/html; charset=utf-8"
	typeMarkdown = "text/markdown; charset=utf-8"
	typeText     = "text/plain; charset=utf-8"
)

// policy lets a page load this server's own files, call this server and be shown by
// itself, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

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
	}
	if _, old := s.redirects[path]; old {
		return "/{old-page}"
	}
	if _, old := s.redirects[strings.TrimRight(path, "/")]; old {
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
		s.serveProblem(w, r, problem{http.StatusMethodNotAllowed, "Pages can be read only."})
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
	s.send(w, r, found)
}

// Headers whose values are the same in every answer.
var (
	policyHeader   = []string{policy}
	referrerHeader = []string{"same-origin"}
	gzipHeader     = []string{"gzip"}
	foreverHeader  = []string{"public, max-age=31536000, immutable"}
	checkHeader    = []string{"no-cache"} // may be stored, and is asked for again with its ETag
)

func (s *Site) send(w http.ResponseWriter, r *http.Request, found *resource) {
	p, err := s.editions.pack(s.options.BaseURL(r), found, s.options.Clock())
	if err != nil {
		s.options.Logger.ErrorContext(r.Context(), "a page of the documentation cannot be rendered", slog.String("error", err.Error()))
		s.serveProblem(w, r, problem{http.StatusInternalServerError, "The page could not be made. The log of the server says why."})
		return
	}
	h := w.Header()
	h["Cache-Control"] = checkHeader
	if found.fixed {
		h["Cache-Control"] = foreverHeader
	}
	sent := &p.plain
	if p.zipped != nil && acceptsGzip(r.Header["Accept-Encoding"]) {
		sent = p.zipped
		h["Content-Encoding"] = gzipHeader
	}
	h["Etag"] = sent.etag
	if matches(r.Header["If-None-Match"], sent.etag[0]) {
		delete(h, "Content-Encoding") // there is no content
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"], h["Content-Length"] = p.contentType, sent.length
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(sent.body) // the client is gone; nobody is left to tell
	}
}

// serveElsewhere answers for an address at which there is nothing: it redirects if it
// knows what was meant, and suggests pages otherwise.
func (s *Site) serveElsewhere(w http.ResponseWriter, r *http.Request) {
	found, ok := s.redirects[r.URL.Path]
	if trimmed := strings.TrimRight(r.URL.Path, "/"); !ok && trimmed != r.URL.Path {
		if found, ok = s.redirects[trimmed]; !ok && s.resources[trimmed] != nil {
			found, ok = redirect{trimmed, true}, true
		}
	}
	if !ok {
		s.serveNotFound(w, r)
		return
	}
	w.Header()["Cache-Control"] = checkHeader
	w.Header().Set("Location", s.prefix+found.to)
	if found.permanent {
		w.WriteHeader(http.StatusPermanentRedirect)
	} else {
		w.WriteHeader(http.StatusFound)
	}
}
