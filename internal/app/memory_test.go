package app

import "testing"

func TestAHeapMayGrowByItsSlackOrByAShare(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 3200, 4 << 20: 3200, 128 << 20: 100, 320 << 20: 40, 1 << 30: 40} {
		if got := growth(live); got != want {
			t.Errorf("%d live bytes may grow by %d %%, want %d", live, got, want)
		}
	}
}
