package e2e

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/app"
	"github.com/keypin/keypin/internal/authn"
	"github.com/keypin/keypin/internal/config"
	"github.com/keypin/keypin/internal/telemetry"
)

// brokenServices makes the errors that only a broken service answers with, and
// tells which.
func brokenServices(t *testing.T) map[string]bool {
	t.Helper()
	codes := map[string]bool{}
	t.Run("a database without its tables", func(t *testing.T) { maps.Copy(codes, withoutTables(t)) })
	t.Run("an issuer that is down", func(t *testing.T) { maps.Copy(codes, withoutIssuer(t)) })
	t.Run("a source of randomness that fails", func(t *testing.T) { maps.Copy(codes, withoutRandomness(t)) })
	return codes
}

// everywhere sends requests that hold v in all that is allowed, as every caller.
func (h *hunt) everywhere(t testing.TB, key, session, joining string) (statuses map[int]bool) {
	t.Helper()
	statuses = map[int]bool{}
	const id = "X-Request-Id: 123e4567-e89b-12d3-a456-426614174000"
	for _, bearer := range []string{key, session} {
		for _, p := range []planting{
			{op: "list-api-keys", method: "GET", path: keys},
			{op: "create-api-key", method: "POST", path: keys, body: `{"name":"made"}`, headers: []string{"Idempotency-Key: " + key}},
			{op: "create-api-key", method: "POST", path: keys, body: `{"name":"made"}`},
			{op: "verify-api-key", method: "POST", path: keys + "/verify", body: `{"key":"` + key + `"}`},
			{op: "whoami", method: "GET", path: "/api/v1/auth/whoami"},
			{op: "create-workspace", method: "POST", path: workspaces, body: `{"name":"made"}`, headers: []string{"Idempotency-Key: " + session}},
			{op: "accept-invite", method: "POST", path: workspaces + "/invites/" + joining + "/accept"},
		} {
			p.what, p.bearer = "a broken service", bearer
			p.headers = append(p.headers, "User-Agent: "+key, "Cookie: "+session, id)
			statuses[h.send(t, p).Status] = true
		}
	}
	return statuses
}

// planted starts what every broken service needs: a key, a session, an invite.
func planted(t testing.TB, s *service) (h *hunt, key, session, joining string) {
	t.Helper()
	o := newOrganisation(t, s, "acme", []string{"api-keys:read", "api-keys:write", "api-keys:verify", "workspace:read"})
	joining = o.fresh(t, "token", caller{})
	h = newHunt(s, keySecret(t, o.key.token), sessionSecret(o.admin.token), newSecret("an invite's token", joining, joining, true))
	return h, o.key.token, o.admin.token, joining
}

// searchLog looks into what the service logged, which must tell of a failure.
func (h *hunt) searchLog(t testing.TB, telling string) {
	t.Helper()
	if !strings.Contains(h.s.Log.String(), telling) {
		t.Errorf("the log does not tell of %q", telling)
	}
	h.search("the log", h.s.Log.String(), searched.all)
}

func withoutTables(t *testing.T) map[string]bool {
	s := start(t)
	h, key, session, joining := planted(t, s)
	other, err := sql.Open("sqlite", s.config.SQLitePath())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	rename := func(from, to string) {
		t.Helper()
		if _, err := other.ExecContext(t.Context(), "PRAGMA busy_timeout = 5000; ALTER TABLE "+from+" RENAME TO "+to); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"idempotent_answers", "audit_entries", "invites", "api_keys", "members", "users", "workspaces"} {
		rename(table, "away")
		got := h.everywhere(t, key, session, joining)
		h.brokenDoors(t, key, session)
		// Known users are not looked up again; a new one is.
		got[s.call(t, s.session(t, table+"@new.example", "", ""), "GET", "/api/v1/auth/whoami", nil).Status] = true
		if !got[500] && !got[503] {
			t.Errorf("without the table %s all is well: %v", table, got)
		}
		rename("away", table)
	}
	if !h.codes["internal_error"] {
		t.Errorf("only %v happened", h.codes)
	}
	h.searchLog(t, "no such table")
	h.report(t)
	return h.codes
}

