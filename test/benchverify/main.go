package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// command is how the page names this program.
const command = "go run ./test/benchverify"

const defaultKeys = 1_000_000

// options are what a run is told.
type options struct {
	dir    string // what a run needs goes into a folder that is made here and removed afterwards
	docs   string // the page to rewrite; "" = none
	keys   int
	rounds int
	turn   time.Duration
	cores  string
	node   bool // measure better-auth too
}

func main() {
	measure.Main("benchverify", func(ctx context.Context) error { return run(ctx, parse()) })
}

func parse() (o options) {
	flag.StringVar(&o.dir, "dir", "bin", "make databases in a new folder in `DIR`, and remove it afterwards")
	flag.StringVar(&o.docs, "docs", "docs/benchmarks.md", "rewrite the measured part of `FILE`, if nothing was left out; empty = print only")
	flag.IntVar(&o.keys, "keys", defaultKeys, "store `N` keys, a multiple of 1000")
	flag.IntVar(&o.rounds, "rounds", 5, "`N` turns for each comparison")
	flag.DurationVar(&o.turn, "turn", 4*time.Second, "a turn takes so long, in whole seconds")
	flag.StringVar(&o.cores, "cores", "1,2", "measure servers on so many cores, one `LIST` entry after the other")
	flag.BoolVar(&o.node, "better-auth", true, "measure better-auth too")
	flag.Parse()
	return o
}

// complete reports whether the run measures all that the page shows.
func (o options) complete() bool {
	return o.keys == defaultKeys && o.cores == "1,2" && o.node && o.rounds >= 5 && o.turn >= 4*time.Second
}

// bench is one run.
type bench struct {
	options
	dir     string
	unknown int // how many blocks of unknown keys were presented
}

func run(ctx context.Context, o options) error {
	return measure.Bench{Name: "benchverify", Command: command, Dir: o.dir, Page: o.docs, Complete: o.complete()}.Run(ctx,
		func(ctx context.Context, dir string) (measure.Result, error) {
			b := &bench{options: o, dir: dir}
			parts, rows, err := b.measure(ctx)
			return measure.Result{Text: parts + "\n\n" + measure.Table(rows)}, err
		})
}

// measure measures with each number of cores, and tells the versions of what is
// compared.
func (b *bench) measure(ctx context.Context) (parts string, rows []measure.Row, err error) {
	var all []cores
	for text := range strings.SplitSeq(b.cores, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > runtime.NumCPU() {
			return "", nil, fmt.Errorf("-cores: %q is not a number of cores of this machine, which has %d", text, runtime.NumCPU())
		}
		all = append(all, coresOf(n))
	}
	measure.Say("building the programs")
	for name, pkg := range map[string]string{"keypin": "./cmd/keypin", "ceiling": measure.BareHandler} {
		if err := measure.Build(ctx, filepath.Join(b.dir, name), pkg); err != nil {
			return "", nil, err
		}
	}
	keypin, err := b.serve(ctx)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, keypin.Stop()) }()
	parts = "Load by " + version(ctx, "wrk", "--version") + "."
	var other *betterAuth
	if b.node {
		measure.Say("setting up better-auth")
		if other, err = b.startBetterAuth(ctx); err != nil {
			return "", nil, err
		}
		defer func() { err = errors.Join(err, other.stop()) }()
		parts += " " + other.versions(ctx)
	}
	for _, c := range all {
		measure.Say("measuring servers on %s", c)
		measured, err := b.compare(ctx, c, keypin, other)
		if err != nil {
			return "", nil, fmt.Errorf("on %s: %w", c, err)
		}
		rows = append(rows, measured...)
	}
	return parts, rows, nil
}

// version is the first line of what a program says about itself.
func version(ctx context.Context, program string, args ...string) string {
	out, _ := exec.CommandContext(ctx, program, args...).CombinedOutput() //nolint:gosec // what is asked are programs of ours; wrk says it and fails
	line, _, _ := strings.Cut(string(out), "\n")
	line, _, _ = strings.Cut(line, " Copyright")
	return line
}

// cores are where a server runs, and where its client does.
type cores struct {
	n              int
	server, client string // as taskset names them
}

// coresOf gives the server the first n cores, and the client those that are left,
// or all when none is.
func coresOf(n int) cores {
	last := runtime.NumCPU() - 1
	c := cores{n: n, server: fmt.Sprintf("0-%d", n-1), client: fmt.Sprintf("%d-%d", n, last)}
	if n > last {
		c.client = fmt.Sprintf("0-%d", last)
	}
	return c
}

func (c cores) String() string {
	if c.n == 1 {
		return "1 core"
	}
	return fmt.Sprintf("%d cores", c.n)
}

func (c cores) environment() []string {
	return []string{"PATH=" + os.Getenv("PATH"), fmt.Sprintf("GOMAXPROCS=%d", c.n)}
}
