package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/keypin/keypin/test/measure"
)

// The numbers of keys that lists and gets are compared at. The second is a flag.
const (
	fewKeys     = 100
	defaultKeys = 1_000_000
)

const allParts = "create,read,verify"

// command is how the page names this program.
const command = "go run ./test/bench"

// options are what a run is told.
type options struct {
	dir      string // databases go into a folder that is made here and removed afterwards
	docs     string // the page to rewrite; "" = none
	manyKeys int
	rounds   int
	parts    string // some of allParts
}

func main() { measure.Main("bench", func(ctx context.Context) error { return run(ctx, parse()) }) }

func parse() (o options) {
	flag.StringVar(&o.dir, "dir", "bin", "make the databases in a new folder in `DIR`, and remove it afterwards")
	flag.StringVar(&o.docs, "docs", "docs/benchmarks.md", "rewrite the measured part of `FILE`; empty = print only")
	flag.IntVar(&o.manyKeys, "keys", defaultKeys, "`N` keys in the large workspace; the page is not rewritten for another number")
	flag.IntVar(&o.rounds, "rounds", 9, "`N` turns for each comparison")
	flag.StringVar(&o.parts, "parts", allParts, "measure only these `PARTS`; the page is not rewritten unless all are")
	flag.Parse()
	return o
}

// bench is one run.
type bench struct {
	options
	program string
	dir     string
}

func run(ctx context.Context, o options) error {
	whole := o.parts == allParts && o.manyKeys == defaultKeys
	return measure.Bench{Name: "bench", Command: command, Dir: o.dir, Page: o.docs, Complete: whole}.Run(ctx,
		func(ctx context.Context, dir string) (measure.Result, error) {
			b := &bench{options: o, dir: dir, program: filepath.Join(dir, "keypin")}
			rows, err := b.measure(ctx)
			return measure.Result{Text: "\n" + measure.Table(rows)}, err
		})
}

// measure measures the parts that are asked for.
func (b *bench) measure(ctx context.Context) (rows []measure.Row, err error) {
	measure.Say("building the program")
	if err := measure.Build(ctx, b.program, "./cmd/keypin"); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		names   string
		measure func(context.Context) ([]measure.Row, error)
	}{{"create", b.creates}, {"read,verify", b.reads}} {
		if !b.wants(part.names) {
			continue
		}
		measured, err := part.measure(ctx)
		if err != nil {
			return nil, fmt.Errorf("measuring %s: %w", part.names, err)
		}
		rows = append(rows, measured...)
	}
	return rows, nil
}

// wants reports whether one of the parts, separated by commas, is to be measured.
func (b *bench) wants(parts string) bool {
	for part := range strings.SplitSeq(parts, ",") {
		if strings.Contains(","+b.parts+",", ","+part+",") {
			return true
		}
	}
	return false
}
