package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// slack is how many bytes of garbage may lie about before the heap is collected: a
	// small heap would else be collected again and again under load.
	slack = 32 << 20
	// leanPercent is by how much a large heap may grow instead. It is mostly keys that
	// stay, and would else take twice its size.
	leanPercent = 40
	memoryEvery = 5 * time.Second
)

// keepLean sets how far the heap may grow between collections by what lives in it, until
// ctx ends. It leaves that alone where the operator has set GOGC or GOMEMLIMIT.
func keepLean(ctx context.Context) {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for {
		metrics.Read(live)
		debug.SetGCPercent(growth(live[0].Value.Uint64()))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// growth is by how many percent a heap in which so many bytes live may grow.
func growth(live uint64) int {
	const least = 4 << 20 // what Go starts with
	return max(leanPercent, int(100*slack/max(live, least)))
}
