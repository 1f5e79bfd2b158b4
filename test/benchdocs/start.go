package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/keypin/keypin/test/measure"
)

const patience = 60 * time.Second

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
			if took[docs], err = b.startOnce(ctx, docs); err != nil {
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
	verdict := "met"
	middle := more[len(more)/2]
	if middle > startAim {
		verdict = "**missed**"
	}
	return fmt.Sprintf("| what | with the site | without | the site's part (least–most) | aim |\n|---|---|---|---|---|\n"+
		"| start to ready, %d times | %s | %s | %s (%s–%s) | ≤ 150 ms: %s |\n",
		b.starts, measure.Milliseconds(with[len(with)/2]), measure.Milliseconds(without[len(without)/2]),
		signed(middle), signed(more[0]), signed(more[len(more)-1]), verdict), nil
}

func signed(d time.Duration) string {
	if d < 0 {
		return "−" + measure.Milliseconds(-d)
	}
	return measure.Milliseconds(d)
}

// startOnce is the time from the process's start to the first 200 of /ready.
func (b *bench) startOnce(ctx context.Context, docs bool) (took time.Duration, err error) {
	address, err := measure.FreeAddress(ctx)
	if err != nil {
		return 0, err
	}
	cmd := measure.Pinned(ctx, "", b.program, "serve", "--listen", address, "--data-listen", "", "--data-dir", filepath.Join(b.dir, "starts"))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), fmt.Sprintf("KEYPIN_DOCS=%v", docs)}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()) }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		_, err := fetch(ctx, address, measure.NewRequest(address, "", http.MethodGet, "/ready", ""))
		switch {
		case err == nil:
			return time.Since(began), nil
		case time.Since(began) > patience:
			return 0, fmt.Errorf("the program is not ready: %w", err)
		}
	}
	return 0, nil // the ticker does not end
}
