package docsite

import (
	"embed"
	"html"
	"strings"
	"sync"

	"github.com/alecthomas/chroma/v2"
)

// The languages of the pages. Chroma brings many more, and reads them all whenever a
// program that links them starts, the shortest command too.
//
//go:embed lexers/*.xml
var lexerFiles embed.FS

// lexers are read when a page first shows their language.
var lexers = struct {
	sync.Mutex
	byName map[string]chroma.Lexer
}{byName: map[string]chroma.Lexer{}}

// lexerFile is the file of a language, by the names that it goes by.
var lexerFile = map[string]string{
	"sh": "bash", "bash": "bash", "json": "json", "python": "python", "go": "go", "yaml": "yaml", "javascript": "javascript", "js": "javascript",
	"nginx": "nginx", "caddyfile": "caddyfile", "caddy": "caddyfile", "sql": "sql", "toml": "toml", "ini": "ini",
}

// lexerOf is the lexer of a language; nil when it has none.
func lexerOf(language string) chroma.Lexer {
	file, ok := lexerFile[language]
	if !ok {
		return nil
	}
	lexers.Lock()
	defer lexers.Unlock()
	if known, ok := lexers.byName[file]; ok {
		return known
	}
	var lexer chroma.Lexer
	if read, err := chroma.NewXMLLexer(lexerFiles, "lexers/"+file+".xml"); err == nil { // a test reads all
		lexer = chroma.Coalesce(read)
	}
	lexers.byName[file] = lexer
	return lexer
}

// highlight writes code as HTML whose classes the style sheet colours. A language that
// is not known stays plain.
func highlight(language, code string) string {
	if language == "console" {
		return highlightConsole(code)
	}
	code = strings.ReplaceAll(code, baseURL, baseMark) // a word that no lexer takes apart
	lexer := lexerOf(language)
	if lexer == nil {
		return html.EscapeString(code)
	}
	tokens, err := lexer.Tokenise(nil, code)
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

// highlightConsole colours the commands of what stands on a terminal, behind their prompts.
func highlightConsole(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			b.WriteString(`<span class="c">$ </span>` + highlight("sh", strings.TrimSuffix(command, "\n")))
			b.WriteString(strings.Repeat("\n", strings.Count(line, "\n")))
			continue
		}
		b.WriteString(html.EscapeString(strings.ReplaceAll(line, baseURL, baseMark)))
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
	default:
		return ""
	}
}
