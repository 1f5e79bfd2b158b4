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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, parse(), os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchdocs:", err)
		os.Exit(1)
	}
}

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
	progress     io.Writer
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, format+"\n", args...) // nobody is left to tell
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
	dir, err := os.MkdirTemp(o.dir, "benchdocs-")
	if err != nil {
		return fmt.Errorf("making a folder for the files: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, dir: dir, program: filepath.Join(dir, "keypin"), progress: progress}
	b.say("building the programs")
	for program, pkg := range map[string]string{b.program: "./cmd/keypin", filepath.Join(dir, "files"): "./test/benchdocs/files"} {
		if err := measure.Build(ctx, program, pkg); err != nil {
			return err
		}
	}
	pages, err := b.pages(ctx)
	if err != nil {
		return fmt.Errorf("measuring pages: %w", err)
	}
	start, err := b.start(ctx)
	if err != nil {
		return fmt.Errorf("measuring starts: %w", err)
	}
	after, err := measure.Used()
	if err != nil {
		return err
	}
	took := time.Since(began)
	text := machine.Heading(command, took, measure.Disturbed(before, after, took)) + "\n" + measure.Table(pages) + "\n" + start
	if _, err := io.WriteString(out, text); err != nil {
		return err
	}
	if o.docs == "" || !o.complete() {
		return nil
	}
	return measure.Rewrite(o.docs, command, strings.TrimSuffix(text, "\n")+"\n")
}
