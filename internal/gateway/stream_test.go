package gateway_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/gateway"
	"github.com/keypin/keypin/internal/keypin"
)

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// event is one of a stream.
type event struct {
	name, id string
	data     map[string]any
}

// reader reads a stream.
type reader struct {
	*http.Response
	lines *bufio.Reader
}

// next reads the next event; io.EOF when the stream ends as it should.
func (r *reader) next() (event, error) {
	var e event
	for {
		line, err := r.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		switch name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); name {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				return e, fmt.Errorf("%w: %q", err, line)
			}
		case "":
			return e, nil
		default:
			return e, fmt.Errorf("not a line of an event: %q", line)
		}
	}
}

// until reads up to the first event of the name, and gives those before it and it.
func (r *reader) until(t testing.TB, name string) []event {
	t.Helper()
	var all []event
	for {
		e, err := r.next()
		if err != nil {
			t.Fatalf("after %v: %v", all, err)
		}
		if all = append(all, e); e.name == name {
			return all
		}
	}
}

// streaming serves the stream over real connections.
func streaming(t testing.TB, d *doors) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(d.Invalidations))
	t.Cleanup(server.Close)
	return server
}

func follow(t testing.TB, client *http.Client, url, last string) *reader {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return &reader{response, bufio.NewReader(response.Body)}
}

func realTime(o *gateway.Options) { o.Clock = time.Now }

// forget tells the feed of a key.
func (d *doors) forget(t testing.TB, n byte) {
	t.Helper()
	if err := d.feed.InvalidateKeys(t.Context(), []keypin.KeyHash{{n}, {n, 1}}); err != nil {
		t.Fatal(err)
	}
}

// ofKeys is the event that tells of what forget forgot.
func (d *doors) ofKeys(n byte, number int) event {
	a, b := keypin.KeyHash{n}, keypin.KeyHash{n, 1}
	return event{"keys", fmt.Sprintf("%s-%d", d.feed.Epoch(), number), map[string]any{"hashes": []any{hex.EncodeToString(a[:]), hex.EncodeToString(b[:])}}}
}

func (d *doors) hello(t testing.TB, e event, resumed bool, last int) {
	t.Helper()
	now, _ := e.data["now_us"].(float64)
	delete(e.data, "now_us")
	want := event{"hello", "", map[string]any{"epoch": d.feed.Epoch(), "heartbeat_ms": 200.0, "bound_ms": 1000.0, "resumed": resumed, "last": float64(last)}}
	if diff := cmp.Diff(want, e, cmp.AllowUnexported(event{})); diff != "" || now <= 0 || now > float64(d.feed.Now().Microseconds()+1) {
		t.Errorf("hello at %v (-want +got):\n%s", now, diff)
	}
}

func TestAStreamTellsEveryChangeWithItsNumber(t *testing.T) {
	d := newDoors(t, realTime)
	d.forget(t, 1) // before anybody listens
	r := follow(t, http.DefaultClient, streaming(t, d).URL, "")
	first := r.until(t, "alive")
	if len(first) != 2 || first[1].id != "" || first[1].data["last"] != 1.0 {
		t.Fatalf("it begins with %v", first)
	}
	d.hello(t, first[0], false, 1)
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	workspace := keypin.ID{15: 9}
	d.forget(t, 2)
	if err := d.feed.InvalidateWorkspace(t.Context(), workspace); err != nil {
		t.Fatal(err)
	}
	if err := d.feed.InvalidateKeys(t.Context(), nil); err != nil { // which is no change
		t.Fatal(err)
	}
	d.forget(t, 3)
	answered := float64(d.feed.Now().Microseconds())
	want := []event{d.ofKeys(2, 2), {"workspace", d.feed.Epoch() + "-3", map[string]any{"workspace_id": workspace.String()}}, d.ofKeys(3, 4)}
	var got []event
	for asOf, last := 0.0, 1.0; asOf <= answered; {
		for _, e := range r.until(t, "alive") {
			if e.name != "alive" {
				got = append(got, e)
				continue
			}
			if at := e.data["as_of_us"].(float64); at < asOf || e.data["last"].(float64) < last || float64(1+len(got)) != e.data["last"].(float64) {
				t.Fatalf("after %v as of %v: %v", got, asOf, e)
			}
			asOf, last = e.data["as_of_us"].(float64), e.data["last"].(float64)
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(event{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A change is on its way before it is answered: nothing but the network is waited for.
func TestAChangeIsToldAtOnceNotAtTheNextBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(t, realTime)
		client, shut := piped(t, d)
		r := follow(t, client, "http://x/", "")
		r.until(t, "alive")
		for n := range byte(5) {
			time.Sleep(37 * time.Millisecond) // within the beats' interval
			before := time.Now()
			d.forget(t, n)
			if got := r.until(t, "keys"); got[len(got)-1].id != fmt.Sprintf("%s-%d", d.feed.Epoch(), n+1) {
				t.Errorf("told %v", got)
			}
			if took := time.Since(before); took > 0 {
				t.Errorf("told after %v", took)
			}
		}
		shut()
	})
}

func TestWhoComesBackIsToldWhatTheyMissed(t *testing.T) {
	d := newDoors(t, realTime)
	url := streaming(t, d).URL
	for n := range byte(5) {
		d.forget(t, n+1)
	}
	epoch := d.feed.Epoch()
	for last, missed := range map[string][]event{
		epoch + "-5": nil,
		epoch + "-3": {d.ofKeys(4, 4), d.ofKeys(5, 5)},
		epoch + "-0": {d.ofKeys(1, 1), d.ofKeys(2, 2), d.ofKeys(3, 3), d.ofKeys(4, 4), d.ofKeys(5, 5)},
	} {
		got := follow(t, http.DefaultClient, url, last).until(t, "alive")
		d.hello(t, got[0], true, 4-len(missed)+1)
		if diff := cmp.Diff(missed, append([]event(nil), got[1:len(got)-1]...), cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", last, diff)
		}
		if alive := got[len(got)-1]; alive.data["last"] != 5.0 {
			t.Errorf("after %s: %v", last, alive)
		}
	}
	other := strings.Map(func(r rune) rune { return '0' + (r+1)%10 }, epoch)
	for _, last := range []string{other + "-3", other + "-5", epoch + "-6", epoch + "-18446744073709551615", epoch, epoch + "-", epoch + "--3", epoch + "-3x", epoch + "-+3",
		epoch + "-18446744073709551616", epoch + "-0x3", epoch + "- 3", "-3", "3", "-", "x", strings.ToUpper(epoch) + "A-3", strings.Repeat("9", 2000)} {
		got := follow(t, http.DefaultClient, url, last).until(t, "alive")
		d.hello(t, got[0], false, 5)
		if len(got) != 2 || got[1].data["last"] != 5.0 {
			t.Errorf("after %q: %v", last, got)
		}
	}
	for range 1<<14 + 1 {
		d.forget(t, 0)
	}
	got := follow(t, http.DefaultClient, url, epoch+"-5").until(t, "alive")
	if d.hello(t, got[0], false, 5+1<<14+1); len(got) != 2 {
		t.Errorf("after too much: %v", got[:2])
	}
	got = follow(t, http.DefaultClient, url, epoch+"-6").until(t, "alive")
	if d.hello(t, got[0], true, 6); len(got) != 2+1<<14 || got[1].id != epoch+"-7" {
		t.Errorf("after as much as is kept: %d events, %v", len(got), got[:2])
	}
}

// streams counts the goroutines that serve a stream.
func streams() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "gateway.(*Gateway).Invalidations(")
}

