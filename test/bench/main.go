package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, parse(), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

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
	program  string
	dir      string
	progress io.Writer
}

func run(ctx context.Context, o options, out, progress io.Writer) (err error) {
	began := time.Now()
	machine, err := measure.Inspect(ctx, o.dir, began)
	if err != nil {
		return err
	}
	before, err := measure.Used()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(o.dir, "bench-")
	if err != nil {
		return fmt.Errorf("making a folder for the databases: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, dir: dir, program: filepath.Join(dir, "keypin"), progress: progress}
	rows, err := b.measure(ctx)
	if err != nil {
		return err
	}
	after, err := measure.Used()
	if err != nil {
		return err
	}
	took := time.Since(began)
	text := machine.Heading(command, took, measure.Disturbed(before, after, took)) + "\n" + measure.Table(rows)
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if o.docs == "" || o.parts != allParts || o.manyKeys != defaultKeys {
		return nil
	}
	return measure.Rewrite(o.docs, command, text)
}

// measure measures the parts that are asked for.
func (b *bench) measure(ctx context.Context) (rows []measure.Row, err error) {
	b.say("building the program")
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

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, format+"\n", args...) // nobody is left to tell
}
