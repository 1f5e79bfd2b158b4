package docs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keypin/keypin/docs"
	"github.com/keypin/keypin/test/measure"
)

// served is the program that all tests ask, with a database of its own.
var served struct {
	*measure.Server
	folder string // where the program is
	base   string
}

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (code int) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	folder, err := os.MkdirTemp("", "keypin-docs-")
	if err != nil {
		return fail(err)
	}
	defer func() {
		if err := os.RemoveAll(folder); err != nil && code == 0 {
			code = fail(err)
		}
	}()
	served.folder = folder
	program := filepath.Join(folder, "keypin")
	if err := measure.Build(ctx, program, "../../cmd/keypin"); err != nil {
		return fail(err)
	}
	served.Server = &measure.Server{Program: program, Dir: filepath.Join(folder, "data"), Data: true}
	if err := served.Start(ctx); err != nil {
		return fail(err)
	}
	served.base = "http://" + served.Address
	code = m.Run()
	closeBrowser()
	if err := served.Stop(); err != nil {
		return fail(err)
	}
	return code
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// page is what the server answered.
type page struct {
	status int
	header http.Header
	body   string
}

// client follows no redirect.
var client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func get(t testing.TB, path string) page {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, served.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return page{answer.StatusCode, answer.Header, string(body)}
}

// sitePaths are the paths of all pages, as the sitemap lists them.
func sitePaths(t testing.TB) []string {
	t.Helper()
	var paths []string
	for _, part := range strings.Split(get(t, "/sitemap.xml").body, "<loc>")[1:] {
		address, _, _ := strings.Cut(part, "</loc>")
		path, ok := strings.CutPrefix(address, served.base)
		if !ok {
			t.Fatalf("the sitemap names %s", address)
		}
		paths = append(paths, path)
	}
	if len(paths) < 30 {
		t.Fatalf("the sitemap names %d pages", len(paths))
	}
	return paths
}

// texts are the Markdown files of docs/, by their names.
func texts(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := fs.Glob(docs.Pages, "*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("%d pages, %v", len(names), err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(docs.Pages, name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// allMarkdown is every page of the running site in Markdown, those of the reference too,
// by path.
func allMarkdown(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, path := range sitePaths(t) {
		all[path] = get(t, path+".md").body
	}
	const skill = "/docs/skills/keypin/SKILL.md"
	all[skill] = get(t, skill).body
	return all
}

// document is what is read of the OpenAPI document.
type document struct {
	Paths      map[string]map[string]any
	Components struct {
		Examples map[string]any
		Schemas  map[string]struct {
			Properties map[string]struct{ Enum []string }
		}
	}
}

func openAPI(t testing.TB) document {
	t.Helper()
	var d document
	if err := json.Unmarshal([]byte(get(t, "/openapi.json").body), &d); err != nil {
		var wrongType *json.UnmarshalTypeError // an enum that holds null, of another schema
		if !errors.As(err, &wrongType) {
			t.Fatal(err)
		}
	}
	return d
}

// block is a block of code of a page.
type block struct {
	language string
	mark     string // run, like or nothing
	code     string
	raw      string // the code as it stands on the page: in a list it is indented
	line     int
	heading  string // what it stands under, without marks
}

// blocks takes the fenced code out of a page.
func blocks(text string) []block {
	var all []block
	var open *block
	fence, heading, indent := "", "", 0
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		switch {
		case open == nil && strings.HasPrefix(trimmed, "```"):
			info := strings.Fields(strings.TrimLeft(trimmed, "`"))
			fence = trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "`"))]
			open, indent = &block{line: i + 1, heading: heading}, len(line)-len(trimmed)
			if len(info) > 0 {
				open.language = info[0]
			}
			if len(info) > 1 {
				open.mark = info[1]
			}
		case open != nil && strings.TrimSpace(line) == fence:
			all = append(all, *open)
			open = nil
		case open != nil:
			open.raw += line + "\n"
			open.code += outdented(line, indent) + "\n"
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	return all
}

// outdented takes away as many blanks as the fence of a block has before it.
func outdented(line string, indent int) string {
	blanks := len(line) - len(strings.TrimLeft(line, " "))
	return line[min(blanks, indent):]
}
