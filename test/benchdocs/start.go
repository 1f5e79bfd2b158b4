package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/keypin/keypin/test/measure"
)

// startAim is how much later the program may be ready because of the site.
const startAim = 150 * time.Millisecond

// start compares starts with the site and without.
func (b *bench) start(ctx context.Context) (string, error) {
	var with, without, more []time.Duration
	for round := range b.starts + 1 {
		took := map[bool]time.Duration{}
		order := []bool{true, false}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, docs := range order {
			var err error
			if took[docs], err = measure.TimeStart(ctx, b.program, filepath.Join(b.dir, "starts"), fmt.Sprintf("KEYPIN_DOCS=%v", docs)); err != nil {
				return "", err
			}
		}
		if round == 0 { // makes the database
			continue
		}
		with, without, more = append(with, took[true]), append(without, took[false]), append(more, took[true]-took[false])
	}
	for _, all := range [][]time.Duration{with, without, more} {
		slices.Sort(all)
	}
	middle := more[len(more)/2]
	return fmt.Sprintf("| what | with the site | without | the site's part (least–most) | aim |\n|---|---|---|---|---|\n"+
		"| start to ready, %d times | %s | %s | %s (%s–%s) | %s |\n",
		b.starts, measure.Milliseconds(with[len(with)/2]), measure.Milliseconds(without[len(without)/2]),
		signed(middle), signed(more[0]), signed(more[len(more)-1]), measure.Judged("≤ 150 ms", middle <= startAim)), nil
}

func signed(d time.Duration) string {
	if d < 0 {
		return "−" + measure.Milliseconds(-d)
	}
	return measure.Milliseconds(d)
}
