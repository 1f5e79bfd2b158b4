package measure

import (
	"os"
	"path/filepath"
	"testing"
)

// WantPlace wants that the page of the benchmarks has a part that the command writes. It
// is for the tests of a folder of test/.
func WantPlace(t testing.TB, command string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, page, 0o600); err != nil { //nolint:gosec // a folder of the test
		t.Fatal(err)
	}
	if err := Rewrite(file, command, "new"); err != nil {
		t.Error(err)
	}
}
