package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keypin/keypin/test/measure"
)

// command is how the page names this program.
const command = "go run ./test/benchmemory"

const (
	defaultHot    = 1_000_000
	defaultStored = 10_000_000
)

// options are what a run is told.
type options struct {
	dir        string // what a run needs goes into a folder that is made here and removed afterwards
	docs       string // the page to rewrite; "" = none
	parts      string
	hot        int
	rounds     int
	cacheBytes string
	stored     int
	starts     int
}

func main() {
	measure.Main("benchmemory", func(ctx context.Context) error { return run(ctx, parse()) })
}

const allParts = "memory,start"

// rateLimit is the limit per minute of keys that have one.
const rateLimit = 600

func parse() (o options) {
	flag.StringVar(&o.dir, "dir", "bin", "make databases in a new folder in `DIR`, and remove it afterwards")
	flag.StringVar(&o.docs, "docs", "docs/benchmarks.md", "rewrite the measured part of `FILE`, if nothing was left out; empty = print only")
	flag.StringVar(&o.parts, "parts", allParts, "measure only these `PARTS`")
	flag.IntVar(&o.hot, "hot", defaultHot, "verify `N` keys, a multiple of 1000")
	flag.IntVar(&o.rounds, "rounds", 3, "verify each key `N` times")
	flag.StringVar(&o.cacheBytes, "cache-max-bytes", "", "run with this `SIZE` of the cache; empty = the default")
	flag.IntVar(&o.stored, "stored", defaultStored, "start with `N` keys in the database, a multiple of 1000")
	flag.IntVar(&o.starts, "starts", 9, "start `N` times")
	flag.Parse()
	return o
}

// complete reports whether the run measures all that the page shows.
func (o options) complete() bool {
	return o.parts == allParts && o.hot == defaultHot && o.stored == defaultStored && o.rounds >= 3 && o.starts >= 9
}

// bench is one run.
type bench struct {
	options
	dir, program string
}

func run(ctx context.Context, o options) error {
	return measure.Bench{Name: "benchmemory", Command: command, Dir: o.dir, Page: o.docs, Complete: o.complete()}.Run(ctx,
		func(ctx context.Context, dir string) (measure.Result, error) {
			b := &bench{options: o, dir: dir, program: filepath.Join(dir, "keypin")}
			rows, err := b.measure(ctx)
			return measure.Result{Text: "\n" + table(rows)}, err
		})
}

// measure measures the parts that are asked for.
func (b *bench) measure(ctx context.Context) (rows []row, err error) {
	measure.Say("building the program")
	if err := measure.Build(ctx, b.program, "./cmd/keypin"); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context) ([]row, error)
	}{{"memory", b.memory}, {"start", b.start}} {
		if !strings.Contains(b.parts, part.name) {
			continue
		}
		measured, err := part.measure(ctx)
		if err != nil {
			return nil, fmt.Errorf("measuring %s: %w", part.name, err)
		}
		rows = append(rows, measured...)
	}
	return rows, nil
}

// row is one figure.
type row struct{ what, figure, against, aim string }

func table(rows []row) string {
	var b strings.Builder
	b.WriteString("| what | Keypin | beside | aim |\n|---|---|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.figure, r.against, r.aim)
	}
	return b.String()
}
