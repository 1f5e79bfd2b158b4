package docsite

import (
	"bytes"
	"fmt"
	"strings"
)

// pointerText is the line with which a program finds its way, at the top of every page.
const pointerText = "For AI agents: a documentation index is available at the root level at /llms.txt and /llms-full.txt. " +
	"Append /llms.txt to any URL for a page-level index, or .md for the markdown version of any page."

// pointer is that line as programs read it.
func (s *Site) pointer() string {
	return "> " + strings.NewReplacer("at /llms", "at "+s.prefix+"/llms", "and /llms", "and "+s.prefix+"/llms").Replace(pointerText) + "\n\n"
}

const summary = "Keypin issues, scopes, rate-limits, rotates, revokes and verifies API keys. It speaks OnePin's public API-keys API."

// markdownPage is a page as a program reads it.
func (s *Site) markdownPage(p *page) string {
	return s.pointer() + s.markdownBody(p)
}

func (s *Site) markdownBody(p *page) string {
	if p.text != nil {
		return markBaseURL(strings.TrimSpace(string(s.links.markdownOf(p.text))) + "\n")
	}
	return markBaseURL(s.markdownOperation(p))
}

// markBaseURL makes place for the reader's base URL in blocks of code, which are copied. What
// a sentence says, such as a setting's default, stays as it is.
func markBaseURL(markdown string) string {
	var b strings.Builder
	code := false
	for line := range strings.Lines(markdown) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if code {
			line = strings.ReplaceAll(line, baseURL, baseMark)
		}
		b.WriteString(line)
	}
	return b.String()
}

// markdownOperation is a page of the reference in Markdown.
func (s *Site) markdownOperation(p *page) string {
	op := p.Operation
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n`%s %s`\n\n%s\n", p.Title, op.Method, op.Path, op.Description)
	for _, part := range s.document.parts(op) {
		fmt.Fprintf(&b, "\n## %s\n\n", part.Title)
		if part.Intro != "" {
			b.WriteString(part.Intro + "\n\n")
		}
		markdownFields(&b, part.Fields, "")
	}
	b.WriteString("\n## Errors\n\n| status | codes |\n|---|---|\n")
	for _, f := range op.failures() {
		codes := make([]string, len(f.Codes))
		for i, c := range f.Codes {
			codes[i] = s.codeLink(c, ".md")
		}
		fmt.Fprintf(&b, "| %s %s | %s |\n", f.Status, f.Text, strings.Join(codes, ", "))
	}
	b.WriteString("\n## Examples\n")
	for _, snippet := range s.document.snippets(op) {
		fmt.Fprintf(&b, "\n%s:\n\n```%s\n%s\n```\n", snippet.Name, snippet.Language, snippet.Code)
	}
	if answer := s.document.answerSample(op); answer != nil {
		status, _ := op.success()
		fmt.Fprintf(&b, "\nAnswer, %s:\n\n```json\n%s\n```\n", status, indented(answer))
	}
	return b.String()
}

// codeLink is an error's code, linked to the paragraph about it where there is one.
func (s *Site) codeLink(code, suffix string) string {
	if _, ok := s.errorCodes[code]; ok {
		return "[`" + code + "`](" + s.prefix + errorsPath + suffix + "#" + code + ")"
	}
	return "`" + code + "`"
}

func markdownFields(b *strings.Builder, fields []field, indent string) {
	for _, f := range fields {
		fmt.Fprintf(b, "%s- `%s` (%s", indent, f.Name, f.Type)
		if f.Required {
			b.WriteString(", required")
		}
		for _, n := range f.Notes {
			b.WriteString(", " + n)
		}
		b.WriteString(")")
		if f.Description != "" {
			b.WriteString(": " + f.Description)
		}
		if len(f.Values) > 0 {
			b.WriteString(" One of `" + strings.Join(f.Values, "`, `") + "`.")
		}
		b.WriteByte('\n')
		markdownFields(b, f.Fields, indent+"  ")
	}
}

// index is the llms.txt of the whole site (https://llmstxt.org).
func (s *Site) index() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Keypin\n\n> %s\n\n", summary)
	for _, l := range []struct{ title, path, text string }{
		{"OpenAPI document", "/openapi.json", "the API in OpenAPI 3.1."},
		{"Everything in one file", "/llms-full.txt", "all pages below as Markdown."},
		{"Skill for agents", skillPath, "teaches the command line."},
	} {
		fmt.Fprintf(&b, "- [%s](%s%s): %s\n", l.title, baseMark, l.path, l.text)
	}
	b.WriteString("\nEvery section, and every page, has an index of its own: append /llms.txt to its path.\n")
	for _, section := range s.sections {
		fmt.Fprintf(&b, "\n## %s\n\n", section.Title)
		for _, p := range section.all() {
			b.WriteString(s.entry(p))
		}
	}
	return b.String()
}

func (s *Site) entry(p *page) string {
	name := p.Title
	if p.Operation != nil {
		name += " (" + p.Operation.Method + " " + p.Operation.Path + ")"
	}
	return fmt.Sprintf("- [%s](%s%s.md): %s\n", name, baseMark, p.Path, p.Description)
}

// pageIndex is the llms.txt of one page: its parts, and the pages beside it.
func (s *Site) pageIndex(p *page) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n> %s\n\n%s\n## On this page\n\n", p.Title, p.Description, s.entry(p))
	for _, h := range p.Headings {
		if h.Level > 1 {
			fmt.Fprintf(&b, "%s- [%s](%s%s#%s)\n", strings.Repeat("  ", h.Level-2), h.Title, baseMark, p.Path, h.ID)
		}
	}
	var beside strings.Builder
	for _, other := range p.Section.all() {
		if other != p && (p.Group == "" || other.Group == p.Group) {
			beside.WriteString(s.entry(other))
		}
	}
	if beside.Len() > 0 {
		fmt.Fprintf(&b, "\n## %s\n\n%s", p.Section.Title, beside.String())
	}
	fmt.Fprintf(&b, "\n- [The index of everything](%s/llms.txt)\n", baseMark)
	return b.String()
}

// folderIndex is the llms.txt of a section, or of a group in one.
func (s *Site) folderIndex(f folder) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Keypin: %s\n\n> %s\n\n", f.title, summary)
	for _, p := range f.pages {
		b.WriteString(s.entry(p))
	}
	fmt.Fprintf(&b, "\n- [All of it in one file](%s%s/llms-full.txt)\n- [The index of everything](%s/llms.txt)\n", baseMark, f.path, baseMark)
	return b.String()
}

// sitemap names every page.
func (s *Site) sitemap() []byte {
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">` + "\n")
	for _, p := range s.pages {
		b.WriteString("<url><loc>" + baseMark + p.Path + "</loc></url>\n")
	}
	b.WriteString("</urlset>\n")
	return b.Bytes()
}

// full is the llms-full.txt of some pages: each as its own Markdown.
func (s *Site) full(pages []*page) string {
	var b strings.Builder
	b.WriteString(s.pointer())
	for _, p := range pages {
		fmt.Fprintf(&b, "---\n\nThe page %s%s\n\n%s\n", baseMark, p.Path, s.markdownBody(p))
	}
	return b.String()
}
