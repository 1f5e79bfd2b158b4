package docsite

import (
	"bytes"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
)

// problemView tells of an address at which there is nothing, and what may have been meant.
type problemView struct {
	Status      int
	Text        string
	Suggestions []*page
}

// serveProblem answers with a page that says what is wrong. It repeats nothing of what
// was asked for.
func (s *Site) serveProblem(w http.ResponseWriter, r *http.Request, status int) {
	problem := &problemView{Status: status}
	switch status {
	case http.StatusNotFound:
		problem.Text = "There is no page at this address."
		problem.Suggestions = s.suggest(r.URL.Path)
	case http.StatusMethodNotAllowed:
		problem.Text = "Pages can be read only."
	default:
		problem.Text = "The page could not be made. The log of the server says why."
	}
	if strings.HasSuffix(r.URL.Path, ".md") || prefersMarkdown(r.Header["Accept"]) {
		s.sendProblem(w, r, status, typeMarkdown, func() ([]byte, error) { return s.markdownProblem(problem), nil })
		return
	}
	s.sendProblem(w, r, status, typeHTML, func() ([]byte, error) {
		v := s.view(problem.Text, problem.Text, "")
		v.Problem = problem
		return s.execute(v)
	})
}

// sendProblem sends something that nobody will ask for again.
func (s *Site) sendProblem(w http.ResponseWriter, r *http.Request, status int, contentType string, make func() ([]byte, error)) {
	made, err := make()
	if err != nil {
		s.options.Logger.ErrorContext(r.Context(), "a page that tells of a problem cannot be rendered", slog.String("error", err.Error()))
		status, contentType, made = http.StatusInternalServerError, "text/plain; charset=utf-8", []byte("The page could not be made.\n")
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

func (s *Site) markdownProblem(p *problemView) []byte {
	var b strings.Builder
	b.WriteString("> " + pointer + "\n\n# " + p.Text + "\n")
	if len(p.Suggestions) > 0 {
		b.WriteString("\nPerhaps one of these:\n\n")
		for _, page := range p.Suggestions {
			b.WriteString(s.entry(page))
		}
	}
	return []byte(b.String())
}
