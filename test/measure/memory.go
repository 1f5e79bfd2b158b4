package measure

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Resident is the memory that the process holds now, and the most that it has held.
func Resident(pid int) (now, most int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		into := map[string]*int{"VmRSS": &now, "VmHWM": &most}[name]
		if into == nil {
			continue
		}
		kibibytes, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		if err != nil {
			return 0, 0, fmt.Errorf("reading %s: %w", name, err)
		}
		*into = kibibytes << 10
	}
	if now == 0 || most == 0 {
		return 0, 0, errors.New("the system does not tell the memory of the program")
	}
	return now, most, nil
}
