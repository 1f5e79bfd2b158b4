package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keypin/keypin/test/measure"
)

func TestThePageHasAPlaceForWhatIsMeasured(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "benchmarks.md"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := measure.Rewrite(file, command, "new"); err != nil {
		t.Error(err)
	}
}
