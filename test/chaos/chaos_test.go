package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/keypin/keypin/test/chaos/check"
	"github.com/keypin/keypin/test/cluster/nodes"
	"github.com/keypin/keypin/test/engines"
	"github.com/keypin/keypin/test/measure"
)

// The short form: two faults of every family. Each run draws others; CHAOS_SEED runs the
// same ones again, though not what the machine makes of them.
func TestThreeNodesKeepTheirPromisesWhileThingsBreak(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CHAOS_SEED: %v", err)
		}
	}
	t.Logf("CHAOS_SEED=%d", seed)
	dir := t.TempDir()
	program := filepath.Join(dir, "keypin")
	if err := measure.Build(t.Context(), program, "github.com/keypin/keypin/cmd/keypin"); err != nil {
		t.Fatal(err)
	}
	modes := []check.Mode{check.Local, check.Local, check.Allow} // deny begins with a minute in which it admits nothing
	o := options{program: program, file: filepath.Join(dir, "chaos.jsonl"), seed: seed, mode: modes[seed%uint64(len(modes))], nodes: 3, out: t.Output()}
	entries, found, err := run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := verdict(t.Output(), entries, found); err != nil {
		t.Error(err)
	}
}

func TestTheLongFormBreaksEveryKindOfThingAtLeastTwentyTimesInAll(t *testing.T) {
	t.Parallel()
	w := &world{options: options{nodes: 3}, cluster: &nodes.Cluster{Postgres: &engines.Postgres{}, Redis: &engines.Redis{}, Nodes: []*nodes.Node{{}, {}, {}}}}
	kinds := 0
	for _, family := range w.families() {
		kinds += len(family)
	}
	draw := func(seed uint64) map[string]int {
		names := map[string]int{}
		for _, step := range w.schedule(rand.New(rand.NewPCG(seed, 1)), true) {
			for _, f := range step {
				names[f.hits.Name]++
			}
		}
		return names
	}
	first, same, other := draw(1), draw(1), draw(2)
	if len(first) != kinds || kinds < 20 || len(other) != kinds {
		t.Errorf("%d and %d kinds of faults of %d", len(first), len(other), kinds)
	}
	for name, n := range first {
		if same[name] != n {
			t.Errorf("the same seed draws %s %d times, and %d times", name, n, same[name])
		}
	}
}
