package docsite

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	goldtext "github.com/yuin/goldmark/text"
)

// text is a page that is written in Markdown.
type text struct {
	file        string // its path below docs/
	source      []byte
	root        ast.Node
	title       string
	description string
	headings    []heading
}

var markdown = goldmark.New(
	goldmark.WithExtensions(extension.Table, extension.Strikethrough),
	goldmark.WithParserOptions(parser.WithAutoHeadingID()),
)

// parseText reads a page. Its title is the first heading, its description the first
// paragraph.
func parseText(file string, source []byte) *text {
	t := &text{file: file, source: source}
	ids := parser.NewContext(parser.WithIDs(headingIDs{}))
	t.root = markdown.Parser().Parse(goldtext.NewReader(source), parser.WithContext(ids))
	var under strings.Builder // of the heading that was met last
	finish := func() {
		if n := len(t.headings); n > 0 {
			t.headings[n-1].Text = collapse(under.String())
		}
		under.Reset()
	}
	for n := t.root.FirstChild(); n != nil; n = n.NextSibling() {
		h, ok := n.(*ast.Heading)
		if !ok {
			if _, comment := n.(*ast.HTMLBlock); !comment {
				plainText(&under, n, source)
				under.WriteByte(' ')
			}
			if p, ok := n.(*ast.Paragraph); ok && t.description == "" {
				t.description = firstSentences(nodeText(p, source))
			}
			continue
		}
		finish()
		title := nodeText(h, source)
		if h.Level == 1 && t.title == "" {
			t.title = title
		}
		id, _ := h.AttributeString("id")
		name, _ := id.([]byte)
		t.headings = append(t.headings, heading{Level: h.Level, ID: string(name), Title: title})
	}
	finish()
	return t
}

// firstSentences shortens a description to what a search engine shows.
func firstSentences(s string) string {
	const longest = 200
	if len(s) <= longest {
		return strings.TrimSuffix(s, ":")
	}
	if i := strings.LastIndex(s[:longest], ". "); i > 60 {
		return s[:i+1]
	}
	if i := strings.LastIndexByte(s[:longest], ' '); i > 0 {
		return s[:i] + " …"
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}

func nodeText(n ast.Node, source []byte) string {
	var b strings.Builder
	plainText(&b, n, source)
	return collapse(b.String())
}

func collapse(s string) string { return strings.Join(strings.Fields(s), " ") }

// plainText writes what a reader reads of a node.
func plainText(b *strings.Builder, n ast.Node, source []byte) {
	switch n := n.(type) {
	case *ast.Text:
		b.Write(n.Segment.Value(source))
		if n.SoftLineBreak() || n.HardLineBreak() {
			b.WriteByte(' ')
		}
	case *ast.String:
		b.Write(n.Value)
	case *ast.AutoLink:
		b.Write(n.URL(source))
	case *ast.FencedCodeBlock, *ast.CodeBlock:
		lines := n.Lines()
		for i := range lines.Len() {
			line := lines.At(i)
			b.Write(line.Value(source))
		}
	case *ast.HTMLBlock, *ast.RawHTML:
	default:
		for c := n.FirstChild(); c != nil; c = c.NextSibling() {
			plainText(b, c, source)
			if c.Type() == ast.TypeBlock {
				b.WriteByte(' ')
			}
		}
	}
}

// headingIDs gives headings the ids that GitHub gives them, so that a link to one works
// in both places.
type headingIDs map[string]int

// Generate makes the id of a heading, another one for each of the same words.
func (ids headingIDs) Generate(value []byte, _ ast.NodeKind) []byte {
	id := headingID(string(value))
	n := ids[id]
	ids[id]++
	if n > 0 {
		id += "-" + strconv.Itoa(n)
	}
	return []byte(id)
}

// Put is for ids that a page gives itself, which none does.
func (ids headingIDs) Put([]byte) {}

func headingID(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.TrimSpace(title))
}
