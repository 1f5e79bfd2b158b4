package client

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// silence is how long a stream may say nothing before another one is tried.
	silence = 2 * time.Second
	// driftShare is how much of the time since a stream began is taken off, for what the
	// two clocks may have drifted apart: 1 part in 1000, twice what NTP slews by.
	driftShare = 1000
	// clockStep is how far the clock on the wall may move against the one that measures
	// before the stream is begun anew, to compare clocks again.
	clockStep = 200 * time.Millisecond
	maxEvent  = 8 << 20 // bytes of an event's line

	firstReconnect = 50 * time.Millisecond
	lastReconnect  = 2 * time.Second
)

// follow follows the stream until ctx ends, one connection after another.
func (g *Guard) follow(ctx context.Context) {
	f := &follower{g: g}
	wait := firstReconnect
	for ctx.Err() == nil {
		err := f.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if f.alive { // it was there
			wait = firstReconnect
		}
		if err != nil || !f.alive {
			g.options.logger.WarnContext(ctx, "the stream of changes broke; every check asks the service until it is back", "error", err)
		}
		// Also when the service ended it well, and expects us again: one that is about to stop
		// ends every stream at once.
		_ = pause(ctx, wait+g.c.jitter(wait)) // when ctx ends, so does the loop
		wait = min(2*wait, lastReconnect)
	}
}

// follower is where in the stream the Guard is.
type follower struct {
	g     *Guard
	epoch string
	last  uint64 // the number of the latest change of the epoch that was applied
	alive bool   // the present connection has proven something

	began      time.Time     // before the present connection was made, by our clock
	beganTheir time.Duration // at an instant after that, by the service's
	bound      time.Duration
}

// connect follows one connection to its end. It is nil when the service ended it well.
func (f *follower) connect(ctx context.Context) error {
	f.alive = false
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.g.c.base+"/api/v1/invalidations", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("User-Agent", f.g.c.userAgent)
	if f.epoch != "" {
		req.Header.Set("Last-Event-ID", f.epoch+"-"+strconv.FormatUint(f.last, 10))
	}
	if f.g.c.token != nil {
		token, err := f.g.c.token(ctx)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	f.began = f.g.c.now()
	resp, err := f.g.c.http.Do(req)
	if err != nil {
		return noAnswer(ctx, err, nil)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return fmt.Errorf("the service answered %d and no stream; is the base URL its data listener's?", resp.StatusCode)
	}
	return f.read(resp.Body, func() { watch.Reset(silence) })
}

// read reads events until the stream ends. heard is called at each.
func (f *follower) read(body io.Reader, heard func()) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 4096), maxEvent)
	var e event
	greeted := false
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "": // an empty line ends an event, a line that begins with a colon is a comment
			if lines.Text() != "" || e.name == "" {
				continue
			}
			heard()
			if !greeted && e.name != "hello" {
				return errors.New("the stream does not begin with hello")
			}
			greeted = true
			if err := f.apply(&e); err != nil {
				return err
			}
			e = event{}
		}
	}
	return lines.Err()
}

type event struct{ id, name, data string }

// apply does what an event says.
func (f *follower) apply(e *event) error {
	var d struct {
		Epoch     string   `json:"epoch"`
		NowUS     int64    `json:"now_us"`
		BoundMS   int64    `json:"bound_ms"`
		Resumed   bool     `json:"resumed"`
		AsOfUS    int64    `json:"as_of_us"`
		Last      uint64   `json:"last"`
		Hashes    []string `json:"hashes"`
		Workspace string   `json:"workspace_id"`
	}
	if err := json.Unmarshal([]byte(e.data), &d); err != nil {
		return errors.New("an event of the stream is not JSON")
	}
	switch e.name {
	case "hello":
		f.beganTheir = time.Duration(d.NowUS) * time.Microsecond
		f.bound = time.Duration(d.BoundMS) * time.Millisecond
		if !d.Resumed || d.Epoch != f.epoch {
			f.beginEpoch(d.Epoch, d.Last)
		}
		return nil
	case "keys":
		for _, text := range d.Hashes {
			var hash [32]byte
			if n, err := hex.Decode(hash[:], []byte(text)); err != nil || n != len(hash) {
				return errors.New("an event of the stream names no hash")
			}
			f.g.forget(hash)
		}
		return f.count(e.id)
	case "workspace":
		f.g.forgetWorkspace(d.Workspace)
		return f.count(e.id)
	case "alive":
		return f.prove(time.Duration(d.AsOfUS)*time.Microsecond, d.Last)
	}
	return nil // of a later version
}

// beginEpoch forgets everything. What is asked from now on may be remembered, because
// the stream tells of the changes after it.
func (f *follower) beginEpoch(epoch string, last uint64) {
	f.g.trust.Store(nil)
	f.g.epoch.Store(nil)
	f.g.forgetAll()
	f.epoch, f.last = epoch, last
	f.g.epoch.Store(&epoch)
}

// count checks that the event with the id is the next one, or one that came before.
func (f *follower) count(id string) error {
	epoch, text, _ := strings.Cut(id, "-")
	number, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil || epoch != f.epoch:
		return errors.New("an event of the stream has no number of its epoch")
	case number > f.last+1:
		return errors.New("an event of the stream is missing")
	case number == f.last+1:
		f.last = number
	}
	return nil
}

// prove moves on until when the memory is trusted: every change that was answered before
// asOf, by the service's clock, has a number of at most last.
func (f *follower) prove(asOf time.Duration, last uint64) error {
	if last > f.last {
		return errors.New("an event of the stream is missing")
	}
	now := f.g.c.now()
	measured, told := now.Sub(f.began), asOf-f.beganTheir
	step := time.Duration(f.g.wall(now)-f.began.UnixNano()) - measured
	if step > clockStep || step < -clockStep || told > measured+clockStep {
		f.g.trust.Store(nil)
		return errors.New("the clock was set, or stood still; the stream is begun anew")
	}
	if last < f.last {
		return nil // said before what we know already
	}
	until := f.began.Add(told - max(measured, told)/driftShare + f.bound)
	if old := f.g.trust.Load(); old == nil || until.After(*old) {
		f.g.trust.Store(&until)
	}
	f.alive = true
	return nil
}
