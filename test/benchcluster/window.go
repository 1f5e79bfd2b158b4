package main

import (
	"slices"
	"time"
)

// minute is the window of the limits.
const minute = time.Minute

// mostWithin is the highest number of admissions that certainly lie in one window of a
// minute. Each took place at some instant between its begin and its end, so those that
// count are the ones that began and ended in it (test/chaos/check judges alike). A window
// that begins with no admission holds no more than one that begins with the next.
func mostWithin(admitted []request) (most int) {
	sorted := slices.Clone(admitted)
	slices.SortFunc(sorted, func(a, b request) int { return int(a.begin - b.begin) })
	for i, r := range sorted {
		within := 0
		for _, other := range sorted[i:] {
			if other.begin >= r.begin+minute {
				break
			}
			if other.end < r.begin+minute {
				within++
			}
		}
		most = max(most, within)
	}
	return most
}

// fulfilled is how much of a limit was admitted in so many whole minutes from the first
// admission on, of what may be.
func fulfilled(admitted []request, limit, minutes int) float64 {
	if len(admitted) == 0 {
		return 0
	}
	begin := func(a, b request) int { return int(a.begin - b.begin) }
	end := slices.MinFunc(admitted, begin).begin + time.Duration(minutes)*minute
	n := 0
	for _, r := range admitted {
		if r.begin < end {
			n++
		}
	}
	return float64(n) / float64(limit*minutes)
}

// cycle is how long a limit's worth of admissions takes on average: a minute if nothing
// that may be admitted is not. It counts whole ones from the first admission; 0 = there
// was none.
func cycle(admitted []request, limit int) time.Duration {
	sorted := slices.Clone(admitted)
	slices.SortFunc(sorted, func(a, b request) int { return int(a.begin - b.begin) })
	whole := (len(sorted) - 1) / limit
	if whole < 1 {
		return 0
	}
	return (sorted[whole*limit].begin - sorted[0].begin) / time.Duration(whole)
}