func withoutIssuer(t *testing.T) map[string]bool {
	const issuer = "http://127.0.0.1:1"
	s := start(t, func(c *config.Config) { c.Issuers = []authn.Issuer{{Issuer: issuer, Kind: authn.KindClerk}} })
	mark := "Mark" + rand.Text()
	part := func(v string) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) }
	now := time.Now().Unix()
	for _, claims := range []object{
		{"iss": issuer, "sub": "user_" + mark, "sid": "sess_" + mark, "iat": now, "nbf": now, "exp": now + 60},
		{"iss": mark, "sub": mark, "sid": mark, "iat": now, "nbf": now, "exp": now + 60},
		{"iss": issuer, "sub": mark, "sid": mark, "iat": mark, "nbf": mark, "exp": mark},
		{"iss": issuer, "sub": mark, "sid": mark, "sts": mark, "azp": mark, "o": mark, "iat": now, "nbf": now, "exp": now + 60},
	} {
		token := part(`{"alg":"RS256","typ":"JWT","kid":"`+mark+`"}`) + "." + part(toJSON(claims)) + "." + part(mark+mark)
		// What a token says is nobody's business either, before it is believed.
		h := newHunt(s, sessionSecret(token), newSecret("what a token says", mark, mark, false))
		for _, v := range []string{token, token + "x", "x" + token, part(`{"alg":"`+mark+`"}`) + token[strings.IndexByte(token, '.'):]} {
			h.send(t, planting{op: "whoami", what: "a token of an issuer that is down", method: "GET", path: "/api/v1/auth/whoami", bearer: v})
		}
		h.search("the log", s.Log.String(), searched.all)
		h.report(t)
		if claims["sub"] == "user_"+mark {
			if !h.codes["unavailable"] {
				t.Errorf("only %v happened", h.codes)
			}
			defer func() { h.searchLog(t, "request failed") }()
		}
	}
	return map[string]bool{"unavailable": true}
}

// unreliable is a source of randomness that fails, or panics, when told to.
type unreliable struct {
	fail  atomic.Pointer[error]
	panic atomic.Bool
	mu    sync.Mutex
}

func (u *unreliable) Read(p []byte) (int, error) {
	if err := u.fail.Load(); err != nil {
		if u.panic.Load() {
			panic(*err)
		}
		return 0, *err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return rand.Read(p)
}

func withoutRandomness(t *testing.T) map[string]bool {
	random := &unreliable{}
	s := startWith(t, random)
	h, key, session, joining := planted(t, s)
	failure := errors.New("no entropy for " + key + " of Bearer " + session)
	random.fail.Store(&failure)
	if got := h.everywhere(t, key, session, joining); !got[500] {
		t.Errorf("without randomness all is well: %v", got)
	}
	h.brokenDoors(t, key, session)
	h.searchLog(t, "no entropy")
	random.panic.Store(true)
	if got := h.everywhere(t, key, session, joining); !got[500] {
		t.Errorf("a panic is not answered: %v", got)
	}
	h.searchLog(t, "panic")
	random.fail.Store(nil)
	if a := s.call(t, session, "POST", keys, object{"name": "afterwards"}); a.Status != 201 {
		t.Errorf("after the panics the service answers %d", a.Status)
	}
	h.report(t)
	return h.codes
}

// startWith is start with another source of randomness.
func startWith(t testing.TB, random io.Reader) *service {
	t.Helper()
	c := config.Default()
	c.Listen, c.DataListen, c.DataDir = "127.0.0.1:0", "127.0.0.1:0", t.TempDir()+"/data"
	s := &service{Dir: c.DataDir, Log: &logBuffer{}, config: c}
	logger, err := telemetry.NewLogger(s.Log, "json", "debug")
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), c, app.Options{Clock: time.Now, Random: random, Logger: logger, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	select {
	case <-a.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("the service did not start: %v", err)
	}
	s.URL, s.DataURL = "http://"+a.PublicAddr().String(), "http://"+a.DataAddr().String()
	s.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("the service did not stop cleanly: %v", err)
		}
	})
	return s
}
