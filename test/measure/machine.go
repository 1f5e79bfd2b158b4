package measure

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Machine is where and when a run took place.
type Machine struct {
	date, commit, goVersion, kernel string
	cpu, memory, disk               string
}

// Inspect describes the machine, with the file system of dir. It refuses one in
// memory: nothing is durable there.
func Inspect(ctx context.Context, dir string, now time.Time) (Machine, error) {
	m := Machine{date: now.UTC().Format("2006-01-02 15:04 UTC"), goVersion: strings.TrimPrefix(runtime.Version(), "go"), commit: commit(ctx)}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return m, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return m, err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return m, fmt.Errorf("this measures on Linux only: %w", err)
	}
	kind, source := mountOf(string(mounts), dir)
	if kind == "tmpfs" || kind == "ramfs" {
		return m, fmt.Errorf("%s lies in memory (%s), where nothing is durable: name a folder on a disk with -dir", dir, kind)
	}
	m.disk = fmt.Sprintf("%s on %s", kind, source)
	m.cpu = fmt.Sprintf("%s, %d cores (%s)", field("/proc/cpuinfo", "model name"), runtime.NumCPU(), runtime.GOARCH)
	var kibibytes float64
	if _, err := fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kibibytes); err != nil {
		return m, fmt.Errorf("reading the size of the memory: %w", err)
	}
	m.memory = fmt.Sprintf("%.0f GiB", kibibytes/(1<<20))
	m.kernel = strings.TrimSpace(content("/proc/sys/kernel/osrelease"))
	return m, nil
}

// Heading says where, when and how a run took place, in lines of the page.
func (m Machine) Heading(command string, took time.Duration, others float64) string {
	return fmt.Sprintf("Measured %s with `%s`, in %s, at commit %s.\n", m.date, command, took.Round(time.Second), m.commit) +
		fmt.Sprintf("%s; %s of memory; data on %s; Linux %s; Go %s.\n", m.cpu, m.memory, m.disk, m.kernel, m.goVersion) +
		fmt.Sprintf("Other processes took %.0f %% of the processors' time during the run.\n", 100*others)
}

// commit is git's name of the tree that is measured.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	name, dirty := strings.CutSuffix(strings.TrimSpace(string(out)), "-dirty")
	if dirty {
		name += ", with changes that are not committed"
	}
	return name
}

// mountOf finds the file system that holds dir (proc(5), mountinfo).
func mountOf(mounts, dir string) (kind, source string) {
	longest := -1
	for line := range strings.Lines(mounts) {
		before, after, ok := strings.Cut(line, " - ")
		mount, fs := strings.Fields(before), strings.Fields(after)
		if !ok || len(mount) < 5 || len(fs) < 2 {
			continue
		}
		point := strings.TrimSuffix(mount[4], "/")
		if len(point) >= longest && (dir == point || strings.HasPrefix(dir, point+"/")) {
			longest, kind, source = len(point), fs[0], fs[1]
		}
	}
	return kind, source
}

// field is the first value under the name in a file of /proc; "unknown" when there is
// none.
func field(file, name string) string {
	for line := range strings.Lines(content(file)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func content(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	return string(text)
}

// Usage is processor time since some instant that does not matter: of everything, and
// of this process with the children that it has waited for.
type Usage struct{ all, own time.Duration }

// Used reads it.
func Used() (u Usage, err error) {
	var user, nice, system, idle, iowait, irq, softirq, steal int64 // in hundredths of a second
	if _, err := fmt.Sscanf(content("/proc/stat"), "cpu %d %d %d %d %d %d %d %d",
		&user, &nice, &system, &idle, &iowait, &irq, &softirq, &steal); err != nil {
		return u, fmt.Errorf("reading the processors' time: %w", err)
	}
	u.all = time.Duration(user+nice+system+irq+softirq+steal) * 10 * time.Millisecond
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			return u, fmt.Errorf("reading the time that was used: %w", err)
		}
		u.own += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return u, nil
}

// Disturbed is the share of the processors that others took in the time from begin
// to end.
func Disturbed(begin, end Usage, took time.Duration) float64 {
	others := (end.all - begin.all) - (end.own - begin.own)
	return max(0, others.Seconds()/took.Seconds()/float64(runtime.NumCPU()))
}
