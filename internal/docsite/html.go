package docsite

import (
	"bytes"
	"html/template"
	"regexp"
	"strings"
)

// view is what the templates show.
type view struct {
	Sections    []*section
	Page        *page // nil on a page that tells of a problem
	Title       string
	Description string
	Path        string
	Base        string
	Version     string
	Prefix      string
	Content     template.HTML
	Contents    []heading // on this page
	Operation   *operationView
	Problem     *problem
	Thanks      *thanksView
}

// operationView is a page of the API reference.
type operationView struct {
	*operation
	Lead     template.HTML
	Parts    []part
	Failures []failure
	Snippets []snippet
	Answer   string // an example, indented
	Status   string // of the answer, such as 200 OK
	Try      tryView
}

// tryView is the form that sends a request to this server.
type tryView struct {
	SignedIn bool
	Inputs   []input
	Body     string
	HasBody  bool
	// Warning is asked about before the request is sent; "" = nothing is.
	Warning string
}

// input is a parameter in the form.
type input struct {
	In, Name    string
	Value       string
	Placeholder string
	Hint        template.HTML
	Required    bool
	Values      []string
}

// warnings are asked about before a request that cannot be taken back.
var warnings = map[string]string{
	"delete-api-key":   "This revokes the key for good.",
	"rotate-api-key":   "This replaces the key. Without a grace period the old secret ends at once.",
	"delete-workspace": "This deletes the workspace and revokes every key in it.",
	"remove-member":    "This removes the member.",
	"revoke-invite":    "This revokes the invite for good.",
}

func (s *Site) parseTemplates() (*template.Template, error) {
	return template.New("").Funcs(template.FuncMap{
		"asset":     s.assets.Path,
		"inline":    inline,
		"anchor":    func(id, title string) template.HTML { return template.HTML(anchor(id, title)) },              //nolint:gosec // escapes both
		"highlight": func(language, code string) template.HTML { return template.HTML(highlight(language, code)) }, //nolint:gosec // escapes the code
		"copy":      func() template.HTML { return copyButton },
		"lower":     strings.ToLower,
		"short":     shortMethod,
		"pointer":   s.pointerHTML,
		"slashes":   breakAfterSlashes,
		"means":     func(code string) string { return s.errorCodes[code] },
		"errorPath": func(code string) string {
			if _, ok := s.errorCodes[code]; ok {
				return errorsPath + "#" + code
			}
			return ""
		},
	}).ParseFS(templateFiles, "templates/*.html")
}

// pointerHTML is the pointer with its addresses as links.
func (s *Site) pointerHTML() template.HTML {
	link := func(path string) string {
		return `<a href="` + path + `">` + template.HTMLEscapeString(s.prefix) + path + "</a>"
	}
	return template.HTML(strings.NewReplacer( //nolint:gosec // made of constants, and what is configured, which is escaped
		"at /llms.txt and /llms-full.txt", "at "+link("/llms.txt")+" and "+link("/llms-full.txt"),
		"Append /llms.txt", "Append <code>/llms.txt</code>", "or .md", "or <code>.md</code>").Replace(pointerText))
}

// shortMethod fits into the sidebar.
func shortMethod(method string) string {
	if method == "DELETE" {
		return "DEL"
	}
	return method
}

// breakAfterSlashes lets a long path go over several lines.
func breakAfterSlashes(path string) template.HTML {
	return template.HTML(strings.ReplaceAll(template.HTMLEscapeString(path), "/", "/<wbr>")) //nolint:gosec // escaped
}

// htmlPage renders a page.
func (s *Site) htmlPage(p *page) ([]byte, error) {
	v := s.view(p.Title, p.Description, p.Path)
	v.Page = p
	if p.Operation != nil {
		v.Operation = s.operationView(p.Operation)
		for _, part := range v.Operation.Parts {
			v.Contents = append(v.Contents, heading{Level: 2, ID: part.ID, Title: part.Title})
		}
		v.Contents = append(v.Contents, heading{Level: 2, ID: "errors", Title: "Errors"})
	} else {
		var err error
		if v.Content, err = s.links.htmlOf(p.text); err != nil {
			return nil, err
		}
		for _, h := range p.Headings {
			if h.Level == 2 || h.Level == 3 {
				v.Contents = append(v.Contents, h)
			}
		}
	}
	return s.execute("layout.html", v)
}

func (s *Site) view(title, description, path string) *view {
	return &view{Sections: s.sections, Title: title, Description: description, Path: path, Base: baseMark, Version: s.options.Version, Prefix: s.prefix}
}

func (s *Site) execute(name string, v any) ([]byte, error) {
	var b bytes.Buffer
	if err := s.templates.ExecuteTemplate(&b, name, v); err != nil {
		return nil, err
	}
	return s.prefixed(b.Bytes()), nil
}

// ownPath is where HTML names a path of this server.
var ownPath = regexp.MustCompile(`(\s(?:href|src|action|data-from|data-search)=")(/[^/])`)

// prefixed puts what a proxy takes off before the paths that a page names.
func (s *Site) prefixed(page []byte) []byte {
	if s.prefix == "" {
		return page
	}
	return ownPath.ReplaceAll(page, []byte("${1}"+strings.ReplaceAll(template.HTMLEscapeString(s.prefix), "$", "$$")+"${2}"))
}

func (s *Site) operationView(op *operation) *operationView {
	v := &operationView{operation: op, Lead: inline(op.Description), Parts: s.document.parts(op), Failures: op.failures(), Snippets: s.document.snippets(op)}
	if answer := s.document.answerSample(op); answer != nil {
		status, r := op.success()
		v.Answer, v.Status = indented(answer), status+" "+r.Description
	}
	v.Try = s.tryView(op)
	return v
}

func (s *Site) tryView(op *operation) tryView {
	t := tryView{SignedIn: len(op.Security) > 0, Warning: warnings[op.ID]}
	if body := s.document.requestSample(op); body != nil {
		t.HasBody, t.Body = true, indented(body)
	}
	for _, p := range op.Parameters {
		f := s.document.field(p.Name, p.Schema, p.Required)
		in := input{In: p.In, Name: p.Name, Required: p.Required, Values: f.Values, Hint: inline(f.Description)}
		if p.Schema != nil && len(p.Schema.Examples) > 0 {
			in.Placeholder, _ = p.Schema.Examples[0].(string)
		}
		t.Inputs = append(t.Inputs, in)
	}
	return t
}
