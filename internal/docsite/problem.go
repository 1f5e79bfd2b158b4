package docsite

import (
	"bytes"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
)

// problem is what a page tells that is none of the site's.
type problem struct {
	Status int
	Text   string
}

// suggestionsMark stands on such a page where pages are suggested.
const suggestionsMark = "KEYPINSUGGESTIONS"

// Place is where pages are suggested.
func (problem) Place() string { return suggestionsMark }

const nothingHere = "There is no page at this address."

// serveNotFound suggests what may have been meant. It repeats nothing of what was asked for.
func (s *Site) serveNotFound(w http.ResponseWriter, r *http.Request) {
	s.serveProblem(w, r, problem{http.StatusNotFound, nothingHere}, s.suggest(r.URL.Path)...)
}

// serveProblem answers with a page that says what is wrong, and suggests pages.
func (s *Site) serveProblem(w http.ResponseWriter, r *http.Request, p problem, suggested ...*page) {
	if strings.HasSuffix(r.URL.Path, ".md") || prefersMarkdown(r.Header["Accept"]) {
		s.sendOnce(w, r, p.Status, typeMarkdown, func() ([]byte, error) { return s.markdownProblem(p, suggested), nil })
		return
	}
	s.sendOnce(w, r, p.Status, typeHTML, func() ([]byte, error) { return s.htmlProblem(p, suggested) })
}

// htmlProblem renders a problem's page once, since anybody can ask for an address at which
// there is nothing as often as they like. What is wrong is said in a few ways only.
func (s *Site) htmlProblem(p problem, suggested []*page) ([]byte, error) {
	made, _ := s.problems.LoadOrStore(p, sync.OnceValues(func() ([]byte, error) {
		v := s.view(p.Text, p.Text, "")
		v.Problem = &p
		return s.execute("layout.html", v)
	}))
	frame, err := made.(func() ([]byte, error))()
	if err != nil {
		return nil, err
	}
	list, err := s.execute("suggestions", suggested)
	if err != nil {
		return nil, err
	}
	return bytes.Replace(frame, []byte(suggestionsMark), list, 1), nil
}

func (s *Site) markdownProblem(p problem, suggested []*page) []byte {
	var b strings.Builder
	b.WriteString(s.pointer() + "# " + p.Text + "\n")
	if len(suggested) > 0 {
		b.WriteString("\nPerhaps one of these:\n\n")
		for _, page := range suggested {
			b.WriteString(s.entry(page))
		}
	}
	return []byte(b.String())
}

// sendOnce sends something that nobody will ask for again.
func (s *Site) sendOnce(w http.ResponseWriter, r *http.Request, status int, contentType string, make func() ([]byte, error)) {
	made, err := make()
	if err != nil {
		s.options.Logger.ErrorContext(r.Context(), "a page of the documentation cannot be rendered", slog.String("error", err.Error()))
		status, contentType, made = http.StatusInternalServerError, typeText, []byte("The page could not be made.\n")
	}
	base := s.options.BaseURL(r)
	if contentType == typeHTML {
		base = template.HTMLEscapeString(base)
	}
	made = bytes.ReplaceAll(made, []byte(baseMark), []byte(base))
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(made) // the client is gone; nobody is left to tell
	}
}
