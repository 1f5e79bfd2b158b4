package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Every request here is wrong. Each gets a clear 4xx that names the field and does
// not repeat what was sent, and nothing changes.
func TestBadInputIsRefusedAndChangesNothing(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	id, _ := s.createKey(t, admin, object{"name": "untouched"})
	before := s.call(t, admin, "GET", keys+"?status=all", nil).get("data")
	name := func(v string) string { return `{"name": "` + v + `"}` }
	limit := func(v string) string { return `{"name": "x", "rate_limit_per_min": ` + v + `}` }
	for what, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		field              string
	}{
		"truncated JSON":               {"POST", keys, `{"name": "x`, nil, 422, "body"},
		"no body":                      {"POST", keys, ``, nil, 422, "body"},
		"a list":                       {"POST", keys, `[1]`, nil, 422, "body"},
		"an unknown field":             {"POST", keys, `{"name": "x", "sentinel-field": 1}`, nil, 422, "body"},
		"a field in another case":      {"POST", keys, `{"Name": "x"}`, nil, 422, "body.name"},
		"a duplicate field":            {"POST", keys, `{"name": "x", "name": "y"}`, nil, 422, "body"},
		"deep nesting":                 {"POST", keys, `{"name": ` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, nil, 422, "body"},
		"invalid UTF-8":                {"POST", keys, name("\xff\xfe"), nil, 422, "body"},
		"a raw NUL byte":               {"POST", keys, name("a\x00b"), nil, 422, "body"},
		"an escaped NUL":               {"POST", keys, name(`a\u0000b`), nil, 422, "body.name"},
		"no name":                      {"POST", keys, `{}`, nil, 422, "body.name"},
		"an empty name":                {"POST", keys, name("   "), nil, 422, "body.name"},
		"121 emoji":                    {"POST", keys, name(strings.Repeat("🔑", 121)), nil, 422, "body.name"},
		"61 combining marks":           {"POST", keys, name(strings.Repeat("e\u0301", 61)), nil, 422, "body.name"},
		"a name that is a number":      {"POST", keys, `{"name": 7}`, nil, 422, "body.name"},
		"a null name":                  {"POST", keys, `{"name": null}`, nil, 422, "body.name"},
		"a reserved key type":          {"POST", keys, `{"name": "x", "key_type": "public"}`, nil, 422, "body.key_type"},
		"a bad prefix":                 {"POST", keys, `{"name": "x", "prefix": "Sentinel"}`, nil, 422, "body.prefix"},
		"write scopes, read-only":      {"POST", keys, `{"name": "x", "key_type": "read-only", "scopes": ["voices:write"]}`, nil, 422, "body.scopes"},
		"an unknown scope":             {"POST", keys, `{"name": "x", "scopes": ["voices:read", "sentinel:read"]}`, nil, 422, "body.scopes[1]"},
		"10,000 scopes":                {"POST", keys, `{"name": "x", "scopes": [` + strings.Repeat(`"a:b",`, 9_999) + `"a:b"]}`, nil, 422, "body.scopes"},
		"a past expiry":                {"POST", keys, `{"name": "x", "expires_at": "2020-01-01T00:00:00Z"}`, nil, 422, "body.expires_at"},
		"half a character":             {"POST", keys, name(`\ud800`), nil, 422, "body"},
		"an expiry before the year 1":  {"POST", keys, `{"name": "x", "expires_at": "0000-01-01T00:00:00+23:59"}`, []string{"Idempotency-Key: before-the-year-one"}, 422, "body.expires_at"},
		"a body nobody asked for":      {"DELETE", keys + "/" + id, strings.Repeat("x", 64<<10+1), nil, 413, ""},
		"a path, and a bad header":     {"GET", "/api/v1/workspaces/7c9e6679-7425-40de-944b-e07fc1f90ae7", "", []string{"X-Workspace-Id: sentinel"}, 422, "header.X-Workspace-Id"},
		"the nil workspace":            {"GET", keys, "", []string{"X-Workspace-Id: 00000000-0000-0000-0000-000000000000"}, 403, ""},
		"an expiry without a zone":     {"POST", keys, `{"name": "x", "expires_at": "2099-01-01T00:00:00"}`, nil, 422, "body.expires_at"},
		"an address that is none":      {"POST", keys, `{"name": "x", "allowed_ips": ["sentinel"]}`, nil, 422, "body.allowed_ips[0]"},
		"a range with host bits":       {"POST", keys, `{"name": "x", "allowed_ips": ["10.0.0.1/8"]}`, nil, 422, "body.allowed_ips[0]"},
		"65 addresses":                 {"POST", keys, `{"name": "x", "allowed_ips": ["::1"` + strings.Repeat(`,"::1"`, 64) + `]}`, nil, 422, "body.allowed_ips"},
		"metadata of numbers":          {"POST", keys, `{"name": "x", "metadata": {"sentinel": 1}}`, nil, 422, "body.metadata"},
		"a limit of 0":                 {"POST", keys, limit("0"), nil, 422, "body.rate_limit_per_min"},
		"a limit of -1":                {"POST", keys, limit("-1"), nil, 422, "body.rate_limit_per_min"},
		"a limit of 1.5":               {"POST", keys, limit("1.5"), nil, 422, "body.rate_limit_per_min"},
		"a limit of 1e9":               {"POST", keys, limit("1e9"), nil, 422, "body.rate_limit_per_min"},
		"a limit that is a string":     {"POST", keys, limit(`"100"`), nil, 422, "body.rate_limit_per_min"},
		"limit=0":                      {"GET", keys + "?limit=0", "", nil, 422, "query.limit"},
		"limit=101":                    {"GET", keys + "?limit=101", "", nil, 422, "query.limit"},
		"limit=x":                      {"GET", keys + "?limit=sentinel", "", nil, 422, "query.limit"},
		"limit empty":                  {"GET", keys + "?limit=", "", nil, 422, "query.limit"},
		"offset=-1":                    {"GET", keys + "?offset=-1", "", nil, 422, "query.offset"},
		"offset=10^18":                 {"GET", keys + "?offset=1000000000000000000", "", nil, 422, "query.offset"},
		"offset=10^30":                 {"GET", keys + "?offset=1000000000000000000000000000000", "", nil, 422, "query.offset"},
		"a duplicate parameter":        {"GET", keys + "?limit=1&limit=2", "", nil, 422, "query.limit"},
		"an unknown parameter":         {"GET", keys + "?sentinel=1", "", nil, 422, "query"},
		"a granularity of weeks":       {"GET", "/api/v1/usage?granularity=sentinel", "", nil, 422, "query.granularity"},
		"a time without a zone":        {"GET", "/api/v1/usage?from=2026-01-01T00:00:00", "", nil, 422, "query.from"},
		"usage of the future":          {"GET", keys + "/" + id + "/usage?from=9999-12-31T23:59:59.9Z&to=9999-12-31T23:59:59.95Z&granularity=day", "", nil, 422, "query.from"},
		"usage that is forgotten":      {"GET", "/api/v1/usage?from=0001-01-01T00:00:00Z", "", nil, 422, "query.from"},
		"too many minutes":             {"GET", "/api/v1/usage?granularity=minute&to=9999-12-31T23:59:59Z&from=" + time.Now().UTC().Add(-time.Hour).Format(time.RFC3339), "", nil, 422, "query.to"},
		"an unknown status":            {"GET", keys + "?status=sentinel", "", nil, 422, "query.status"},
		"a semicolon":                  {"GET", keys + "?limit=1;offset=2", "", nil, 422, "query"},
		"a broken escape":              {"GET", keys + "?q=%zz", "", nil, 422, "query"},
		"a NUL in the query":           {"GET", keys + "?q=%00", "", nil, 422, "query"},
		"invalid UTF-8 in the query":   {"GET", keys + "?q=%ff", "", nil, 422, "query"},
		"an id that is none":           {"GET", keys + "/sentinel", "", nil, 422, "path.key_id"},
		"a NUL in the id":              {"GET", keys + "/%00", "", nil, 422, "path.key_id"},
		"an id that is none, patching": {"PATCH", keys + "/sentinel", `{"rate_limit_per_min": 0}`, nil, 422, "path.key_id"},
		"a workspace that is no id":    {"GET", keys, "", []string{"X-Workspace-Id: sentinel"}, 422, "header.X-Workspace-Id"},
		"a list of workspaces":         {"GET", keys, "", []string{"X-Workspace-Id: 7c9e6679-7425-40de-944b-e07fc1f90ae7, 7c9e6679-7425-40de-944b-e07fc1f90ae7"}, 422, "header.X-Workspace-Id"},
		"two workspaces":               {"GET", keys, "", []string{"X-Workspace-Id: 7c9e6679-7425-40de-944b-e07fc1f90ae7", "X-Workspace-Id: 7c9e6679-7425-40de-944b-e07fc1f90ae7"}, 422, "header.X-Workspace-Id"},
		"an empty workspace":           {"GET", keys, "", []string{"X-Workspace-Id: "}, 422, "header.X-Workspace-Id"},
		"a short Idempotency-Key":      {"POST", keys, name("x"), []string{"Idempotency-Key: 1234567"}, 422, "header.Idempotency-Key"},
		"a binary Idempotency-Key":     {"POST", keys, name("x"), []string{"Idempotency-Key: sentinel\xff\xff"}, 422, "header.Idempotency-Key"},
		"a patch with a bad limit":     {"PATCH", keys + "/" + id, `{"name": "changed", "rate_limit_per_min": 0}`, nil, 422, "body.rate_limit_per_min"},
		"a grace too long":             {"PATCH", keys + "/" + id + "/rotate", `{"grace_period_seconds": 604801}`, nil, 422, "body.grace_period_seconds"},
		"a rotation with rubbish":      {"PATCH", keys + "/" + id + "/rotate", `{"name": "x"}`, nil, 422, "body"},
		"a form":                       {"POST", keys, `name=x`, []string{"Content-Type: application/x-www-form-urlencoded"}, 415, ""},
		"JSON in Latin-1":              {"POST", keys, name("x"), []string{"Content-Type: application/json; charset=latin1"}, 415, ""},
		"64 KiB and one byte":          {"POST", keys, name(strings.Repeat("x", 64<<10)), nil, 413, ""},
		"verify without a key":         {"POST", keys + "/verify", `{}`, nil, 422, "body.key"},
		"verify with a cost of 1001":   {"POST", keys + "/verify", `{"key": "x", "cost": 1001}`, nil, 422, "body.cost"},
		"verify with a bad address":    {"POST", keys + "/verify", `{"key": "x", "client_ip": "sentinel"}`, nil, 422, "body.client_ip"},
	} {
		t.Run(what, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+admin)
			for _, h := range c.headers {
				n, v, _ := strings.Cut(h, ": ")
				req.Header.Add(n, v)
			}
			a := send(t, req).must(t, c.status)
			if c.field != "" && !slices.Contains(a.fields(), c.field) {
				t.Errorf("fields %v, want %s: %s", a.fields(), c.field, a.Body)
			}
			if strings.Contains(strings.ToLower(a.Body), "sentinel") {
				t.Errorf("the answer repeats what was sent: %s", a.Body)
			}
		})
	}
	after := s.call(t, admin, "GET", keys+"?status=all", nil).get("data")
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("something changed:\n%v\n%v", before, after)
	}
}

