package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/token"
)

// hunt sends requests that hold secrets and looks for these in what comes of them.
type hunt struct {
	s       *service
	secrets []secret
	issued  []string        // what answers gave away on purpose
	codes   map[string]bool // the error codes that were answered
	done    map[string]bool // the operations that succeeded
	sent    int
	leaks   map[string]int // by what leaked where
}

func newHunt(s *service, secrets ...secret) *hunt {
	return &hunt{s: s, secrets: secrets, codes: map[string]bool{}, done: map[string]bool{}, leaks: map[string]int{}}
}

// planting is a request with a secret in it.
type planting struct {
	op           string // the operation's id; "" for what is none
	what         string // which secret is where
	method, path string
	bearer       string // "" = no Authorization
	host         string // "" = as it is
	body         string
	chunked      bool
	headers      []string // "Name: value"; the first of a name replaces the usual one
	data         bool     // to the data listener
}

// send sends the request, looks at the answer, and gives it back.
func (h *hunt) send(t testing.TB, p planting) answer {
	t.Helper()
	base := h.s.URL
	if p.data {
		base = h.s.DataURL
	}
	var body io.Reader
	if p.body != "" {
		body = strings.NewReader(p.body)
	}
	if p.chunked {
		body = io.MultiReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), p.method, base+p.path, body)
	if err != nil {
		t.Fatalf("%s: %v", p.what, err)
	}
	req.Host = p.host
	if p.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if p.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+p.bearer)
	}
	seen := map[string]bool{}
	for _, header := range p.headers {
		name, value, _ := strings.Cut(header, ": ")
		if !seen[name] {
			req.Header.Del(name)
		}
		seen[name] = true
		req.Header.Add(name, value)
	}
	a := send(t, req)
	h.examine(p.op, p.what, a)
	return a
}

// raw sends bytes as they are, and looks at what comes back.
func (h *hunt) raw(t testing.TB, what, request string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(h.s.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	h.examine("", what, answer{Status: resp.StatusCode, Header: resp.Header, Body: resp.Status + string(b)})
}

// mayIssue names the one place where an operation's answer holds a secret.
func mayIssue(op string) []string {
	return map[string][]string{
		"create-api-key": {"data", "api_key"},
		"rotate-api-key": {"data", "new_key", "api_key"},
		"create-invite":  {"data", "token"},
	}[op]
}

// examine looks for secrets in an answer, but not where it issues one.
func (h *hunt) examine(op, what string, a answer) {
	h.sent++
	if a.Status >= http.StatusBadRequest {
		h.codes[a.str("error", "code")] = true
	} else if a.Status < http.StatusMultipleChoices {
		h.done[op] = true
	}
	header, err := json.Marshal(a.Header)
	if err != nil {
		h.leaks[err.Error()]++
	}
	// The OpenAPI document shows a key as an example, which is nobody's.
	text := string(header) + "\n" + strings.ReplaceAll(a.Body, unknownKey, "")
	if path := mayIssue(op); path != nil {
		if issued := a.str(path...); issued != "" {
			text = strings.Replace(text, issued, "", 1)
			h.issued = append(h.issued, issued)
		}
	}
	h.search(fmt.Sprintf("the answer %d to %s, %s", a.Status, op, what), text, searched.all)
}

// search notes every secret that is in text, and any other key.
func (h *hunt) search(where, text string, ways func(searched, secret) []string) {
	prepared := search(text)
	for _, s := range h.secrets {
		for _, way := range ways(prepared, s) {
			h.leaks[where+" | "+way]++
		}
	}
	if token.Contains(text) {
		h.leaks[where+" | some key"]++
	}
}

// aftermath searches what the service leaves: its log, its metrics, and its files
// while it runs and after it stopped. canary is a name that its database holds.
func (h *hunt) aftermath(t testing.TB, canary, dataToken string) {
	t.Helper()
	metrics := h.send(t, planting{what: "the metrics", method: "GET", path: "/metrics", bearer: dataToken, data: true}).must(t, 200)
	if !strings.Contains(metrics.Body, `route="/api/v1/api-keys"`) {
		t.Error("the metrics do not hold what they must")
	}
	h.folder(t, "while it runs", canary)
	if err := h.s.stop(); err != nil {
		t.Fatal(err)
	}
	h.folder(t, "after it stopped", canary)
	log := h.s.Log.String()
	if !strings.Contains(log, "/api/v1/api-keys") || !strings.Contains(log, "stopped") {
		t.Error("the log does not hold what it must")
	}
	h.search("the log", log, searched.all)
	for _, s := range h.issued {
		if strings.Contains(log, s) {
			h.leaks["the log | what an answer issued"]++
		}
	}
}

// folder searches the files. Hashes are stored by design.
func (h *hunt) folder(t testing.TB, when, canary string) {
	t.Helper()
	files := readFolder(t, h.s.Dir)
	found := false
	for name, content := range files {
		where, text := name+" "+when, string(content)
		found = found || strings.Contains(text, canary)
		h.search(where, text, searched.plain)
		for _, s := range h.issued {
			if strings.Contains(text, s) {
				h.leaks[where+" | what an answer issued"]++
			}
		}
	}
	if names := slices.Sorted(maps.Keys(files)); !found || when == "while it runs" && !slices.Contains(names, "keypin.db-wal") {
		t.Errorf("%s: the files are %v, and %q is in them: %v", when, names, canary, found)
	}
}

// report fails the test with every leak.
func (h *hunt) report(t testing.TB) {
	t.Helper()
	for _, leak := range slices.Sorted(maps.Keys(h.leaks)) {
		t.Errorf("leaked %d times: %s", h.leaks[leak], leak)
	}
}
