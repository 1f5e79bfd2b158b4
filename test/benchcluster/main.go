package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// command is how the page names this program.
const command = "go run ./test/benchcluster"

const allParts = "idle,revoke,cpu,calls,limits"

const (
	defaultRevocations = 10_000
	defaultLukewarm    = 10_000
)

// options are what a run is told.
type options struct {
	program     string // "" = build it
	dir         string // programs are built in a folder that is made here and removed afterwards
	page        string // the page to rewrite; "" = none
	only        string // some of allParts
	rounds      int
	turn        time.Duration
	rate        int
	revocations int
	lukewarm    int
	minutes     int
}

func main() {
	measure.Main("benchcluster", func(ctx context.Context) error { return run(ctx, parse()) })
}

func parse() (o options) {
	flag.StringVar(&o.program, "program", "", "measure this `FILE`; empty = build keypin, and only then the page is rewritten")
	flag.StringVar(&o.dir, "dir", "bin", "build the programs in a new folder in `DIR`, and remove it afterwards")
	flag.StringVar(&o.page, "page", "docs/benchmarks.md", "rewrite the measured part of `FILE`, if nothing was left out; empty = print only")
	flag.StringVar(&o.only, "only", allParts, "measure only these `PARTS`")
	flag.IntVar(&o.rounds, "rounds", 5, "`N` turns for each number of nodes")
	flag.DurationVar(&o.turn, "turn", 4*time.Second, "a turn takes so long")
	flag.IntVar(&o.rate, "rate", defaultRate, "verify `N` times a second at each node in a turn")
	flag.IntVar(&o.revocations, "revocations", defaultRevocations, "revoke `N` keys")
	flag.IntVar(&o.lukewarm, "lukewarm", defaultLukewarm, "ask about `N` keys now and then")
	flag.IntVar(&o.minutes, "minutes", defaultMinutes, "look at limits for `N` whole minutes")
	flag.Parse()
	return o
}

// complete reports whether the run measures all that the page shows.
func (o options) complete() bool {
	return o.program == "" && o.only == allParts && o.rounds >= 5 && o.turn >= 4*time.Second && o.rate == defaultRate &&
		o.revocations == defaultRevocations && o.lukewarm == defaultLukewarm && o.minutes >= defaultMinutes
}

func (o options) validate() error {
	for part := range strings.SplitSeq(o.only, ",") {
		if !slices.Contains(strings.Split(allParts, ","), part) {
			return fmt.Errorf("-only: %q is not one of %s", part, allParts)
		}
	}
	if min(o.rounds, o.rate, o.revocations, o.lukewarm) < 1 || o.minutes < 2 || o.turn < time.Second {
		return errors.New("-rounds, -rate, -revocations and -lukewarm must be at least 1, -minutes 2, and -turn 1s")
	}
	return nil
}

// bench is one run.
type bench struct {
	options
	*service
	bare string // the program of the bare handler
}

func run(ctx context.Context, o options) error {
	if err := o.validate(); err != nil {
		return err
	}
	return measure.Bench{Name: "benchcluster", Command: command, Dir: o.dir, Page: o.page, Complete: o.complete()}.Run(ctx,
		func(ctx context.Context, dir string) (measure.Result, error) {
			b := &bench{options: o}
			parts, rows, err := b.measure(ctx, dir)
			return measure.Result{Text: parts + "\n\n" + table(rows)}, err
		})
}

// measure measures what is asked for, and tells the versions of what keypin stands on.
func (b *bench) measure(ctx context.Context, dir string) (parts string, rows []row, err error) {
	measure.Say("building the programs")
	b.bare = filepath.Join(dir, "bare")
	if err := measure.Build(ctx, b.bare, measure.BareHandler); err != nil {
		return "", nil, err
	}
	if b.program == "" {
		b.program = filepath.Join(dir, "keypin")
		if err := measure.Build(ctx, b.program, "./cmd/keypin"); err != nil {
			return "", nil, err
		}
	}
	measure.Say("starting PostgreSQL, Redis and %d nodes", nodeCount)
	if b.service, err = start(ctx, b.program); err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, b.Stop()) }()
	if parts, err = b.versions(ctx); err != nil {
		return "", nil, err
	}
	// The first two need no limits, which the nodes do not leave to a new Redis alone.
	for _, part := range []struct {
		name    string
		measure func(context.Context) ([]row, error)
	}{{"idle", b.idle}, {"revoke", b.revoke}, {"cpu", b.processors}, {"calls", b.calls}, {"limits", b.limits}} {
		if !slices.Contains(strings.Split(b.only, ","), part.name) {
			continue
		}
		measure.Say("measuring: %s", part.name)
		measured, err := part.measure(ctx)
		if err != nil {
			return "", nil, fmt.Errorf("measuring %s: %w", part.name, err)
		}
		if failed, err := b.redisFailures(ctx); failed > 0 || err != nil {
			return "", nil, errors.Join(fmt.Errorf("measuring %s: %d calls of Redis failed, so that limits were kept without it: this machine is too busy", part.name, failed), err)
		}
		rows = append(rows, measured...)
	}
	return parts, rows, nil
}

// versions are those of the engines.
func (b *bench) versions(ctx context.Context) (string, error) {
	postgres, err := b.Postgres.Query(ctx, "postgres", "SHOW server_version")
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, "redis-server", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("asking Redis for its version: %w", err)
	}
	_, redis, _ := strings.Cut(string(out), "v=")
	redis, _, _ = strings.Cut(redis, " ")
	return fmt.Sprintf("PostgreSQL %s, Redis %s.", postgres, redis), nil
}
