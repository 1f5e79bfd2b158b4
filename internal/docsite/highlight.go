package docsite

import (
	"html"
	"strings"

	"github.com/alecthomas/chroma/v2"
	"github.com/alecthomas/chroma/v2/lexers"
)

// highlight writes code as HTML whose classes the style sheet colours. A language that
// is not known stays plain.
func highlight(language, code string) string {
	code = strings.ReplaceAll(code, baseURL, baseMark) // a word that no lexer takes apart
	lexer := lexers.Get(language)
	if lexer == nil || language == "text" {
		return html.EscapeString(code)
	}
	tokens, err := chroma.Coalesce(lexer).Tokenise(nil, code)
	if err != nil {
		return html.EscapeString(code)
	}
	var b strings.Builder
	for token := tokens(); token != chroma.EOF; token = tokens() {
		class := tokenClass(token.Type)
		text := html.EscapeString(token.Value)
		if class == "" || strings.TrimSpace(token.Value) == "" {
			b.WriteString(text)
			continue
		}
		b.WriteString(`<span class="` + class + `">` + text + `</span>`)
	}
	return b.String()
}

// tokenClass puts the kinds of tokens together that look alike: c comments, k keywords,
// s strings, n numbers, f functions and other names with a meaning, a names of things that
// have a value.
func tokenClass(t chroma.TokenType) string {
	switch {
	case t.InCategory(chroma.Comment):
		return "c"
	case t.InCategory(chroma.Keyword), t == chroma.OperatorWord:
		return "k"
	case t.InSubCategory(chroma.LiteralString):
		return "s"
	case t.InCategory(chroma.Literal):
		return "n"
	}
	switch t {
	case chroma.NameTag, chroma.NameAttribute, chroma.NameProperty, chroma.NameVariable:
		return "a"
	case chroma.NameFunction, chroma.NameBuiltin, chroma.NameClass, chroma.NameDecorator, chroma.NameNamespace:
		return "f"
	}
	return ""
}
