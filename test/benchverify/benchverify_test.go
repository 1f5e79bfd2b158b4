package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keypin/keypin/test/measure"
)

func TestARunIsRefusedWhenAVerificationEndedOtherwise(t *testing.T) {
	t.Parallel()
	before := map[string]int{"valid": 10, "rate_limited": 1}
	for _, c := range []struct {
		after map[string]int
		fine  bool
	}{
		{map[string]int{"valid": 110, "rate_limited": 1}, true},
		{map[string]int{"valid": 141, "rate_limited": 1}, true}, // some were on their way when the turn ended
		{map[string]int{"valid": 109, "rate_limited": 1}, false},
		{map[string]int{"valid": 110, "rate_limited": 2}, false},
		{map[string]int{"valid": 110, "rate_limited": 1, "not_found": 1}, false},
	} {
		if err := all("valid", before, c.after, 100); (err == nil) != c.fine {
			t.Errorf("%v: %v", c.after, err)
		}
	}
}

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
