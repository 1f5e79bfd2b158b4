package main

import (
	"bytes"
	"context"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/keypin/keypin/test/measure"
)

//go:embed requests.lua
var script []byte

const connections = 32

// requests are what wrk sends: all of one length, in a file.
type requests struct {
	file   string
	length int
	count  int
	once   bool // never the same one twice
}

// store puts requests, which must be of one length, into a file.
func store(file string, all []measure.Request) (requests, error) {
	length := len(all[0])
	for _, r := range all {
		if len(r) != length {
			return requests{}, errors.New("the requests are not of one length")
		}
	}
	return requests{file: file, length: length, count: len(all)}, os.WriteFile(file, slices.Concat(all...), 0o600)
}

// wrk is the client: on its processors, with so many threads.
type wrk struct {
	script  string
	cpus    string
	threads int
}

func newWrk(dir, cpus string, threads int) (wrk, error) {
	w := wrk{script: filepath.Join(dir, "requests.lua"), cpus: cpus, threads: threads}
	return w, os.WriteFile(w.script, script, 0o600)
}

// run sends the requests for some time, and refuses a turn in which not all were
// answered with 200.
func (w wrk) run(ctx context.Context, address string, r requests, long time.Duration) (measure.Sample, int, error) {
	args := []string{
		"--connections", strconv.Itoa(connections), "--threads", strconv.Itoa(w.threads),
		"--duration", strconv.Itoa(int(long.Seconds())) + "s", "--timeout", "10s", "--script", w.script,
		"http://" + address, "--", r.file, strconv.Itoa(r.length), strconv.Itoa(r.count / w.threads),
	}
	cmd := measure.Pinned(ctx, w.cpus, "wrk", args...)
	var diagnosis bytes.Buffer
	cmd.Stderr = &diagnosis
	out, err := cmd.Output()
	if err != nil {
		return measure.Sample{}, 0, fmt.Errorf("wrk: %w\n%s%s", err, diagnosis.Bytes(), out)
	}
	var shown struct{ Requests, Microseconds, Failed, Refused, P50, P99, Rewinds int }
	if err := json.Unmarshal(out[max(0, bytes.LastIndexByte(out, '{')):], &shown); err != nil {
		return measure.Sample{}, 0, fmt.Errorf("wrk said %q: %w", out, err)
	}
	switch {
	case shown.Requests == 0 || shown.Failed > 0 || shown.Refused > 0:
		return measure.Sample{}, 0, fmt.Errorf("of %d answers %d failed and %d were not a success", shown.Requests, shown.Failed, shown.Refused)
	case r.once && shown.Rewinds > 0:
		return measure.Sample{}, 0, fmt.Errorf("%d requests were not enough for a turn of %s", r.count, long)
	}
	return measure.Sample{
		Rate: float64(shown.Requests) / (float64(shown.Microseconds) / 1e6),
		P50:  time.Duration(shown.P50) * time.Microsecond,
		P99:  time.Duration(shown.P99) * time.Microsecond,
	}, shown.Requests, nil
}
