package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// A heap of so many bytes and more is mostly keys that stay: letting it grow by
	// leanPercent before it is collected, not by its own size, halves what it takes.
	leanFrom       = 128 << 20
	leanPercent    = 40
	defaultPercent = 100
	memoryEvery    = 5 * time.Second
)

// keepLean sets how far the heap may grow between collections by what lives in it, until
// ctx ends. It leaves that alone where the operator has set GOGC or GOMEMLIMIT.
func keepLean(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	defer debug.SetGCPercent(defaultPercent)
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(live)
		percent := defaultPercent
		if live[0].Value.Uint64() >= leanFrom {
			percent = leanPercent
		}
		debug.SetGCPercent(percent)
	}
}
