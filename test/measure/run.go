package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Bench is a run of a benchmark.
type Bench struct {
	Name    string // such as benchmemory
	Command string // how the page says that it is run
	Dir     string // what a run needs goes into a folder that is made here and removed afterwards
	Page    string // the page to rewrite; "" = none
	// Complete says that all is measured that the page shows. Else it is not rewritten.
	Complete bool
}

// Result is what a run found.
type Result struct {
	// Text is the part of the page below the heading: first what else was measured on, in
	// lines, then the tables.
	Text string
	// Machine is what it was measured on, when that is not seen from Bench.Dir.
	Machine *Machine
}

// Main runs a benchmark until it is done or interrupted. It ends the process with 1 if
// that fails.
func Main(name string, run func(context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, name+":", err)
		os.Exit(1)
	}
}

// Say tells people how far a run is.
func Say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, format+"\n", args...) // nobody is left to tell
}

// Run measures in a folder of its own, whose path is absolute, prints what was found and
// writes it into the page.
func (b Bench) Run(ctx context.Context, measure func(ctx context.Context, dir string) (Result, error)) (err error) {
	began := time.Now()
	machine, err := Inspect(ctx, b.Dir, began)
	if err != nil {
		return err
	}
	before, err := Used()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(b.Dir, b.Name+"-")
	if err != nil {
		return fmt.Errorf("making a folder for the run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	found, err := measure(ctx, dir)
	if err != nil {
		return err
	}
	after, err := Used()
	if err != nil {
		return err
	}
	if found.Machine != nil {
		machine = *found.Machine
	}
	took := time.Since(began)
	text := machine.Heading(b.Command, took, Disturbed(before, after, took)) + found.Text
	if _, err := fmt.Print(text); err != nil {
		return err
	}
	if b.Page == "" || !b.Complete {
		return nil
	}
	return Rewrite(b.Page, b.Command, text)
}
