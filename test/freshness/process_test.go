package freshness_test

import (
	"testing"
	"time"
	"unsafe"
)

// process is a node's machine and process: what may stand still while the world goes on.
type process struct {
	w *world
	// Of w.mu.
	stoppedUntil time.Time
	slept        time.Duration // the steady clock has missed
	stepped      time.Duration // the clock on the wall was set
	deaf         bool          // to the wall: a sabotage
}

// run returns when the process may run.
func (p *process) run() {
	for {
		p.w.mu.Lock()
		d := time.Until(p.stoppedUntil)
		p.w.mu.Unlock()
		if d <= 0 {
			return
		}
		time.Sleep(d)
	}
}

// now reads the process's clocks. The process may be stopped right after it.
func (p *process) now() time.Time {
	p.run()
	p.w.mu.Lock()
	steady := time.Since(p.w.began) - p.slept
	wall := time.Now().Add(p.stepped)
	if p.deaf {
		wall = p.w.began.Add(steady)
	}
	p.w.mu.Unlock()
	p.run()
	return reading(wall, steady+time.Second)
}

// reading makes what time.Now gives on a machine whose clocks say this. There is no
// other way to two clocks that disagree: package time has none, and within synctest
// time.Now has no steady part.
func reading(wall time.Time, steady time.Duration) time.Time {
	const (
		hasMonotonic = 1 << 63
		days1885     = 1884*365 + 1884/4 - 1884/100 + 1884/400
		days1970     = 1969*365 + 1969/4 - 1969/100 + 1969/400
	)
	var t time.Time
	fields := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	fields.wall = hasMonotonic | uint64(wall.Unix()+(days1970-days1885)*86400)<<30 | uint64(wall.Nanosecond())
	fields.ext = int64(steady)
	return t
}

func TestAReadingHasTwoClocks(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	a, b := reading(at, time.Hour), reading(at.Add(-time.Minute), time.Hour+time.Second)
	if steady, wall := b.Sub(a), b.Round(0).Sub(a.Round(0)); steady != time.Second || wall != -time.Minute || !a.Round(0).Equal(at) {
		t.Errorf("%s steady, %s on the wall, %s", steady, wall, a)
	}
}
