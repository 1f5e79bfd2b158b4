package gateway

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
)

func testRegistry(t testing.TB) *keypin.Registry {
	t.Helper()
	registry, err := keypin.NewRegistry(keypin.DefaultScopes())
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

func TestNeedsAreReadOnceAndRememberedWithinBounds(t *testing.T) {
	registry := testRegistry(t)
	c := &needsCache{}
	query := func(n int) string { return fmt.Sprintf("scope=voices:read%s", strings.Repeat("&scope=voices:read", n)) }
	known := func() int { return len(*c.known.Load()) }
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range 2 * maxNeeds {
				if got := c.of(registry, query(n)); got.err != nil || cmp.Diff([]keypin.Scope{"voices:read"}, got.scopes) != "" || got.deny403 {
					t.Errorf("%d: read %+v", n, got)
				}
			}
		})
	}
	all.Wait()
	if known() != maxNeeds {
		t.Errorf("%d queries are remembered, want %d", known(), maxNeeds)
	}
	first, last := c.of(registry, query(0)), c.of(registry, query(2*maxNeeds-1))
	if c.of(registry, query(0)) != first {
		t.Error("a query that is remembered is read anew")
	}
	if c.of(registry, query(2*maxNeeds-1)) == last {
		t.Error("more is remembered than may be")
	}
	// One that has no room costs what reading it costs, not a copy of all that are known.
	if got := testing.AllocsPerRun(100, func() { c.of(registry, "") }); got > 10 {
		t.Errorf("reading a query anew makes %v allocations", got)
	}
}

func TestWhatIsWrongIsNotRemembered(t *testing.T) {
	registry := testRegistry(t)
	c := &needsCache{}
	for n := range 10 {
		if got := c.of(registry, fmt.Sprintf("scope=secret%d", n)); got.err == nil {
			t.Errorf("%d: read %+v", n, got)
		}
	}
	if known := c.known.Load(); known != nil && len(*known) > 0 {
		t.Errorf("remembered: %v", *known)
	}
}
