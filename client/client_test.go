package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestABaseURLThatCannotBeRightIsRefused(t *testing.T) {
	for _, s := range []string{"", "keys.example.com", "localhost:8080", "ftp://keys.example.com", "https://", "https://:8080", "/relative",
		"https://keys.example.com/api/v1", "https://keys.example.com/api/v1/", "https://keys.example.com?a=b", "https://keys.example.com?", "https://keys.example.com#a",
		"https://ada:hunter2hunter2@keys.example.com", "https://ada:hunter2hunter2@keys.example.com:port", "https://keys example.com"} {
		_, err := New(s)
		if err == nil || !strings.HasPrefix(err.Error(), "keypin: the base URL ") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []string{"https://keys.example.com", "http://127.0.0.1:8080/", "http://[::1]:8080", "https://example.com/keypin//"} {
		if _, err := New(s); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestAnOptionThatCannotBeRightIsRefused(t *testing.T) {
	for name, option := range map[string]Option{
		"an empty token": WithToken(""), "a token with its line's end": WithToken(testToken + "\n"), "a token of two words": WithToken("Bearer " + testToken),
		"no source": WithTokenSource(nil), "a workspace's slug": WithWorkspace("acme"), "no HTTP client": WithHTTPClient(nil), "fewer than no retries": WithMaxRetries(-1),
		"no time": WithTimeout(0), "no user agent": WithUserAgent(""), "a user agent of two lines": WithUserAgent("a\r\nb"),
	} {
		if _, err := New("https://keys.example.com", option); err == nil || strings.Contains(err.Error(), testToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARequestCarriesWhatItShould(t *testing.T) {
	const other = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
	kp, s := scripted(t, []Option{WithWorkspace(testID), WithUserAgent("exporter/1.4")}, createdAnswer(), keyAnswer(), keyAnswer(), answers(200, `{"status":"ok","version":"1"}`))
	if _, err := kp.Keys.Create(t.Context(), CreateKeyParams{Name: "first"}, IdempotencyKey("nightly 2026-04-25"), RequestID(testReqID)); err != nil {
		t.Fatal(err)
	}
	if _, err := kp.Keys.Get(t.Context(), testID, InWorkspace(other)); err != nil {
		t.Fatal(err)
	}
	if _, err := kp.Workspaces.Get(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := kp.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ method, url, workspace, authorization, contentType, idempotencyKey, requestID string }{
		{"POST", "http://keypin.test/base/api/v1/api-keys", testID, "Bearer " + testToken, "application/json", "nightly 2026-04-25", testReqID},
		{"GET", "http://keypin.test/base/api/v1/api-keys/" + testID, other, "Bearer " + testToken, "", "", ""},
		{"GET", "http://keypin.test/base/api/v1/workspaces/" + other, "", "Bearer " + testToken, "", "", ""},
		{"GET", "http://keypin.test/base/health", "", "", "", "", ""},
	} {
		r := s.seen[i]
		got := want
		got.method, got.url, got.workspace, got.authorization = r.Method, r.URL.String(), r.Header.Get("X-Workspace-Id"), r.Header.Get("Authorization")
		got.contentType, got.idempotencyKey, got.requestID = r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"), r.Header.Get("X-Request-Id")
		if got != want || r.Header.Get("Accept") != "application/json" || !strings.HasPrefix(r.UserAgent(), "exporter/1.4 keypin-go/"+Version+" go1.") {
			t.Errorf("request %d: %+v, User-Agent %q", i, got, r.UserAgent())
		}
	}
	if s.sent[0] != `{"name":"first"}` {
		t.Errorf("sent %s", s.sent[0])
	}
}

// Each would otherwise be sent to another address, or be dropped in silence.
func TestACallThatCannotBeRightIsNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		field string
		call  func(*Client) error
	}{
		"no id":            {"path.key_id", func(kp *Client) error { _, err := kp.Keys.Revoke(t.Context(), ""); return err }},
		"a name for an id": {"path.key_id", func(kp *Client) error { _, err := kp.Keys.Get(t.Context(), "verify"); return err }},
		"a path for an id": {"path.key_id", func(kp *Client) error {
			_, err := kp.Keys.Rotate(t.Context(), "../workspaces/"+testID, RotateKeyParams{})
			return err
		}},
		"two ids, one wrong": {"path.member_id", func(kp *Client) error { _, err := kp.Members.Remove(t.Context(), testID, "ada"); return err }},
		"no invite":          {"path.token", func(kp *Client) error { _, err := kp.Invites.Accept(t.Context(), Secret{}); return err }},
		"dots for an invite": {"path.token", func(kp *Client) error { _, err := kp.Invites.Accept(t.Context(), NewSecret("..")); return err }},
		"a workspace's slug": {"header.X-Workspace-Id", func(kp *Client) error { _, err := kp.WhoAmI(t.Context(), InWorkspace("acme")); return err }},
		"a workspace where the path names one": {"header.X-Workspace-Id", func(kp *Client) error {
			_, err := kp.Workspaces.Get(t.Context(), testID, InWorkspace(testID))
			return err
		}},
		"an empty condition": {"header.If-Match", func(kp *Client) error { _, err := kp.Keys.Revoke(t.Context(), testID, IfMatch("")); return err }},
		"a condition that is not checked": {"header.If-Match", func(kp *Client) error {
			_, err := kp.Workspaces.Delete(t.Context(), testID, IfMatch(`"v1"`))
			return err
		}},
		"a short Idempotency-Key": {"header.Idempotency-Key", func(kp *Client) error {
			_, err := kp.Keys.Create(t.Context(), CreateKeyParams{Name: "x"}, IdempotencyKey("short"))
			return err
		}},
		"an Idempotency-Key that is not kept": {"header.Idempotency-Key", func(kp *Client) error {
			_, err := kp.Keys.Update(t.Context(), testID, UpdateKeyParams{}, IdempotencyKey("long enough"))
			return err
		}},
		"a request id of another form": {"header.X-Request-Id", func(kp *Client) error { _, err := kp.WhoAmI(t.Context(), RequestID("mine")); return err }},
		"a cleared name": {"body.name", func(kp *Client) error {
			_, err := kp.Keys.Update(t.Context(), testID, UpdateKeyParams{Name: Clear[string]()})
			return err
		}},
		"cleared scopes": {"body.scopes", func(kp *Client) error {
			_, err := kp.Keys.Update(t.Context(), testID, UpdateKeyParams{Scopes: Clear[[]string]()})
			return err
		}},
		"a cleared slug": {"body.slug", func(kp *Client) error {
			_, err := kp.Workspaces.Update(t.Context(), testID, UpdateWorkspaceParams{Slug: Clear[string]()})
			return err
		}},
		"half a second of grace": {"body.grace_period_seconds", func(kp *Client) error {
			_, err := kp.Keys.Rotate(t.Context(), testID, RotateKeyParams{Grace: 500 * time.Millisecond})
			return err
		}},
		"a time that JSON cannot write": {"body", func(kp *Client) error {
			_, err := kp.Keys.Create(t.Context(), CreateKeyParams{Name: "x", ExpiresAt: new(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))})
			return err
		}},
	} {
		kp, s := scripted(t, nil)
		err := c.call(kp)
		if e := asError(t, err); len(s.seen) != 0 || len(e.Details) != 1 || e.Details[0].Field != c.field || !errors.Is(err, ErrValidation) || e.Status != 0 {
			t.Errorf("%s: %d requests, %v", name, len(s.seen), err)
		}
	}
}

func TestAFieldIsLeftReplacedOrCleared(t *testing.T) {
	for name, c := range map[string]struct {
		params UpdateKeyParams
		want   string
	}{
		"nothing":    {UpdateKeyParams{}, `{}`},
		"zeros":      {UpdateKeyParams{Active: Set(false), Name: Set(""), RateLimitPerMin: Set(0)}, `{"name":"","active":false,"rate_limit_per_min":0}`},
		"clear":      {UpdateKeyParams{RateLimitPerMin: Clear[int](), ExpiresAt: Clear[time.Time](), AllowedIPs: Clear[[]string]()}, `{"rate_limit_per_min":null,"expires_at":null,"allowed_ips":null}`},
		"empty":      {UpdateKeyParams{Scopes: Set([]string{}), Metadata: Set(map[string]string{})}, `{"scopes":[],"metadata":{}}`},
		"nil, empty": {UpdateKeyParams{Scopes: Set[[]string](nil), AllowedIPs: Set[[]string](nil), Metadata: Set[map[string]string](nil)}, `{"scopes":[],"allowed_ips":[],"metadata":{}}`},
	} {
		kp, s := scripted(t, nil, keyAnswer())
		key, err := kp.Keys.Update(t.Context(), testID, c.params)
		if err != nil {
			t.Fatal(err)
		}
		if s.sent[0] != c.want || key.ETag != `"v3"` {
			t.Errorf("%s: sent %s, want %s", name, s.sent[0], c.want)
		}
	}
	if v, ok := Set(7).Get(); v != 7 || !ok {
		t.Error("a field does not give back what it was set to")
	}
	if _, ok := Clear[int]().Get(); ok || Clear[int]().IsZero() || !(Field[int]{}).IsZero() {
		t.Error("a cleared field is taken for another one")
	}
}

func TestAnAnswerMayGrow(t *testing.T) {
	kp, _ := scripted(t, nil, answers(http.StatusOK, `{"data":{"id":"`+testID+`","key_type":"quantum","colour":"red","created_by":null,"scopes":[]},"meta":{"more":1},"links":{}}`))
	key, err := kp.Keys.Get(t.Context(), testID)
	if err != nil || key.KeyType != "quantum" || key.CreatedBy != "" || key.LastUsedAt != nil {
		t.Errorf("%+v, %v", key, err)
	}
}

func TestAKeyIsMarshalledAsItCame(t *testing.T) {
	b, err := json.Marshal(APIKey{ID: testID, ETag: `"v1"`})
	if err != nil || strings.Contains(string(b), "v1") || !strings.Contains(string(b), `"last_used_at":null`) || strings.Contains(string(b), "rotated_to") {
		t.Errorf("%s, %v", b, err)
	}
}
