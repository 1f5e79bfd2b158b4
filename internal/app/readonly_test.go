package app

import (
	"net/http"
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/httpapi"
)

func TestAReadOnlyServiceChecksKeysAndChangesNothing(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	s := start(t, c)
	token := mint(t, c)
	path, key := makeKey(t, s, token)
	s.stop()
	if err := s.end(t); err != nil {
		t.Fatal(err)
	}
	c.ReadOnly = true
	s = start(t, c)
	if got := ask(t, http.MethodPost, s.DataAddr(), httpapi.VerifyPath, `{"key":"`+key+`"}`); !strings.Contains(got.body, `"code":"valid"`) {
		t.Errorf("a check: %d %s", got.status, got.body)
	}
	if got := ask(t, http.MethodGet, s.PublicAddr(), path, "", "Authorization: Bearer "+token); got.status != http.StatusOK {
		t.Errorf("a look: %d %s", got.status, got.body)
	}
	for _, change := range [][2]string{{http.MethodPost, "/api/v1/api-keys"}, {http.MethodPatch, path}} {
		got := ask(t, change[0], s.PublicAddr(), change[1], `{"name":"y"}`, "Authorization: Bearer "+token)
		if got.status != http.StatusServiceUnavailable || got.code() != "unavailable" || got.header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s", change[0], got.status, got.header, got.body)
		}
	}
	s.stop()
	if err := s.end(t); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
