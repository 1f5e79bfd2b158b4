package docsite

import (
	"bytes"
	"html"
	"html/template"
	"strconv"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extensionast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/renderer"
	goldhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// htmlOf renders a page's text, without its title, which the layout shows.
func (l links) htmlOf(t *text) (template.HTML, error) {
	r := renderer.NewRenderer(renderer.WithNodeRenderers(
		util.Prioritized(nodes{l}, 100),
		util.Prioritized(extension.NewTableHTMLRenderer(), 500),
		util.Prioritized(extension.NewStrikethroughHTMLRenderer(), 500),
		util.Prioritized(goldhtml.NewRenderer(), 1000),
	))
	var b bytes.Buffer
	if err := r.Render(&b, t.source, t.root); err != nil {
		return "", err
	}
	// A corner that is empty is no header of anything.
	made := strings.ReplaceAll(b.String(), "<th></th>", "<td></td>")
	return template.HTML(made), nil //nolint:gosec // made of our own pages, whose raw HTML is left out
}

// nodes renders what a page of ours shows otherwise than Markdown does by itself.
type nodes struct{ links links }

// RegisterFuncs says which those are.
func (n nodes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHeading, n.heading)
	r.Register(ast.KindLink, n.link)
	r.Register(ast.KindFencedCodeBlock, n.code)
	r.Register(ast.KindCodeBlock, n.code)
	r.Register(ast.KindHTMLBlock, nothing)
	r.Register(ast.KindRawHTML, nothing)
	r.Register(extensionast.KindTable, n.table)
}

// nothing leaves raw HTML out: the marks of what a benchmark writes are all that there is.
func nothing(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) {
	return ast.WalkSkipChildren, nil
}

func (n nodes) heading(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	h := node.(*ast.Heading)
	if h.Level == 1 {
		return ast.WalkSkipChildren, nil
	}
	level := strconv.Itoa(h.Level)
	id, _ := h.AttributeString("id")
	name, _ := id.([]byte)
	if entering {
		_, _ = w.WriteString("<h" + level + ` id="` + html.EscapeString(string(name)) + `">`)
		return ast.WalkContinue, nil
	}
	_, _ = w.WriteString(anchor(string(name), nodeText(h, source)) + "</h" + level + ">\n")
	return ast.WalkContinue, nil
}

// anchor is the link beside a heading to the heading itself.
func anchor(id, title string) string {
	return ` <a class="anchor" href="#` + html.EscapeString(id) + `" aria-label="Link to ` + html.EscapeString(title) + `">#</a>`
}

func (n nodes) link(w util.BufWriter, _ []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		_, _ = w.WriteString("</a>")
		return ast.WalkContinue, nil
	}
	to, _ := n.links.resolve(string(node.(*ast.Link).Destination))
	outside := ""
	if strings.Contains(to, "://") && !strings.HasPrefix(to, baseURL) {
		outside = ` rel="noopener"`
	}
	_, _ = w.WriteString(`<a href="` + html.EscapeString(to) + `"` + outside + `>`)
	return ast.WalkContinue, nil
}

// code writes a block of code in a frame that can scroll, with a button that copies it.
func (n nodes) code(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := "text"
	if fenced, ok := node.(*ast.FencedCodeBlock); ok && fenced.Language(source) != nil {
		language = string(fenced.Language(source))
	}
	var code strings.Builder
	for i := range node.Lines().Len() {
		line := node.Lines().At(i)
		code.Write(line.Value(source))
	}
	_, _ = w.WriteString(codeBlock(language, languageName(language), strings.TrimSuffix(code.String(), "\n")))
	return ast.WalkContinue, nil
}

// codeBlock is a block of code under its name. It takes part in the order of the
// keyboard, so that one can scroll it.
func codeBlock(language, name, code string) string {
	return `<div class="code" data-language="` + html.EscapeString(language) + `"><div class="code-head"><span>` + html.EscapeString(name) + `</span>` + copyButton +
		`</div><pre tabindex="0" role="group" aria-label="` + html.EscapeString(name) + `"><code>` + highlight(language, code) + "</code></pre></div>\n"
}

// copyButton does nothing without JavaScript, so the script shows it.
const copyButton = `<button type="button" class="copy" hidden>Copy</button>`

func languageName(language string) string {
	if name, ok := map[string]string{
		"sh": "Shell", "bash": "Shell", "go": "Go", "python": "Python", "json": "JSON", "yaml": "YAML", "js": "JavaScript", "javascript": "JavaScript",
		"nginx": "nginx", "caddy": "Caddyfile", "caddyfile": "Caddyfile", "console": "Terminal", "sql": "SQL", "http": "HTTP", "toml": "TOML", "ini": "INI", "text": "Output",
		"dockerfile": "Dockerfile", "promql": "PromQL",
	}[language]; ok {
		return name
	}
	return language
}

// table keeps a wide table within the page: its frame scrolls.
func (n nodes) table(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if entering {
		_, _ = w.WriteString(`<div class="table" tabindex="0" role="group" aria-label="Table"><table>` + "\n")
	} else {
		_, _ = w.WriteString("</table></div>\n")
	}
	return ast.WalkContinue, nil
}

// inline renders a sentence of Markdown, such as a description in the OpenAPI document.
func inline(s string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(s, "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + html.EscapeString(part) + "</code>")
		} else {
			b.WriteString(html.EscapeString(part))
		}
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}
