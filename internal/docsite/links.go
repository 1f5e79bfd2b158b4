package docsite

import (
	"bytes"
	"path"
	"strings"

	"github.com/yuin/goldmark/ast"
)

// links turns what pages link to into where it is on the site.
type links struct {
	pages  map[string]*page // by the file's path in the repository
	prefix string           // what a proxy puts before every path
}

// resolve gives where a link of a page in docs/ leads, and which page that is; nil = none.
func (l links) resolve(destination string) (to string, on *page) {
	target, fragment, _ := strings.Cut(destination, "#")
	if fragment != "" {
		fragment = "#" + fragment
	}
	if target == "" || strings.Contains(target, ":") || strings.HasPrefix(target, "/") {
		return destination, nil
	}
	file := path.Join("docs", target)
	if p, ok := l.pages[file]; ok {
		return p.Path + fragment, p
	}
	if example, ok := strings.CutPrefix(file, "docs/examples/"); ok {
		return examplesPath + example, nil // a text, in which there is nothing to jump to
	}
	return repository + "/blob/main/" + file + fragment, nil
}

// pageFile is where a page's text lies in the repository.
func pageFile(file string) string {
	if isChangelog(file) {
		return "CHANGELOG.md"
	}
	return path.Join("docs", file)
}

// markdownOf is the page's source with links that work from where the site serves it.
// What stands in code stays as it is.
func (l links) markdownOf(t *text) []byte {
	type edit struct {
		start, end int
		with       string
	}
	var edits []edit
	at := 0
	// The parser forgets where a destination stood; it is looked for behind the link before.
	_ = ast.Walk(t.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		link, ok := n.(*ast.Link)
		if !ok || entering {
			return ast.WalkContinue, nil
		}
		destination := string(link.Destination)
		mark := "](" + destination
		if i := bytes.Index(t.source[at:], []byte(mark)); i >= 0 {
			start := at + i + 2
			at = start + len(destination)
			to, on := l.resolve(destination)
			if on != nil {
				to = on.Path + ".md" + strings.TrimPrefix(to, on.Path)
			}
			if strings.HasPrefix(to, "/") {
				to = l.prefix + to
			}
			if to != destination {
				edits = append(edits, edit{start, at, to})
			}
		}
		return ast.WalkContinue, nil
	})
	var b bytes.Buffer
	from := 0
	for _, e := range edits {
		b.Write(t.source[from:e.start])
		b.WriteString(e.with)
		from = e.end
	}
	b.Write(t.source[from:])
	return b.Bytes()
}
