package measure

import (
	"os"
	"testing"
	"time"
)

func TestTheTimesOfAProcessAreFoundWhateverItsName(t *testing.T) {
	t.Parallel()
	const line = "42 (a ) 7 (b) S 7 42 42 0 -1 4194560 1 2 3 4 100 20 3000 400 20 0 1 0 5 6 7 8"
	got, err := parseStat(line)
	if want := (process{parent: 7, own: 1200 * time.Millisecond, ended: 34 * time.Second}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if _, err := parseStat("42 (name) S 7"); err == nil {
		t.Error("a line that is cut off was read")
	}
}

func TestAProcessUsesNoLessWithItsChildren(t *testing.T) {
	t.Parallel()
	alone, err := ProcessorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if all, err := ProcessorTimeWithChildren(os.Getpid()); err != nil || all < alone {
		t.Errorf("%v with children, %v without: %v", all, alone, err)
	}
	if _, err := ProcessorTime(-1); err == nil {
		t.Error("no process has used time")
	}
}
