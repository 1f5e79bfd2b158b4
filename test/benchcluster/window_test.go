package main

import (
	"testing"
	"time"
)

// evenly are so many admissions, one after the other.
func evenly(n int, from, gap time.Duration) (all []request) {
	for i := range n {
		begin := from + time.Duration(i)*gap
		all = append(all, request{begin, begin + time.Millisecond})
	}
	return all
}

func TestAWindowWithOneAdmissionTooManyIsFound(t *testing.T) {
	t.Parallel()
	fine := evenly(300, 0, time.Second) // 60 a minute
	if n := mostWithin(fine); n != 60 {
		t.Fatalf("%d within a minute, want 60", n)
	}
	for _, at := range []time.Duration{10 * time.Second, 100500 * time.Millisecond, 299 * time.Second} {
		planted := append([]request{{at, at}}, fine...) // in no order
		if n := mostWithin(planted); n != 61 {
			t.Errorf("one more at %v: %d within a minute, want 61", at, n)
		}
	}
}

func TestTheLimitTwiceAroundABoundaryIsFound(t *testing.T) {
	t.Parallel()
	// What a window that is fixed to the clock's minutes would admit.
	bursts := append(evenly(100, 59*time.Second, time.Millisecond), evenly(100, 60*time.Second, time.Millisecond)...)
	if n := mostWithin(bursts); n != 200 {
		t.Errorf("%d within a minute, want 200", n)
	}
}

func TestAnAdmissionThatMayHaveBeenOutsideAWindowIsNotCounted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		last request
		want int
	}{
		{request{59 * time.Second, minute - 1}, 2},
		{request{59 * time.Second, minute}, 1}, // it may have been admitted when it was answered
		{request{minute, minute}, 1},
	} {
		if n := mostWithin([]request{{0, time.Millisecond}, c.last}); n != c.want {
			t.Errorf("%v: %d within a minute, want %d", c.last, n, c.want)
		}
	}
}

func TestWhatIsAdmittedIsCountedFromTheFirstOnOverWholeMinutes(t *testing.T) {
	t.Parallel()
	const limit, minutes = 100, 3
	var bursts []request
	for m := range minutes + 1 {
		bursts = append(bursts, evenly(limit, 7*time.Second+time.Duration(m)*minute, time.Millisecond)...)
	}
	if got := fulfilled(bursts, limit, minutes); got != 1 {
		t.Errorf("%g, want all", got)
	}
	if got := fulfilled(bursts[:limit*minutes-30], limit, minutes); got != 0.9 {
		t.Errorf("%g, want 0.9: 30 were not admitted", got)
	}
	if got := fulfilled(nil, limit, minutes); got != 0 {
		t.Errorf("%g of nothing", got)
	}
}

func TestACycleIsAsLongAsALimitsWorthTakes(t *testing.T) {
	t.Parallel()
	var late []request // each burst comes half a second late
	for m := range 4 {
		late = append(late, evenly(10, time.Duration(m)*(minute+500*time.Millisecond), time.Millisecond)...)
	}
	if got := cycle(late, 10); got != minute+500*time.Millisecond {
		t.Errorf("%v, want 1m0.5s", got)
	}
	if got := cycle(late[:10], 10); got != 0 {
		t.Errorf("%v, though no cycle is whole", got)
	}
}