func TestAllFaultsOfPathQueryHeaderAndBodyComeTogether(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	a := s.call(t, admin, "PATCH", keys+"/rubbish?x=1", object{"name": "", "rate_limit_per_min": 0, "scopes": []string{"no"}}, "X-Workspace-Id: rubbish").must(t, 422)
	for _, want := range []string{"path.key_id", "query", "header.X-Workspace-Id", "body.name", "body.rate_limit_per_min", "body.scopes[0]"} {
		if !slices.Contains(a.fields(), want) {
			t.Errorf("%s is not named: %s", want, a.Body)
		}
	}
}

// A body that never ends is cut off at the bound, announced or not; the process
// keeps nothing of it.
func TestAGigabyteIsRefusedWithoutBeingRead(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	const size = 1 << 30
	for name, announced := range map[string]int64{"announced": size, "chunked": -1} {
		t.Run(name, func(t *testing.T) {
			sent := &countingReader{left: size}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+keys, sent)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = announced
			req.Header.Set("Authorization", "Bearer "+admin)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Expect", "100-continue")
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			resp, err := client.Do(req)
			runtime.ReadMemStats(&after)
			if err == nil { // the server may also close the connection first
				defer resp.Body.Close()
				if resp.StatusCode != http.StatusRequestEntityTooLarge {
					t.Errorf("status %d, want 413", resp.StatusCode)
				}
			}
			if n := sent.read.Load(); n > 16<<20 {
				t.Errorf("%d bytes were sent before the refusal", n)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
				t.Errorf("%d bytes were allocated", grown)
			}
		})
	}
	s.call(t, admin, "GET", keys, nil).must(t, 200)
}

