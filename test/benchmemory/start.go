package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/keypin/keypin/test/measure"
	"github.com/keypin/keypin/test/measure/bulk"
)

const (
	startAim = 2 * time.Second
	database = "keypin.db"
)

// start compares starts with millions of keys in the database with starts with none.
func (b *bench) start(ctx context.Context) ([]row, error) {
	empty, full := filepath.Join(b.dir, "empty"), filepath.Join(b.dir, "full")
	for _, dir := range []string{empty, full} {
		s := &measure.Server{Program: b.program, Dir: dir}
		if err := s.Start(ctx); err != nil {
			return nil, err
		}
		if dir == full {
			measure.Say("storing %d keys", b.stored)
			began := time.Now()
			if err := bulk.Stock(ctx, s, b.stored, rateLimit); err != nil {
				return nil, err
			}
			measure.Say("stored in %.0f s", time.Since(began).Seconds())
		}
		if err := s.Stop(); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(filepath.Join(full, database))
	if err != nil {
		return nil, err
	}
	measure.Say("the database has %s", size(int(info.Size())))
	var rows []row
	for _, cached := range []bool{true, false} {
		var none, many []time.Duration
		for range b.starts {
			for dir, taken := range map[string]*[]time.Duration{empty: &none, full: &many} {
				if !cached {
					if err := forget(ctx, filepath.Join(dir, database)); err != nil {
						return nil, err
					}
				}
				took, err := measure.TimeStart(ctx, b.program, dir)
				if err != nil {
					return nil, err
				}
				*taken = append(*taken, took)
			}
		}
		slices.Sort(none)
		slices.Sort(many)
		where := "read before"
		if !cached {
			where = "not in the system's cache"
		}
		rows = append(rows, row{
			what:    fmt.Sprintf("start to ready, %s keys, %s on disk, %s", measure.Grouped(b.stored), size(int(info.Size())), where),
			figure:  shown(many),
			against: fmt.Sprintf("an empty database: %s; ratio %s", shown(none), measure.Short(float64(middle(many))/float64(middle(none)))),
			aim:     measure.Judged("≤ 2 s", many[len(many)-1] <= startAim),
		})
	}
	return rows, nil
}

func middle(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

func shown(sorted []time.Duration) string {
	return fmt.Sprintf("%s (%s–%s)", measure.Milliseconds(middle(sorted)), measure.Milliseconds(sorted[0]), measure.Milliseconds(sorted[len(sorted)-1]))
}

// forget lets the system drop what it has of the file in memory, as it is after the
// machine's own start.
func forget(ctx context.Context, file string) error {
	out, err := exec.CommandContext(ctx, "dd", "if="+file, "iflag=nocache", "count=0").CombinedOutput() //nolint:gosec // the file is ours
	if err != nil {
		return fmt.Errorf("dropping %s from memory: %w\n%s", file, err, out)
	}
	return nil
}
