package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// command is how the page names this program.
const command = "go run ./test/benchpostgres"

const (
	allParts     = "calls,keys,move"
	defaultKeys  = 10_000_000
	defaultMoved = 1_000_000
	leastRounds  = 9
)

// options are what a run is told.
type options struct {
	dir     string // what a run needs goes into a folder that is made here and removed afterwards
	docs    string // the page to rewrite; "" = none
	program string // "" = built
	parts   string
	keys    int
	moved   int
	rounds  int
}

func main() {
	measure.Main("benchpostgres", func(ctx context.Context) error { return run(ctx, parse()) })
}

func parse() (o options) {
	flag.StringVar(&o.dir, "dir", "bin", "make what is not PostgreSQL's in a new folder in `DIR`, and remove it afterwards")
	flag.StringVar(&o.docs, "docs", "docs/benchmarks.md", "rewrite the measured part of `FILE`, if nothing was left out; empty = print only")
	flag.StringVar(&o.program, "program", "", "measure this `FILE`, and do not rewrite the page; empty = build it")
	flag.StringVar(&o.parts, "parts", allParts, "measure only these `PARTS`")
	flag.IntVar(&o.keys, "keys", defaultKeys, "`N` keys in the large workspace, a multiple of 1000")
	flag.IntVar(&o.moved, "moved", defaultMoved, "move `N` keys, a multiple of 1000")
	flag.IntVar(&o.rounds, "rounds", leastRounds, "`N` turns for each comparison")
	flag.Parse()
	return o
}

// complete reports whether the run measures all that the page shows.
func (o options) complete() bool {
	return o.program == "" && o.parts == allParts && o.keys == defaultKeys && o.moved == defaultMoved && o.rounds >= leastRounds
}

// bench is one run.
type bench struct {
	options
	began   time.Time
	machine *measure.Machine // with the disk of the databases; nil until the first is started
	servers []string         // what was measured on
	dir     string
}

func run(ctx context.Context, o options) error {
	return measure.Bench{Name: "benchpostgres", Command: command, Dir: o.dir, Page: o.docs, Complete: o.complete()}.Run(ctx,
		func(ctx context.Context, dir string) (measure.Result, error) {
			b := &bench{options: o, dir: dir, began: time.Now()}
			f, err := b.measure(ctx)
			engines := fmt.Sprintf("PostgreSQL %s, with fsync and synchronous_commit on.\n\n", strings.Join(b.servers, " and "))
			return measure.Result{Text: engines + f.tables(), Machine: b.machine}, err
		})
}

// measure measures the parts that are asked for.
func (b *bench) measure(ctx context.Context) (all findings, err error) {
	if b.program == "" {
		measure.Say("building the program")
		b.program = filepath.Join(b.dir, "keypin")
		if err := measure.Build(ctx, b.program, "./cmd/keypin"); err != nil {
			return all, err
		}
	}
	for _, part := range []struct {
		name    string
		measure func(context.Context) (findings, error)
	}{{"calls", b.calls}, {"keys", b.manyKeys}, {"move", b.move}} {
		if !strings.Contains(","+b.parts+",", ","+part.name+",") {
			continue
		}
		began := time.Now()
		f, err := part.measure(ctx)
		if err != nil {
			return all, fmt.Errorf("measuring %s: %w", part.name, err)
		}
		measure.Say("%s: %.0f s", part.name, time.Since(began).Seconds())
		all.ratios = append(all.ratios, f.ratios...)
		all.figures = append(all.figures, f.figures...)
	}
	return all, nil
}

// findings are what a part shows.
type findings struct {
	ratios  []measure.Row
	figures []figure
}

// figure is one that stands for itself, or beside another.
type figure struct{ what, figure, beside, aim string }

func (f findings) tables() string {
	var b strings.Builder
	if len(f.ratios) > 0 {
		b.WriteString(measure.Table(f.ratios) + "\n")
	}
	b.WriteString("| what | Keypin | beside | aim |\n|---|---|---|---|\n")
	for _, r := range f.figures {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.what, r.figure, r.beside, r.aim)
	}
	return b.String()
}
