package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const examplesFolder = "../../docs/examples"

// examples are the configurations that pages give away, by the file's name.
func examples(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(examplesFolder)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(filepath.Join(examplesFolder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(text)
	}
	if len(files) < 4 {
		t.Fatalf("there are %d examples", len(files))
	}
	return files
}

// exampleRow is a line of a table that says which file is whose: | nginx | [nginx.conf](examples/nginx.conf) | …
var exampleRow = regexp.MustCompile(`(?m)^\| ([^|]+) \|[^\n]*\[([^\]]+)\]\(examples/([^)]+)\)`)

func TestAnExcerptOfAnExampleIsAPartOfItsFile(t *testing.T) {
	t.Parallel()
	files := examples(t)
	excerpts := map[string]int{}
	for _, page := range []string{"verifying.md", "proxies.md"} {
		text := texts(t)[page]
		whose := map[string]string{}
		for _, row := range exampleRow.FindAllStringSubmatch(text, -1) {
			if whose[row[1]] = row[3]; row[2] != row[3] {
				t.Errorf("%s calls examples/%s %s", page, row[3], row[2])
			}
		}
		if len(whose) < 4 {
			t.Errorf("%s says whose %d examples are", page, len(whose))
		}
		for _, b := range blocks(text) {
			file, ok := whose[b.heading]
			if !ok {
				continue
			}
			excerpts[file]++
			if !holds(files[file], b.code) {
				t.Errorf("%s, line %d: this is no part of examples/%s:\n%s", page, b.line, file, b.code)
			}
		}
	}
	for file := range files {
		if excerpts[file] == 0 {
			t.Errorf("no page has an excerpt of examples/%s", file)
		}
	}
}

// holds reports whether the lines follow one another in a file, however far both are
// indented.
func holds(file, excerpt string) bool {
	want, all := dedented(strings.Split(strings.TrimRight(excerpt, "\n"), "\n")), strings.Split(file, "\n")
	for i := range len(all) - len(want) + 1 {
		if slices.Equal(want, dedented(all[i:i+len(want)])) {
			return true
		}
	}
	return false
}

// dedented takes away what all lines that are not empty begin with of blanks.
func dedented(lines []string) []string {
	var common string
	first := true
	for _, line := range lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		switch {
		case strings.TrimSpace(line) == "":
		case first:
			common, first = indent, false
		default:
			for !strings.HasPrefix(indent, common) {
				common = common[:len(common)-1]
			}
		}
	}
	short := make([]string, len(lines))
	for i, line := range lines {
		short[i] = strings.TrimPrefix(line, common)
	}
	return short
}

func TestAPartIsToldFromWhatOnlyLooksLikeOne(t *testing.T) {
	t.Parallel()
	const file = "a:\n  b:\n    c: 1\n\n    d: 2\n  e: 3\n"
	for excerpt, want := range map[string]bool{
		"a:\n  b:\n": true, "c: 1\n\nd: 2\n": true, "    c: 1\n\n    d: 2\n": true, "  b:\n    c: 1\n": true,
		"c: 1\nd: 2\n": false, "b:\nc: 1\n": false, "c: 2\n": false, "e: 3\nf: 4\n": false,
	} {
		if holds(file, excerpt) != want {
			t.Errorf("%q is said to be a part: %t", excerpt, !want)
		}
	}
}

func TestEveryExampleIsNamedByAPage(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, text := range texts(t) {
		all.WriteString(withoutCode(text))
	}
	for name := range examples(t) {
		if !strings.Contains(all.String(), "](examples/"+name+")") {
			t.Errorf("no page links to examples/%s", name)
		}
	}
}