func awaitNoStream(t testing.TB) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for streams() > 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d streams are still served", streams())
		}
	}
}

func TestAStreamEndsWhenItsReaderGoesAwayOrTheServiceStops(t *testing.T) {
	awaitNoStream(t) // of another test
	d := newDoors(t, realTime)
	url := streaming(t, d).URL
	for range 8 {
		r := follow(t, http.DefaultClient, url, "")
		r.until(t, "alive")
		r.Body.Close()
	}
	awaitNoStream(t)
	staying := follow(t, http.DefaultClient, url, "")
	staying.until(t, "alive")
	if streams() != 1 {
		t.Fatalf("%d streams are served", streams())
	}
	close(d.stopping)
	if rest, err := io.ReadAll(staying.lines); err != nil || strings.Contains(string(rest), "hello") {
		t.Errorf("it ends with %q, %v", rest, err)
	}
	awaitNoStream(t)
	// Who comes too late is told so much, and let go.
	late := follow(t, http.DefaultClient, url, "")
	if got := late.until(t, "alive"); len(got) != 2 {
		t.Errorf("told %v", got)
	}
	if _, err := late.next(); err != io.EOF { //nolint:errorlint // bufio returns it as it is
		t.Errorf("it ends with %v", err)
	}
}

func TestAStreamIsNotReadByHEAD(t *testing.T) {
	d := newDoors(t, realTime)
	response, err := http.Head(streaming(t, d).URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
	awaitNoStream(t)
}

// pipes is a net.Listener of connections within the process, for a bubble's time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

// piped serves the stream within the bubble, with the service's own timeouts. shut ends
// it, and the client.
func piped(t testing.TB, d *doors) (client *http.Client, shut func()) {
	t.Helper()
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	server := &http.Server{Handler: http.HandlerFunc(d.Invalidations), ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		l.conns <- far
		return near, nil
	}}
	return &http.Client{Transport: transport}, func() {
		transport.CloseIdleConnections()
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}
}

func TestAStreamBeatsForAMinuteAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(t, realTime)
		d.behind = 300 * time.Millisecond // as when another node's changes come late
		client, shut := piped(t, d)
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://x/", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		r := &reader{response, bufio.NewReader(response.Body)}
		beats, asOf := 0, -1e9
		for {
			e, err := r.next()
			if err == io.EOF { //nolint:errorlint // bufio returns it as it is
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if e.name != "alive" {
				continue
			}
			beats++
			at := e.data["as_of_us"].(float64)
			if want := float64((time.Since(began) - d.behind).Microseconds()); at != want || at < asOf {
				t.Fatalf("beat %d is as of %v, want %v", beats, at, want)
			}
			asOf = at
		}
		// One at the begin, and then every 200 ms.
		if took := time.Since(began); took != time.Minute || beats < 300 || beats > 301 {
			t.Errorf("it ended after %v and %d beats", took, beats)
		}
		response.Body.Close()
		shut()
	})
}

func TestAReaderThatDoesNotReadIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors(t, realTime)
		near, far := net.Pipe() // which buffers nothing
		l := &pipes{make(chan net.Conn, 1), make(chan struct{})}
		l.conns <- far
		gone := make(chan time.Duration, 1)
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			d.Invalidations(w, r)
			gone <- time.Since(began)
		})}
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(l) }()
		if _, err := io.WriteString(near, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if took := <-gone; took != 2*time.Second {
			t.Errorf("let go after %v", took)
		}
		near.Close()
		server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}
