package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of times in /proc/PID/stat.
const tick = 10 * time.Millisecond

// process is what /proc tells of one.
type process struct {
	parent     int
	own, ended time.Duration // processor time: its own, and that of children it has waited for
}

// ProcessorTime is what the process has used of the processors since its start.
func ProcessorTime(pid int) (time.Duration, error) {
	p, err := processOf(pid)
	return p.own, err
}

// ProcessorTimeWithChildren is the same, with what its children have used, those that
// have ended included.
func ProcessorTimeWithChildren(pid int) (time.Duration, error) {
	p, err := processOf(pid)
	if err != nil {
		return 0, err
	}
	all := p.own + p.ended
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, stat := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		if err != nil {
			continue
		}
		if c, err := processOf(child); err == nil && c.parent == pid { // else it has ended meanwhile
			all += c.own + c.ended
		}
	}
	return all, nil
}

func processOf(pid int) (process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	return parseStat(string(text))
}

// parseStat reads a line of proc(5), /proc/pid/stat.
func parseStat(line string) (p process, err error) {
	// pid (name) state ppid …: the name may hold anything but ends at the last bracket.
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	var times [4]int64 // utime, stime, cutime, cstime
	if len(fields) < 15 {
		return p, fmt.Errorf("%q does not tell of a process", line)
	}
	if p.parent, err = strconv.Atoi(fields[1]); err != nil {
		return p, fmt.Errorf("the parent of a process: %w", err)
	}
	for i := range times {
		if times[i], err = strconv.ParseInt(fields[11+i], 10, 64); err != nil {
			return p, fmt.Errorf("the times of a process: %w", err)
		}
	}
	p.own, p.ended = time.Duration(times[0]+times[1])*tick, time.Duration(times[2]+times[3])*tick
	return p, nil
}
