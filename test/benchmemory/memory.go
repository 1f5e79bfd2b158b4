package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keypin/keypin/test/measure"
	"github.com/keypin/keypin/test/measure/bulk"
)

const (
	clients    = 16
	memoryAim  = 512 << 20
	mebibyte   = 1 << 20
	verifyPath = "/api/v1/api-keys/verify"
)

// memory measures with keys without a limit, which is the default, and with one.
func (b *bench) memory(ctx context.Context) (rows []row, err error) {
	for _, limit := range []int{0, rateLimit} {
		more, err := b.memoryOf(ctx, limit)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// memoryOf verifies every key of a million, so many times, and looks at what the process
// holds then.
func (b *bench) memoryOf(ctx context.Context, limit int) (rows []row, err error) {
	which := "without a limit"
	if limit > 0 {
		which = fmt.Sprintf("with a limit of %d per minute", limit)
	}
	s := &measure.Server{Program: b.program, Dir: filepath.Join(b.dir, fmt.Sprintf("hot-%d", limit)), Data: true}
	if b.cacheBytes != "" {
		s.Env = append(s.Env, "KEYPIN_CACHE_MAX_BYTES="+b.cacheBytes)
	}
	if err := s.Start(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	measure.Say("storing %d keys %s", b.hot, which)
	if err := bulk.Stock(ctx, s, b.hot, limit); err != nil {
		return nil, err
	}
	idle, _, err := measure.Resident(s.PID())
	if err != nil {
		return nil, err
	}
	var last lookups
	var took time.Duration
	for round := range b.rounds {
		before, err := countedLookups(ctx, s)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if err := verifyAll(ctx, s, b.hot); err != nil {
			return nil, fmt.Errorf("round %d: %w", round+1, err)
		}
		took = time.Since(began)
		after, err := countedLookups(ctx, s)
		if err != nil {
			return nil, err
		}
		last = lookups{after.hits - before.hits, after.misses - before.misses}
		now, most, err := measure.Resident(s.PID())
		if err != nil {
			return nil, err
		}
		measure.Say("round %d: %.0f s, %s (at most %s), hits %s", round+1, took.Seconds(), size(now), size(most), last)
	}
	now, most, err := measure.Resident(s.PID())
	if err != nil {
		return nil, err
	}
	what := fmt.Sprintf("resident memory, %s distinct keys in use, %s", measure.Grouped(b.hot), which)
	return []row{
		{what, fmt.Sprintf("%s (at most %s during the run)", size(now), size(most)), "before the first request: " + size(idle), measure.Judged("≤ "+size(memoryAim), now <= memoryAim)},
		{fmt.Sprintf("cache hits in round %d, %s", b.rounds, which), last.String(), fmt.Sprintf("%s verifications/s by %d clients", measure.Grouped(int(float64(b.hot)/took.Seconds())), clients), "–"},
	}, nil
}

// verifyAll verifies the first n keys, once each, and insists that all are valid.
func verifyAll(ctx context.Context, s *measure.Server, n int) error {
	var next atomic.Int64
	errs := make([]error, clients)
	var running sync.WaitGroup
	for i := range clients {
		running.Go(func() {
			c, err := measure.Dial(ctx, s.DataAddress)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			for block := int(next.Add(1)) - 1; block < n/bulk.BlockSize && errs[i] == nil; block = int(next.Add(1)) - 1 {
				errs[i] = errors.Join(verifyBlock(c, s.DataAddress, block), ctx.Err())
			}
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

func verifyBlock(c *measure.Connection, address string, block int) error {
	secrets, err := bulk.Stored.Block(block)
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		body := fmt.Sprintf(`{"key":%q,"scopes":["workflows:read"],"client_ip":"192.0.2.1"}`, secret)
		answer, err := c.Do(measure.NewRequest(address, "", http.MethodPost, verifyPath, body), http.StatusOK)
		if err != nil {
			return err
		}
		if !bytes.Contains(answer, []byte(`"valid":true`)) {
			return fmt.Errorf("a key is not valid: %s", answer)
		}
	}
	return nil
}

func size(bytes int) string { return fmt.Sprintf("%d MiB", (bytes+mebibyte/2)/mebibyte) }

// lookups are what the cache answered and what it did not.
type lookups struct{ hits, misses float64 }

func (l lookups) String() string {
	if l.hits+l.misses == 0 {
		return "not counted"
	}
	return fmt.Sprintf("%.2f %%", 100*l.hits/(l.hits+l.misses))
}

// countedLookups reads the metrics of the cache.
func countedLookups(ctx context.Context, s *measure.Server) (l lookups, err error) {
	text, err := measure.Metrics(ctx, s.DataAddress)
	if err != nil {
		return l, err
	}
	return lookupsOf(text)
}

// lookupsOf finds how many checks were answered, and how many of them had the cache ask
// the database.
func lookupsOf(metrics string) (l lookups, err error) {
	checks := 0.0
	for line := range strings.Lines(metrics) {
		name, figure, ok := strings.Cut(strings.TrimSpace(line), " ")
		into := &checks
		switch {
		case ok && strings.HasPrefix(name, "keypin_verifications_total{"):
		case ok && name == "keypin_cache_loads_total":
			into = &l.misses
		default:
			continue
		}
		n, err := strconv.ParseFloat(figure, 64)
		if err != nil {
			return l, fmt.Errorf("a counter that cannot be read: %w", err)
		}
		*into += n
	}
	l.hits = checks - l.misses
	return l, nil
}
