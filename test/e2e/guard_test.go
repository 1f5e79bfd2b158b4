package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/keypin/keypin/client"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/keypin"
)

const (
	dataToken = "0123456789abcdef"
	patient   = 10 * time.Second // of every wait
)

// counting counts the requests by path.
type counting struct {
	checks atomic.Int64
	base   http.RoundTripper
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/verify") {
		c.checks.Add(1)
	}
	return c.base.RoundTrip(r)
}

// guard makes a Guard of the service's data listener, and what counts its questions.
func (s *service) guard(t *testing.T) (*sdk.Guard, *counting) {
	t.Helper()
	asked := &counting{base: &http.Transport{}}
	c, err := sdk.New(s.DataURL, sdk.WithToken(dataToken), sdk.WithHTTPClient(&http.Client{Transport: asked}))
	if err != nil {
		t.Fatal(err)
	}
	g, err := sdk.NewGuard(c)
	if err != nil {
		t.Fatal(err)
	}
	return g, asked
}

// within polls until it holds.
func within(t testing.TB, d time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(d)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("within %v: not %s", d, what)
		}
	}
}

func TestAGuardProtectsAHandlerWithoutTheNetwork(t *testing.T) {
	s := start(t, func(c *config.Config) { c.DataToken = keypin.NewSecret(dataToken) })
	admin := s.session(t, "ada@example.com", "", "")
	g, asked := s.guard(t)
	var principal atomic.Pointer[sdk.VerifiedKey]
	api := httptest.NewServer(g.Protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		p, _ := sdk.PrincipalFrom(r.Context())
		principal.Store(p)
	}), sdk.Scopes("workflows:read")))
	defer api.Close()
	status := func(secret string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", secret)
		req.Header.Set("User-Agent", "tool/1")
		return send(t, req).Status
	}
	within(t, patient, "fresh", g.Fresh)
	id, secret := s.createKey(t, admin, object{"name": "guarded", "scopes": []string{"workflows:read"}})
	for range 50 {
		if got := status(secret); got != http.StatusOK {
			t.Fatalf("answered %d", got)
		}
	}
	if n := asked.checks.Load(); n != 1 {
		t.Errorf("the service was asked %d times for 50 requests", n)
	}
	if p := principal.Load(); p == nil || p.ID != id || p.Name != "guarded" {
		t.Errorf("the principal is %+v", p)
	}

	// Each change is heard; as a rule at once. That it is within the bound is for package
	// edge to show, in simulated time: here the machine may be busy.
	change := func(body object) { s.call(t, admin, "PATCH", keys+"/"+id, body).must(t, 200) }
	for _, step := range []struct {
		body object
		want int
	}{
		{object{"active": false}, 401}, {object{"active": true}, 200}, {object{"scopes": []string{}}, 403}, {object{"scopes": []string{"workflows:read"}}, 200},
		{object{"allowed_ips": []string{"198.51.100.1"}}, 403}, {object{"allowed_ips": []string{}}, 200},
	} {
		change(step.body)
		within(t, patient, "the new state", func() bool { return status(secret) == step.want })
	}
	rotated := s.call(t, admin, "PATCH", keys+"/"+id+"/rotate", nil).must(t, 200)
	within(t, patient, "refused", func() bool { return status(secret) == 401 })
	next := rotated.str("data", "new_key", "api_key")
	if got := status(next); got != http.StatusOK {
		t.Errorf("the new key is answered %d", got)
	}
	for _, wrong := range []string{"op_live_0000000000000000000000000009BlC0", "x", secret[:len(secret)-1] + "!"} {
		if got := status(wrong); got != http.StatusUnauthorized {
			t.Errorf("%q is answered %d", wrong, got)
		}
	}

	// What was decided in the process shows in the key's usage.
	g.Close()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	again := start(t, func(c *config.Config) { *c = *s.config })
	usage := again.call(t, admin, "GET", keys+"/"+rotated.str("data", "new_key", "id")+"/usage?granularity=day", nil).must(t, 200)
	totals, _ := usage.get("data", "totals").(object)
	valid, _ := totals["valid"].(float64)
	refused, _ := totals["insufficient_scope"].(float64)
	if valid < 50 || refused < 1 {
		t.Errorf("the usage is %v", totals)
	}
	if usage.get("data", "last_used", "user_agent") != "tool/1" || usage.get("data", "last_used", "ip") != "127.0.0.1" {
		t.Errorf("last used %v", usage.get("data", "last_used"))
	}
}

func TestAGuardOutlivesTheServiceForLessThanTheBound(t *testing.T) {
	s := start(t, func(c *config.Config) { c.DataToken = keypin.NewSecret(dataToken) })
	admin := s.session(t, "ada@example.com", "", "")
	_, secret := s.createKey(t, admin, object{"name": "guarded"})
	g, _ := s.guard(t)
	defer g.Close()
	within(t, patient, "fresh", g.Fresh)
	check := func() (*sdk.Verification, error) {
		return g.Verify(t.Context(), sdk.VerifyParams{Key: sdk.NewSecret(secret)})
	}
	if v, err := check(); err != nil || !v.Valid {
		t.Fatalf("%+v, %v", v, err)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	within(t, patient, "refused", func() bool { _, err := check(); return err != nil })
	if g.Fresh() {
		t.Error("without a service the memory is fresh")
	}
}