// countingReader gives left bytes of JSON string. The client may go on reading it
// after it has the answer.
type countingReader struct {
	left int64
	read atomic.Int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), r.left)
	for i := range n {
		p[i] = '"'
	}
	r.left -= n
	r.read.Add(n)
	return int(n), nil
}

// Requests that Go's client would not send.
func TestMalformedHTTPIsRefusedCleanly(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	auth := "Authorization: Bearer " + admin + "\r\n"
	for name, c := range map[string]struct {
		raw    string
		status int
	}{
		"a truncated body":    {"POST " + keys + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"name\":", 422},
		"a truncated chunk":   {"POST " + keys + " HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{\"na", 422},
		"huge headers":        {"GET " + keys + " HTTP/1.1\r\nHost: x\r\nX-Big: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", 431},
		"a NUL in a header":   {"GET " + keys + " HTTP/1.1\r\nHost: x\r\nX-Workspace-Id: a\x00b\r\n\r\n", 400},
		"two content lengths": {"POST " + keys + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.raw); err != nil {
				t.Fatal(err)
			}
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != c.status {
				t.Errorf("status %d, want %d", resp.StatusCode, c.status)
			}
		})
	}
	if total := s.call(t, admin, "GET", keys, nil).get("pagination", "total"); total != 0.0 {
		t.Errorf("%v keys, want none", total)
	}
}
