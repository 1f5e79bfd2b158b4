package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// command is how the page names this program.
const command = "go run ./test/benchdocs"

// options are what a run is told.
type options struct {
	dir    string // what a run needs goes into a folder that is made here and removed afterwards
	docs   string // the page to rewrite; "" = none
	rounds int
	turn   time.Duration
	starts int
}

func main() { measure.Main("benchdocs", func(ctx context.Context) error { return run(ctx, parse()) }) }

func parse() (o options) {
	flag.StringVar(&o.dir, "dir", "bin", "make files in a new folder in `DIR`, and remove it afterwards")
	flag.StringVar(&o.docs, "docs", "docs/benchmarks.md", "rewrite the measured part of `FILE`, if nothing was left out; empty = print only")
	flag.IntVar(&o.rounds, "rounds", 15, "take `N` turns of each load")
	flag.DurationVar(&o.turn, "turn", time.Second, "let a turn take `TIME`")
	flag.IntVar(&o.starts, "starts", 15, "start `N` times with the site and as often without")
	flag.Parse()
	return o
}

// complete reports whether the run measures all that the page shows.
func (o options) complete() bool { return o.rounds >= 15 && o.turn >= time.Second && o.starts >= 15 }

// bench is one run.
type bench struct {
	options
	dir, program string
}

func run(ctx context.Context, o options) error {
	return measure.Bench{Name: "benchdocs", Command: command, Dir: o.dir, Page: o.docs, Complete: o.complete()}.Run(ctx,
		func(ctx context.Context, dir string) (measure.Result, error) {
			b := &bench{options: o, dir: dir, program: filepath.Join(dir, "keypin")}
			text, err := b.measure(ctx)
			return measure.Result{Text: "\n" + text}, err
		})
}

// measure measures pages, then starts.
func (b *bench) measure(ctx context.Context) (string, error) {
	measure.Say("building the programs")
	for program, pkg := range map[string]string{b.program: "./cmd/keypin", filepath.Join(b.dir, "files"): "./test/benchdocs/files"} {
		if err := measure.Build(ctx, program, pkg); err != nil {
			return "", err
		}
	}
	pages, err := b.pages(ctx)
	if err != nil {
		return "", fmt.Errorf("measuring pages: %w", err)
	}
	start, err := b.start(ctx)
	if err != nil {
		return "", fmt.Errorf("measuring starts: %w", err)
	}
	return measure.Table(pages) + "\n" + start, nil
}
