package gateway

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/keypin/keypin/internal/verify"
)

const (
	// heartbeat is how often a stream says as of when it has told everything. A reader
	// may trust its cache for verify.Bound after that, so a few may come late.
	heartbeat = 200 * time.Millisecond
	// streamLife is how long a stream lasts. The reader connects again and resumes, and
	// thereby compares its clock with ours again.
	streamLife = time.Minute
	// writeWithin bounds a write to a reader that does not read.
	writeWithin = 2 * time.Second
)

// Invalidations is the stream (server-sent events) by which a cache at the edge learns
// what to forget, and as of when it has learned all:
//
//	event: hello      first: {"epoch","now_us","heartbeat_ms","bound_ms","resumed","last"}
//	event: keys       {"hashes":[hex SHA-256, …]}, with an id
//	event: workspace  {"workspace_id"}: all of its keys, with an id
//	event: alive      {"as_of_us","last"}: every change that was answered before as_of_us
//	                  has a number of at most last
//
// An id is the epoch, a dash and a number; numbers follow one another. Last-Event-ID
// resumes; where that is not possible, hello says resumed: false, and the reader forgets
// everything. Times are microseconds of a clock of the epoch's own. What the reader may
// conclude is written in package client.
func (g *Gateway) Invalidations(w http.ResponseWriter, r *http.Request) {
	epoch, last, _ := strings.Cut(r.Header.Get("Last-Event-ID"), "-")
	number, err := strconv.ParseUint(last, 10, 64)
	if err != nil {
		epoch = ""
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	if r.Method == http.MethodHead {
		return // what is written to it goes nowhere, for a minute
	}
	s := stream{w: w, control: http.NewResponseController(w), feed: g.Feed}
	// The server's deadlines are for requests that end. Where there are none, as in a
	// test's writer, there is nothing to lift.
	_ = s.control.SetReadDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	news := g.Feed.After(epoch, number)
	if news.Lost {
		number = news.Last
	}
	s.event("hello", 0, map[string]any{
		"epoch": g.Feed.Epoch(), "now_us": (g.Feed.Now() + time.Microsecond - 1).Microseconds(),
		"heartbeat_ms": heartbeat.Milliseconds(), "bound_ms": verify.Bound.Milliseconds(), "resumed": !news.Lost, "last": number,
	})
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		s.tell(number, &news)
		if err := s.flush(); err != nil {
			return // the reader is gone
		}
		number = news.Last
		select {
		case <-news.Changed:
		case <-beat.C:
		case <-ctx.Done():
			return
		case <-g.Stopping:
			return
		}
		if news = g.Feed.After(g.Feed.Epoch(), number); news.Lost {
			return // the reader was too slow, and begins anew
		}
	}
}

// stream writes events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	feed    *verify.Feed
	pending bytes.Buffer
}

// tell writes the news that follow the change number last, and as of when they are all.
func (s *stream) tell(last uint64, news *verify.News) {
	for i, change := range news.Changes {
		number := last + uint64(i) + 1
		if change.Workspace != nil {
			s.event("workspace", number, map[string]any{"workspace_id": change.Workspace})
			continue
		}
		hashes := make([]string, len(change.Hashes))
		for j, hash := range change.Hashes {
			hashes[j] = hex.EncodeToString(hash[:])
		}
		s.event("keys", number, map[string]any{"hashes": hashes})
	}
	fmt.Fprintf(&s.pending, "event: alive\ndata: {\"as_of_us\":%d,\"last\":%d}\n\n", news.AsOf.Microseconds(), news.Last)
}

// event adds an event, with an id when number is not 0.
func (s *stream) event(name string, number uint64, data any) {
	if number > 0 {
		fmt.Fprintf(&s.pending, "id: %s-%d\n", s.feed.Epoch(), number)
	}
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings, numbers and lists of them always encode
	}
	fmt.Fprintf(&s.pending, "event: %s\ndata: %s\n\n", name, text)
}

// flush sends what is pending.
func (s *stream) flush() error {
	_ = s.control.SetWriteDeadline(time.Now().Add(writeWithin)) // as SetReadDeadline
	if _, err := s.pending.WriteTo(s.w); err != nil {
		return err
	}
	return s.control.Flush()
}
