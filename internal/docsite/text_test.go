package docsite

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sampleText = `# A title with ` + "`code`" + `

The first paragraph, over
two lines.

## What a refusal looks like!

See [Scopes](scopes.md), [a part](limits.md#what-a-refusal-looks-like), [the code](../internal/app/app.go),
[elsewhere](https://example.com/x?a=1&b=2), [a file](examples/nginx.conf) and [here](#zoë).

### ` + "`api_key_revoked`" + `

<!-- measured: a mark -->

| a | b |
|---|---|
| 1 | <b>2</b> |

## What a refusal looks like!

## Zoë

` + "```sh run\ncurl http://127.0.0.1:8080/x # not [a link](scopes.md)\n```" + `
`

func sampleLinks() links {
	return links{pages: map[string]*page{"docs/scopes.md": {Path: "/docs/scopes"}, "docs/limits.md": {Path: "/docs/rate-limits"}}}
}

func TestAPageHasItsTitleDescriptionAndHeadings(t *testing.T) {
	t.Parallel()
	got := parseText("x.md", []byte(sampleText))
	if got.title != "A title with code" || got.description != "The first paragraph, over two lines." {
		t.Errorf("got %q, %q", got.title, got.description)
	}
	var ids []string
	for _, h := range got.headings {
		ids = append(ids, h.ID)
	}
	if diff := cmp.Diff([]string{"a-title-with-code", "what-a-refusal-looks-like", "api_key_revoked", "what-a-refusal-looks-like-1", "zoë"}, ids); diff != "" {
		t.Errorf("the ids are not GitHub's (-want +got)\n%s", diff)
	}
	if text := got.headings[2].Text; text != "a b 1 2" {
		t.Errorf("below the third stands %q", text)
	}
}

func TestLinksLeadWhereTheyDoInTheRepository(t *testing.T) {
	t.Parallel()
	html, err := sampleLinks().htmlOf(parseText("x.md", []byte(sampleText)))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`<a href="/docs/scopes">Scopes</a>`, `<a href="/docs/rate-limits#what-a-refusal-looks-like">`,
		`<a href="https://github.com/keypin/keypin/blob/main/internal/app/app.go" rel="noopener">`,
		`<a href="https://example.com/x?a=1&amp;b=2" rel="noopener">`, `<a href="/docs/examples/nginx.conf">`, `<a href="#zoë">`,
		`<h3 id="api_key_revoked"><code>api_key_revoked</code> <a class="anchor" href="#api_key_revoked" aria-label="Link to api_key_revoked">#</a></h3>`,
	} {
		if !strings.Contains(string(html), want) {
			t.Errorf("there is no %s in\n%s", want, html)
		}
	}
	for _, not := range []string{"measured", "<b>", "<h1", baseURL} {
		if strings.Contains(string(html), not) {
			t.Errorf("there is %s in\n%s", not, html)
		}
	}
}

func TestMarkdownKeepsItsWordsAndLeadsToMarkdown(t *testing.T) {
	t.Parallel()
	got := string(sampleLinks().markdownOf(parseText("x.md", []byte(sampleText))))
	want := strings.NewReplacer("See [Scopes](scopes.md)", "See [Scopes](/docs/scopes.md)", "limits.md#", "/docs/rate-limits.md#", "(examples/", "(/docs/examples/",
		"../internal/", repository+"/blob/main/internal/").Replace(sampleText)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestCodeIsEscapedInEveryLanguage(t *testing.T) {
	t.Parallel()
	for _, language := range []string{"", "text", "sh", "go", "python", "json", "yaml", "nginx", "caddyfile", "no-such-language"} {
		got := highlight(language, `<script>alert("&")</script> `+baseURL+"/x")
		if strings.Contains(got, "<script") || strings.Contains(got, baseURL) || !strings.Contains(got, baseMark+"/x") {
			t.Errorf("%s: %s", language, got)
		}
	}
}

func TestEveryLanguageOfThePagesHasColours(t *testing.T) {
	t.Parallel()
	for language, code := range map[string]string{
		"sh": "export A=\"$B\" # c", "json": `{"a": [1, true, "x"]}`, "python": "def f(): # c\n    return \"x\"", "go": "func f() string { // c\n\treturn \"x\" }",
		"yaml": "a: \"x\" # c", "javascript": "const a = \"x\"; // c", "nginx": "server { # c\n  listen 80;\n}", "caddyfile": "x.example {\n\treverse_proxy a:1 # c\n}",
		"sql": "SELECT 'x' -- c", "toml": "a = \"x\" # c", "ini": "[s]\na = x",
	} {
		if lexerOf(language) == nil {
			t.Errorf("%s has no lexer", language)
		}
		got := highlight(language, code)
		if strings.Count(got, "<span") < 2 {
			t.Errorf("%s: %s", language, got)
		}
	}
	for name := range lexerFile {
		if lexerOf(name) == nil {
			t.Errorf("%s has no lexer", name)
		}
	}
}

func TestADescriptionIsShortAndEndsWithAWord(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A sentence of some words. ", 20)
	for text, want := range map[string]string{
		"Short.":                       "Short.",
		"As follows:":                  "As follows",
		long:                           strings.TrimSpace(strings.Repeat("A sentence of some words. ", 7)),
		strings.Repeat("word ", 60):    strings.TrimSpace(strings.Repeat("word ", 40)) + " …",
		strings.Repeat("é", 150):       strings.Repeat("é", 100) + "…",
		"x" + strings.Repeat("é", 150): "x" + strings.Repeat("é", 99) + "…",
	} {
		if got := firstSentences(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
