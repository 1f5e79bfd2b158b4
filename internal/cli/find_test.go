package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/keypin/keypin/internal/cli"
)

const id = "01a22353-cdd2-7994-90b2-07796cd0175e"

// lists is a service that has long lists, and counts the pages that are asked for.
type lists struct {
	items map[string][]map[string]any // by their path
	mu    sync.Mutex
	pages map[string]int
}

func (l *lists) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	all, isList := l.items[r.URL.Path]
	if !isList || r.Method != http.MethodGet {
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"id": r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]}})
		return
	}
	l.mu.Lock()
	l.pages[r.URL.Path]++
	l.mu.Unlock()
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset")) // none = 0
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))   // the client always says
	page := map[string]any{"total": len(all), "next": nil}
	end := min(offset+limit, len(all))
	if end < len(all) {
		page["next"] = r.URL.Path
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"data": all[offset:end], "pagination": page})
}

// many are n items; the last one has the field as well.
func many(n int, field string, last any) []map[string]any {
	all := make([]map[string]any, n)
	for i := range all {
		all[i] = map[string]any{"id": fmt.Sprintf("01a22353-cdd2-7994-90b2-%012x", i), "status": "active", "is_active": true}
	}
	all[n-1][field] = last
	return all
}

func TestWhatIsNamedIsLookedForAsFarAsItStandsAndNoFurther(t *testing.T) {
	t.Parallel()
	const workspaces, members, invites, keys = "/api/v1/workspaces", "/api/v1/workspaces/" + id + "/members", "/api/v1/workspaces/" + id + "/invites", "/api/v1/api-keys"
	for _, tt := range []struct {
		name, args, path string
		items            []map[string]any
		code, pages      int
		told             string
	}{
		{"a workspace", "workspaces get acme", workspaces, append(many(100, "slug", "acme"), many(300, "slug", "other")...), 0, 1, ""},
		{"a workspace far back", "workspaces get acme", workspaces, many(1150, "slug", "acme"), 0, 12, ""},
		{"a member", "members update ann@example.com --role viewer", members, append(many(100, "email", "Ann@example.com"), many(300, "x", 1)...), 0, 1, ""},
		{"a member far back", "members update ann@example.com --role viewer", members, many(1150, "email", "ann@example.com"), 0, 12, ""},
		{"an invite", "invites revoke ann@example.com --yes", invites, append(many(100, "email", "ann@example.com"), many(300, "x", 1)...), 0, 1, ""},
		{"an invite that is not there", "invites revoke ann@example.com --yes", invites, many(250, "x", 1), 1, 3, ""},
		// Of keys there may be another that is called the same.
		{"a key far back", "keys get export", keys, many(1150, "name", "export"), 0, 12, ""},
		{"two keys of one name, far from each other", "keys get export", keys, append(many(100, "name", "export"), many(1150, "name", "export")...), 2, 13, "2 keys are called so"},
		{"a key that is the last to be looked at", "keys get export", keys, many(5000, "name", "export"), 0, 50, ""},
		{"a key behind too many", "keys get export", keys, many(20_000, "name", "export"), 2, 51, `"too many keys match","what_to_do":["name the one that is meant by its id or its last 6 characters"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := &lists{items: map[string][]map[string]any{tt.path: tt.items}, pages: map[string]int{}}
			service := httptest.NewServer(l)
			t.Cleanup(service.Close)
			var out, problems bytes.Buffer
			code := cli.Main(context.Background(), cli.Process{Args: append(strings.Fields(tt.args), "--json"), Stdout: &out, Stderr: &problems,
				Environ: []string{"KEYPIN_BASE_URL=" + service.URL, "KEYPIN_API_KEY=something", "KEYPIN_WORKSPACE_ID=" + id}})
			if code != tt.code || !strings.Contains(problems.String(), tt.told) {
				t.Errorf("ended with %d, want %d: %s", code, tt.code, problems.String())
			}
			if l.pages[tt.path] != tt.pages || len(l.pages) != 1 {
				t.Errorf("asked for %v, want %d pages of %s", l.pages, tt.pages, tt.path)
			}
		})
	}
}
