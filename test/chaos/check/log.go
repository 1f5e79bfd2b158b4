package check

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Kind says what an entry of the log tells.
type Kind string

// The kinds of entries.
const (
	Run       Kind = "run"       // the first entry: what the run was
	Check     Kind = "check"     // a key was checked
	Change    Kind = "change"    // a key was changed, or that was tried
	Fault     Kind = "fault"     // something was broken from Begin to End
	Recovered Kind = "recovered" // a node answered again as What says, at End
	Final     Kind = "final"     // at the end: a node's view of a key
)

// Mode is what the nodes do about limits without Redis.
type Mode string

// The modes.
const (
	Local Mode = "local"
	Deny  Mode = "deny"
	Allow Mode = "allow"
)

// What of a node has to be as before after a fault.
const (
	Verifies = "verify" // a good key is valid
	Creates  = "create" // a key can be made
	Fresh    = "fresh"  // it trusts what it remembers
	Limits   = "limits" // a key with a limit is judged by it
)

// Entry is one line of the log. Which fields say something depends on its kind.
type Entry struct {
	Kind  Kind          `json:"kind"`
	Begin time.Duration `json:"begin"` // nanoseconds of the run
	End   time.Duration `json:"end"`
	Node  int           `json:"node"` // from 0
	Door  string        `json:"door,omitempty"`

	// Of checks, changes and final views. Each key has one plaintext, so that its id
	// names both.
	Key        string   `json:"key,omitempty"`
	Needs      []string `json:"needs,omitempty"` // scopes
	Status     int      `json:"status,omitempty"`
	Code       string   `json:"code,omitempty"`
	RetryAfter bool     `json:"retry_after,omitempty"`
	Error      string   `json:"error,omitempty"` // why there is no answer

	// Of changes: what it is, and what it sets. A creation and a rotation make New.
	Change string  `json:"change,omitempty"`
	Sets   *State  `json:"sets,omitempty"`
	New    *NewKey `json:"new,omitempty"`

	Seen *State `json:"seen,omitempty"` // of final views
	What string `json:"what,omitempty"` // of recoveries; what every node must recover, in Run

	// Of faults.
	Fault *Broken `json:"fault,omitempty"`
	// Of the run.
	Setup *Setup `json:"setup,omitempty"`
}

// State is what a change sets of a key, or what is seen of it. What is nil is not
// touched, or not known.
type State struct {
	Revoked *bool     `json:"revoked,omitempty"`
	Active  *bool     `json:"active,omitempty"`
	Scopes  *[]string `json:"scopes,omitempty"`
}

// NewKey is a key that a change made.
type NewKey struct {
	Key   string `json:"key"`
	Chain string `json:"chain"` // the id of the first key of its chain
	Limit int    `json:"limit,omitempty"`
	State State  `json:"state"`
}

// Broken is what a fault hits.
type Broken struct {
	Name  string `json:"name"`
	Nodes []int  `json:"nodes"` // that are hit
	// Ends says that the nodes' processes ended and others began.
	Ends bool `json:"ends,omitempty"`
	// Limiter says that what the nodes know of limits may be cut off from Redis, or lost.
	Limiter bool `json:"limiter,omitempty"`
	// Unseen says that the nodes may not be seen by the others meanwhile.
	Unseen bool `json:"unseen,omitempty"`
}

// Setup is what was run.
type Setup struct {
	Seed  uint64 `json:"seed"`
	Nodes int    `json:"nodes"`
	Mode  Mode   `json:"mode"`
	// Recovers are what every node must recover after every fault.
	Recovers []string `json:"recovers"`
}

// Acknowledged reports whether the entry is of a change that was answered with success.
func (e *Entry) Acknowledged() bool { return e.Status >= 200 && e.Status < 300 }

// Refused reports whether the entry is of a change that was answered as not done.
func (e *Entry) Refused() bool { return e.Status >= 400 && e.Status < 500 }

// Read reads a log, one entry a line.
func Read(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(entries)+1, err)
		}
		entries = append(entries, e)
	}
	return entries, lines.Err()
}
