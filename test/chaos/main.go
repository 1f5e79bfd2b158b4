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
	"syscall"
	"time"

	"github.com/keypin/keypin/test/chaos/check"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := command(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, out io.Writer) error {
	o := options{nodes: 3, out: out}
	flag.StringVar(&o.program, "program", "bin/keypin", "the `FILE` to run")
	flag.StringVar(&o.file, "log", "", "the `FILE` of the log (default one in the folder for temporary files)")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "what is drawn: a `NUMBER`, which a run prints")
	short := flag.Bool("short", false, "two faults of every family only")
	mode := flag.String("mode", string(check.Local), "what nodes do about limits without Redis: `local`, deny or allow")
	flag.StringVar(&o.only, "only", "", "break only what has this `TEXT` in its name, a dozen times")
	flag.DurationVar(&o.wait, "wait", 0, "how `LONG` to wait before the first fault (in deny mode 65s more)")
	judge := flag.String("judge", "", "judge the log in this `FILE` again, and run nothing")
	flag.Parse()
	o.long, o.mode = !*short, check.Mode(*mode)
	if *judge != "" {
		return again(out, *judge)
	}
	if o.mode == check.Deny { // a Redis that is new counts as one that has lost what it knew
		o.wait += 65 * time.Second
	}
	if o.file == "" {
		o.file = filepath.Join(os.TempDir(), fmt.Sprintf("keypin-chaos-%d.jsonl", o.seed))
	}
	say(out, "seed %d, mode %s, log %s\n", o.seed, o.mode, o.file)
	entries, found, err := run(ctx, o)
	if err != nil {
		return fmt.Errorf("%w (seed %d)", err, o.seed)
	}
	if err := verdict(out, entries, found); err != nil {
		return fmt.Errorf("%w: make chaos SEED=%d runs the same faults again", err, o.seed)
	}
	return nil
}

// again judges a log that there is.
func again(out io.Writer, file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	entries, err := check.Read(f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return verdict(out, entries, check.Log(entries))
}

var errViolated = errors.New("what Keypin promises was violated")

// verdict says what a run did and what was wrong with it.
func verdict(out io.Writer, entries []check.Entry, found []check.Violation) error {
	err := summarise(out, entries)
	if len(found) > 0 {
		tell(out, found)
		return errors.Join(errViolated, err)
	}
	if err == nil {
		say(out, "no violation\n")
	}
	return err
}
