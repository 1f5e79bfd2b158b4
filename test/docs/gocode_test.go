package docs

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// given are what the sentences around a snippet take for granted.
const given = `package snippets

import (
	"context"
	"net/http"

	"github.com/keypin/keypin/client"
)

var (
	keypin            *client.Client
	workflows         http.Handler
	url, token, jobID string
)

type Caller struct{ Customer string }

func checkTheOldWay(context.Context, string) (*Caller, error) { return nil, nil }
`

// importPaths are the packages that snippets use, by the name before the dot.
var importPaths = map[string]string{
	"client": "github.com/keypin/keypin/client", "context": "context", "errors": "errors", "fmt": "fmt", "http": "net/http", "log": "log", "netip": "net/netip", "os": "os",
	"otelhttp": "go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "strings": "strings", "time": "time",
}

// asFile makes a file of what a page shows: a whole program, declarations, or what stands in
// a function. program says that it is a package of its own. The compiler tells of the page's
// lines.
func asFile(page string, b block) (file string, program bool, err error) {
	head, line := "package snippets\n", fmt.Sprintf("//line %s:%d\n", page, b.line+1)
	if strings.HasPrefix(b.code, "package ") {
		return line + b.code, true, nil
	}
	parse := func(code string) (*ast.File, error) {
		return parser.ParseFile(token.NewFileSet(), "", head+code, parser.SkipObjectResolution)
	}
	code := line + b.code
	parsed, err := parse(code)
	if err != nil {
		begin, end := "func _(ctx context.Context) error {\n", "return nil\n}\n"
		if parsed, err = parse(begin + code + end); err != nil {
			return "", false, err
		}
		for _, name := range definedBy(parsed) { // used by the lines that a reader will write
			code += "_ = " + name + "\n"
		}
		code = begin + code + end
	}
	var imports strings.Builder
	for _, name := range packagesOf(parsed) {
		if path, ok := importPaths[name]; ok {
			fmt.Fprintf(&imports, "import %s %q\n", name, path)
		}
	}
	return head + imports.String() + code, false, nil
}

// definedBy are the variables that a snippet's own lines define, not those of blocks in it.
func definedBy(file *ast.File) []string {
	names := map[string]bool{}
	for _, statement := range file.Decls[0].(*ast.FuncDecl).Body.List {
		if assign, ok := statement.(*ast.AssignStmt); ok && assign.Tok == token.DEFINE {
			for _, to := range assign.Lhs {
				names[to.(*ast.Ident).Name] = true
			}
		}
	}
	delete(names, "_")
	return slices.Sorted(maps.Keys(names))
}

// packagesOf are the names before a dot.
func packagesOf(file *ast.File) []string {
	names := map[string]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			if name, ok := selector.X.(*ast.Ident); ok {
				names[name.Name] = true
			}
		}
		return true
	})
	return slices.Sorted(maps.Keys(names))
}

func TestAllGoOnThePagesCompiles(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	replace := map[string]string{} // files that are in the module for the compiler only
	put := func(path, text string) {
		file := filepath.Join(folder, strings.ReplaceAll(path, "/", "-"))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, "test/docs/pages", path)] = file
	}
	put("snippets/given.go", given)
	n, ofReference := 0, 0
	for path, text := range allMarkdown(t) {
		for _, b := range blocks(text) {
			if b.language != "go" {
				continue
			}
			n++
			if strings.HasPrefix(path, "/docs/api-reference/") {
				ofReference++
			}
			file, program, err := asFile(strings.TrimPrefix(path, "/")+".md", b)
			if err != nil {
				t.Errorf("%s, line %d: %v", path, b.line, err)
				continue
			}
			if program {
				put(fmt.Sprintf("program%d/main.go", n), file)
			} else {
				put(fmt.Sprintf("snippets/%d.go", n), file)
			}
		}
	}
	if ofReference < 28 || n < ofReference+5 {
		t.Fatalf("%d blocks of Go were found, %d of them in the reference", n, ofReference)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	put("overlay.json", string(overlay))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(folder, "overlay.json"), "./test/docs/pages/...")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
