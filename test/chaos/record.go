package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/keypin/keypin/test/chaos/check"
)

// record is the log of a run, in memory and in a file. Its clock is the process's
// monotonic one.
type record struct {
	start time.Time

	mu      sync.Mutex
	entries []check.Entry
	file    *os.File
	buffer  *bufio.Writer
	err     error // of writing, kept until close
}

func newRecord(file string) (*record, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return &record{start: time.Now(), file: f, buffer: bufio.NewWriterSize(f, 1<<16)}, nil
}

// now is the time of the run.
func (r *record) now() time.Duration { return time.Since(r.start) }

func (r *record) add(e check.Entry) {
	text, err := json.Marshal(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
	if err == nil {
		_, err = r.buffer.Write(append(text, '\n'))
	}
	r.err = errors.Join(r.err, err)
}

// all are the entries so far.
func (r *record) all() []check.Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[:len(r.entries):len(r.entries)]
}

func (r *record) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.err, r.buffer.Flush(), r.file.Close())
}
