package httpapi

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
)

func TestTheDataListenerChecksMediaTypesAsThePublicOneDoes(t *testing.T) {
	d := newDataDoor(t)
	body := `{"key":"` + d.add(t, nil) + `"}`
	for header, want := range map[string]int{
		"Content-Type: ": 200, // none at all
		"Content-Type: application/json; charset=UTF-8":  200,
		"Content-Type: application/json; charset=latin1": 415,
		"Content-Type: text/plain":                       415,
		"Content-Type: application/jsonx":                415,
		"Accept: application/json":                       200,
		"Accept: text/html, */*;q=0.1":                   200,
		"Accept: text/html":                              406,
		"Accept: application/json;q=0":                   406,
		"Content-Length: 7":                              200, // what counts is what net/http read
	} {
		w := d.post(t, body, header)
		if w.Code != want {
			t.Errorf("%s is answered %d %s, want %d", header, w.Code, w.Body, want)
		}
		if w.Code != http.StatusOK && (refusalOf(t, w.Body.Bytes()).Error.Code == "" || w.Header()["X-Keypin-Epoch"] != nil) {
			t.Errorf("%s is answered %s %v", header, w.Body, w.Header())
		}
	}
	// A body that is not there has no type.
	if w := d.post(t, "", "Content-Type: text/plain"); w.Code != http.StatusUnprocessableEntity {
		t.Errorf("no body at all is answered %d", w.Code)
	}
	if w := d.post(t, "x", "Content-Type: text/plain", "Accept: text/html"); w.Code != http.StatusNotAcceptable {
		t.Errorf("406 comes first, not %d", w.Code)
	}
}

func TestABodyOfMoreThan64KiBIsRefusedHoweverItIsSent(t *testing.T) {
	d := newDataDoor(t)
	server := httptest.NewServer(d)
	defer server.Close()
	key := d.add(t, nil)
	most := `{"key":"` + key + `"}`
	most += strings.Repeat(" ", maxBody-len(most))
	for _, c := range []struct {
		body    string
		chunked bool
		want    int
	}{
		{most, false, 200}, {most, true, 200}, {most + " ", false, 413}, {most + " ", true, 413}, {strings.Repeat(key, 8<<10), true, 413},
	} {
		var body io.Reader = strings.NewReader(c.body)
		if c.chunked {
			body = io.MultiReader(body)
		}
		response, err := http.Post(server.URL, "application/json", body)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != c.want || strings.Contains(string(answer), key) {
			t.Errorf("%d bytes, chunked %t: %d %s, want %d", len(c.body), c.chunked, response.StatusCode, answer, c.want)
		}
		if c.want != http.StatusOK && refusalOf(t, answer).Error.Code != "payload_too_large" {
			t.Errorf("%d bytes, chunked %t: %s", len(c.body), c.chunked, answer)
		}
	}
}

// What one request leaves in the memory that the next uses is not the next one's.
func TestAShortBodyAfterALongOneIsReadAlone(t *testing.T) {
	d := newDataDoor(t)
	key := d.add(t, nil)
	for range 10 {
		d.post(t, `{"key":"`+key+`","scopes":["workflows:read"],"user_agent":"`+strings.Repeat("x", 500)+`","hold_ms":7}`)
		if got := refusalOf(t, d.post(t, `{"key":"`+key).Body.Bytes()); cmp.Diff([]string{"body"}, got.fields()) != "" {
			t.Fatalf("a short body is answered with %v", got.fields())
		}
	}
}

func TestABodyThatEndsTooSoonIsAFaultOfTheBody(t *testing.T) {
	d := newDataDoor(t)
	server := httptest.NewServer(d)
	defer server.Close()
	key := d.add(t, nil)
	for what, request := range map[string]string{
		"a length":      "Content-Length: 99\r\n\r\n" + `{"key":"` + key,
		"chunks":        "Transfer-Encoding: chunked\r\n\r\n40\r\n" + `{"key":"` + key,
		"a broken size": "Transfer-Encoding: chunked\r\n\r\n" + key + "\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\n%s", VerifyPath, request); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		got := refusalOf(t, answer)
		if response.StatusCode != http.StatusUnprocessableEntity || cmp.Diff([]string{"body"}, got.fields()) != "" || strings.Contains(string(answer), key) {
			t.Errorf("%s: %d %s", what, response.StatusCode, answer)
		}
	}
	if d.log.Len() > 0 {
		t.Errorf("a client's faults are logged: %s", d.log)
	}
}

