package app

import "testing"

func TestAHeapMayGrowByItsSlackOrByAShare(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 800, 4 << 20: 800, 32 << 20: 100, 80 << 20: 40, 1 << 30: 40} {
		if got := growth(live); got != want {
			t.Errorf("%d live bytes may grow by %d %%, want %d", live, got, want)
		}
	}
}
