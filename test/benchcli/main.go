package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// command is how the page names this program.
const command = "go run ./test/benchcli"

// soon is how soon the help should be there.
const soon = 30 * time.Millisecond

// options are what a run is told.
type options struct {
	dir    string // the programs are built in a folder that is made here and removed afterwards
	docs   string // the page to rewrite; "" = none
	turns  int
	starts int
}

const defaultTurns = 25

func main() { measure.Main("benchcli", func(ctx context.Context) error { return run(ctx, parse()) }) }

func parse() (o options) {
	flag.StringVar(&o.dir, "dir", "bin", "build in a new folder in `DIR`, and remove it afterwards")
	flag.StringVar(&o.docs, "docs", "docs/benchmarks.md", "rewrite the measured part of `FILE`; empty = print only")
	flag.IntVar(&o.turns, "turns", defaultTurns, "`N` turns; the page is not rewritten for fewer than usual")
	flag.IntVar(&o.starts, "starts", 20, "start each program `N` times in a turn")
	flag.Parse()
	return o
}

func run(ctx context.Context, o options) error {
	return measure.Bench{Name: "benchcli", Command: command, Dir: o.dir, Page: o.docs, Complete: o.turns >= defaultTurns}.Run(ctx,
		func(ctx context.Context, dir string) (measure.Result, error) {
			measure.Say("building the programs")
			if err := build(ctx, dir); err != nil {
				return measure.Result{}, err
			}
			measure.Say("starting them")
			text, err := compare(ctx, o, dir)
			return measure.Result{Text: "\n" + text}, err
		})
}

func build(ctx context.Context, dir string) error {
	for name, pkg := range map[string]string{"keypin": "./cmd/keypin", "empty": "./test/benchcli/empty"} {
		if err := measure.Build(ctx, filepath.Join(dir, name), pkg); err != nil {
			return err
		}
	}
	return nil
}

// compare starts the programs in turns and makes the table.
func compare(ctx context.Context, o options, dir string) (string, error) {
	nothing, err := exec.LookPath("true")
	if err != nil {
		return "", err
	}
	keypin := filepath.Join(dir, "keypin")
	programs := [][]string{
		{nothing}, {filepath.Join(dir, "empty")}, {keypin, "--help"}, {keypin, "keys", "create", "--help"},
		{keypin, "__complete", "keys", "ro"}, {keypin, "profile", "list"},
	}
	loads := make([]measure.Load, len(programs))
	for i, p := range programs {
		loads[i] = measure.Load{Clients: 1, Most: o.starts, Client: func(context.Context, int) (func() error, func(), error) {
			return func() error { return start(ctx, dir, p) }, func() {}, nil
		}}
	}
	samples, err := measure.Turns(ctx, o.turns, patience, loads...)
	if err != nil {
		return "", err
	}
	var rows []measure.Row
	for i, p := range programs[2:] {
		what := strings.Join(append([]string{"keypin"}, p[1:]...), " ")
		for j, other := range []string{"`true`", "a Go program that does nothing"} {
			rows = append(rows, measure.Row{What: "`" + what + "`", Figure: measure.Milliseconds(measure.Median(samples[i+2], measure.P50)),
				Against: other + ", " + measure.Milliseconds(measure.Median(samples[j], measure.P50)), Ratio: measure.RatioOf(samples[i+2], samples[j], measure.P50)})
		}
	}
	help := measure.Median(samples[2], measure.P50)
	return measure.Table(rows) + fmt.Sprintf("\nThe help is there in %s (%s).\n", measure.Milliseconds(help), measure.Judged("≤ "+measure.Milliseconds(soon), help <= soon)), nil
}

// patience bounds a turn of starts.
const patience = time.Minute

// start runs a program from its start to its end.
func start(ctx context.Context, home string, program []string) error {
	cmd := exec.CommandContext(ctx, program[0], program[1:]...) //nolint:gosec // the programs are named above
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(program, " "), err)
	}
	return nil
}
