package node

import (
	"testing"
	"time"
)

func TestANodeThatHasNotPingedYetKnowsNothing(t *testing.T) {
	t.Parallel()
	if asOf := new(Node).AsOf(time.Now()); !asOf.IsZero() {
		t.Errorf("as of %s", asOf)
	}
}

func TestAsOfCostsNoAllocation(t *testing.T) {
	n := &Node{}
	n.last.Store(&proof{began: time.Now()})
	now := time.Now()
	if allocations := testing.AllocsPerRun(100, func() { n.AsOf(now) }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func BenchmarkAsOf(b *testing.B) {
	n := &Node{}
	n.last.Store(&proof{began: time.Now()})
	now := time.Now()
	for b.Loop() {
		n.AsOf(now)
	}
}

func BenchmarkNow(b *testing.B) {
	for b.Loop() {
		_ = time.Now()
	}
}