func TestACheckKeepsItsRequestIDOrGetsOne(t *testing.T) {
	d := newDataDoor(t)
	body := `{"key":"` + d.add(t, nil) + `"}`
	made := regexp.MustCompile(`^req_[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	const id = "123e4567-e89b-12d3-a456-426614174000"
	seen := map[string]bool{}
	for _, given := range []string{"", "", "", id, "req_" + id, strings.ToUpper(id), "x", id + "x", "req_req_" + id, `"}{"`} {
		for _, sent := range []string{body, "{"} {
			w := d.post(t, sent, "X-Request-Id: "+given)
			var answer struct {
				Meta struct {
					RequestID string `json:"request_id"`
				}
			}
			decodeLoosely(t, w, &answer)
			got := answer.Meta.RequestID
			if keep := strings.HasSuffix(strings.ToLower(given), id) && len(given) <= len("req_"+id); keep && got != given || !keep && (!made.MatchString(got) || seen[got]) {
				t.Errorf("%q: the id is %q", given, got)
			}
			if header := w.Header()["X-Request-Id"]; len(header) != 1 || header[0] != got {
				t.Errorf("%q: the header is %q, the body says %q", given, header, got)
			}
			seen[got] = true
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, VerifyPath, strings.NewReader(body))
	r.Header["X-Request-Id"] = []string{id, id}
	if got := d.serve(r).Header().Get("X-Request-Id"); got == id || !made.MatchString(got) {
		t.Errorf("two ids are answered with %q", got)
	}
}

func decodeLoosely(t testing.TB, w *httptest.ResponseRecorder, to any) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), to); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
}

func TestWithoutAStoreACheckIsRefusedOrSaysHowStaleItIs(t *testing.T) {
	d := newDataDoor(t)
	known, unseen := d.add(t, nil), d.add(t, nil)
	if w := d.post(t, `{"key":"`+known+`"}`); w.Code != http.StatusOK || w.Header()["X-Keypin-Stale"] != nil {
		t.Fatalf("answered %d %v", w.Code, w.Header())
	}
	d.down = errors.New("no such table: secrets of " + unseen)
	refused := func(key string) {
		t.Helper()
		w := d.post(t, `{"key":"`+key+`"}`, "User-Agent: "+key)
		got := refusalOf(t, w.Body.Bytes())
		if w.Code != http.StatusServiceUnavailable || got.Error.Code != "unavailable" || w.Header().Get("Retry-After") != "1" {
			t.Errorf("answered %d %v %s", w.Code, w.Header(), w.Body)
		}
		if strings.Contains(w.Body.String(), "table") || w.Header()["X-Keypin-Epoch"] != nil || w.Header()["X-Keypin-Stale"] != nil {
			t.Errorf("the answer tells %s %v", w.Body, w.Header())
		}
		if !strings.Contains(d.log.String(), "no such table") || !strings.Contains(d.log.String(), got.Meta.RequestID) {
			t.Errorf("the log tells nobody why: %s", d.log)
		}
		d.log.Reset()
	}
	refused(unseen)
	if d.answers[len(d.answers)-1] != "unavailable" {
		t.Errorf("counted as %v", d.answers)
	}
	// What is in the cache holds for as long as it is fresh, then by the operator's word.
	for behind, want := range map[time.Duration]string{
		999 * time.Millisecond: "", time.Second: "1", 1001 * time.Millisecond: "2", 60 * time.Second: "60", 61*time.Second - 1: "61",
	} {
		d.behind = behind
		w := d.post(t, `{"key":"`+known+`"}`)
		if w.Code != http.StatusOK || w.Header().Get("X-Keypin-Stale") != want || w.Header().Get("X-Keypin-Epoch") != testEpoch {
			t.Errorf("%s behind: %d %v, want %q", behind, w.Code, w.Header(), want)
		}
	}
	refused(unseen)
	d.behind = 61 * time.Second
	refused(known)
}

func TestAFaultIsToldOnlySoOften(t *testing.T) {
	d := newDataDoor(t)
	var faults keypin.Faults
	for i := range 1000 {
		faults.Add(fmt.Sprintf("query.scope[%d]", i), "must be a scope of this service")
	}
	api := New(Options{Clock: func() time.Time { return testNow }, Random: zeros{}, Observer: d, Registry: new(keypin.Registry)})
	w := httptest.NewRecorder()
	api.Problem(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/forward-auth", nil), faults.Err())
	if got := refusalOf(t, w.Body.Bytes()); w.Code != http.StatusUnprocessableEntity || len(got.Error.Details) != maxFaults {
		t.Errorf("answered %d with %d details", w.Code, len(got.Error.Details))
	}
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("X-Request-Id") == "" {
		t.Errorf("headers %v", w.Header())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// unread is a ResponseWriter that keeps nothing, so that only the handler is measured.
type unread struct{ header http.Header }

func (u *unread) Header() http.Header         { return u.header }
func (u *unread) Write(b []byte) (int, error) { return len(b), nil }
func (u *unread) WriteHeader(int)             {}

func TestACheckThatHitsAllocatesLittle(t *testing.T) {
	const measured = 11 // three of them for the list of scopes
	never := telemetry.NewTracing(trace.NewTracerProvider(trace.WithSampler(trace.NeverSample())), "test")
	for _, c := range []struct {
		name    string
		tracing *telemetry.Tracing
		most    float64
	}{{"without tracing", nil, measured}, {"not sampled", never, measured + 3}} {
		t.Run(c.name, func(t *testing.T) {
			d := newDataDoor(t)
			if got := allocationsOfAHit(t, d, c.tracing.Handler(d, VerifyPath)); got > c.most {
				t.Errorf("%v allocations, want at most %v", got, c.most)
			}
		})
	}
}

func allocationsOfAHit(t *testing.T, d *dataDoor, handler http.Handler) float64 {
	t.Helper()
	limit := 1_000_000
	key := d.add(t, func(k *keypin.APIKey) { k.RateLimit = &limit })
	sent := `{"key":"` + key + `","scopes":["workflows:read"],"client_ip":"203.0.113.7"}`
	body := strings.NewReader(sent)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, VerifyPath, nil)
	r.Header.Set("Content-Type", "application/json")
	r.Body, r.ContentLength = io.NopCloser(body), body.Size()
	w := &unread{header: http.Header{}}
	// The least of many runs: the race detector has sync.Pool forget now and then.
	got := math.Inf(1)
	for range 100 {
		got = min(got, testing.AllocsPerRun(1, func() {
			body.Reset(sent)
			clear(w.header)
			handler.ServeHTTP(w, r)
		}))
	}
	return got
}
