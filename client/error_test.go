package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAnErrorOfTheServiceIsTold(t *testing.T) {
	kp, _ := scripted(t, nil, answers(422, `{"error":{"code":"validation_error","message":"The request is not valid.","details":[{"field":"body.name","message":"must be shorter"}]}}`,
		"X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 99", "X-RateLimit-Reset: 1777118460", "Retry-After: 12"))
	_, err := kp.Keys.Create(t.Context(), CreateKeyParams{Name: "x"})
	e := asError(t, err)
	if e.Op != "create-api-key" || e.Status != 422 || e.Code != CodeValidation || e.RequestID != testReqID || e.RetryAfter != 12*time.Second || e.Attempts != 1 ||
		!slices.Equal(e.Details, []Detail{{"body.name", "must be shorter"}}) ||
		e.RateLimit == nil || *e.RateLimit != (RateLimit{100, 99, time.Unix(1777118460, 0).UTC()}) {
		t.Errorf("%+v", e)
	}
	const want = "keypin: create-api-key: 422 validation_error: The request is not valid.; body.name must be shorter (" + testReqID + ")"
	if e.Error() != want {
		t.Errorf("%s", e)
	}
}

func TestEveryCodeIsOfItsKind(t *testing.T) {
	kinds := map[Code]struct {
		status int
		kind   error
	}{
		CodeUnauthorized: {401, ErrUnauthorized}, CodeForbidden: {403, ErrForbidden}, CodeInsufficientScope: {403, ErrForbidden}, CodeWorkspaceForbidden: {403, ErrForbidden},
		CodeNotFound: {404, ErrNotFound}, CodeMethodNotAllowed: {405, nil}, CodeNotAcceptable: {406, nil},
		CodeKeyRevoked: {409, ErrConflict}, CodeKeyInactive: {409, ErrConflict}, CodeKeyExpired: {409, ErrConflict}, CodeSlugTaken: {409, ErrConflict}, CodeConflict: {409, ErrConflict},
		CodeGone: {410, ErrGone}, CodePreconditionFailed: {412, ErrPreconditionFailed}, CodePayloadTooLarge: {413, nil}, CodeUnsupportedMediaType: {415, nil},
		CodeValidation: {422, ErrValidation}, CodeUpgradeRequired: {426, ErrUpgradeRequired}, CodeRateLimited: {429, ErrRateLimited}, CodeQuotaExceeded: {429, ErrRateLimited},
		CodeInternal: {500, nil}, CodeUnavailable: {503, ErrUnavailable},
	}
	all := []error{ErrUnauthorized, ErrForbidden, ErrNotFound, ErrConflict, ErrGone, ErrPreconditionFailed, ErrValidation, ErrUpgradeRequired, ErrRateLimited, ErrUnavailable}
	for code, want := range kinds {
		kp, _ := scripted(t, []Option{WithMaxRetries(0)}, refuses(want.status, code))
		_, err := kp.WhoAmI(t.Context())
		for _, kind := range all {
			if errors.Is(err, kind) != errors.Is(want.kind, kind) {
				t.Errorf("%s: errors.Is(%v) is %v", code, kind, errors.Is(err, kind))
			}
		}
	}
	var document struct {
		Components struct {
			Examples map[Code]any `json:"examples"`
		} `json:"components"`
	}
	raw, err := os.ReadFile("../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &document); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(kinds)), slices.Sorted(maps.Keys(document.Components.Examples)); !slices.Equal(got, want) {
		t.Errorf("the client's codes are not the service's:\n%v\n%v", got, want)
	}
}

func TestAProxysAnswerIsNotTakenForTheServices(t *testing.T) {
	for name, c := range map[string]struct {
		step step
		kind error
	}{
		"an error page":        {answers(502, "<html>Bad Gateway</html>", "Content-Type: text/html"), ErrUnavailable},
		"its own 404":          {answers(404, `{"message":"no route"}`), nil},
		"another's error":      {answers(404, `{"error":"not_found"}`), nil},
		"its own 401":          {answers(401, ""), ErrUnauthorized},
		"a page with a 200":    {answers(200, "<html>Sign in</html>"), nil},
		"JSON of another kind": {answers(200, `{"ok":true}`), nil},
		"no data":              {answers(200, `{"data":null,"meta":{}}`), nil},
		"nothing":              {answers(204, ""), nil},
		"a redirect":           {answers(302, "", "Location: https://evil.example/"), nil},
	} {
		kp, s := scripted(t, []Option{WithMaxRetries(0)}, c.step)
		_, err := kp.Keys.Verify(t.Context(), VerifyParams{Key: NewSecret("x")})
		e := asError(t, err)
		if e.Code != "" || e.Status == 0 || e.RequestID != testReqID || len(s.seen) != 1 {
			t.Errorf("%s: %+v", name, e)
		}
		for _, kind := range []error{ErrUnauthorized, ErrNotFound, ErrUnavailable, ErrValidation} {
			if errors.Is(err, kind) != errors.Is(c.kind, kind) {
				t.Errorf("%s: errors.Is(%v) is %v", name, kind, errors.Is(err, kind))
			}
		}
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	t.Cleanup(elsewhere.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, status))
		t.Cleanup(server.Close)
		// Even a client that would follow them does not.
		follows := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
		kp, err := New(server.URL, WithToken(testToken), WithHTTPClient(follows))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kp.WhoAmI(t.Context()); asError(t, err).Status != status || followed {
			t.Errorf("%d: followed %v, %v", status, followed, err)
		}
		if follows.CheckRedirect(nil, nil) != nil {
			t.Error("the caller's own client was changed")
		}
	}
}

func TestALargeAnswerIsNotReadToItsEnd(t *testing.T) {
	kp, s := scripted(t, nil, func(r *http.Request) (*http.Response, error) {
		resp, err := answers(200, "")(r)
		resp.Body = io.NopCloser(endless{})
		return resp, err
	})
	if _, err := kp.WhoAmI(t.Context()); err == nil || !strings.Contains(err.Error(), "larger than 32 MiB") || len(s.seen) != 1 {
		t.Errorf("%v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// Whoever answers, or breaks, may put what they were sent into what they say.
func TestNoErrorHoldsASecretOfItsRequest(t *testing.T) {
	const presented, invite, idempotency = "op_test_zZ9aB8cC7dD6eE5fF4gG3hH2iI2Pylo5", "pZ1k0m0bq2v7y3w8x9c4d5/e6f7a8b9c0d1e2f3a4b5c", "the export of d9428888/122b"
	told := func(r *http.Request) string {
		return r.URL.String() + " " + r.Header.Get("Authorization") + " " + r.Header.Get("Idempotency-Key") + " " + presented + " " + invite
	}
	steps := map[string]step{
		"an echo": func(r *http.Request) (*http.Response, error) {
			body, err := json.Marshal(map[string]any{"error": map[string]any{"code": "validation_error", "message": told(r),
				"details": []Detail{{Field: "body." + told(r), Message: told(r)}}}})
			if err != nil {
				return nil, err
			}
			return answers(422, string(body))(r)
		},
		"a page":       func(r *http.Request) (*http.Response, error) { return answers(400, told(r))(r) },
		"a broken one": func(r *http.Request) (*http.Response, error) { return nil, errors.New(told(r)) },
		"a redirect":   func(r *http.Request) (*http.Response, error) { return answers(302, "", "Location: ://"+told(r))(r) },
	}
	for name, step := range steps {
		kp, _ := scripted(t, []Option{WithMaxRetries(0)}, step, step, step)
		_, err1 := kp.Keys.Verify(t.Context(), VerifyParams{Key: NewSecret(presented)})
		_, err2 := kp.Invites.Accept(t.Context(), NewSecret(invite))
		_, err3 := kp.Keys.Create(t.Context(), CreateKeyParams{Name: "x"}, IdempotencyKey(idempotency))
		for i, c := range []struct {
			err     error
			secrets []string
		}{{err1, []string{testToken, presented}}, {err2, []string{testToken, invite}}, {err3, []string{testToken, idempotency}}} {
			text := c.err.Error() + fmt.Sprint(asError(t, c.err).Details)
			for _, secret := range c.secrets {
				if strings.Contains(text, secret) || strings.Contains(text, url.PathEscape(secret)) {
					t.Errorf("%s, call %d: %s", name, i+1, text)
				}
			}
		}
	}
	// net/http puts the URL around the error of a connection, which has nothing to hide.
	kp, _ := scripted(t, []Option{WithMaxRetries(0)}, unreachable())
	if _, err := kp.Invites.Accept(t.Context(), NewSecret(invite)); !errors.Is(err, ErrUnavailable) || strings.Contains(errors.Unwrap(err).Error(), "invites") {
		t.Errorf("no connection: %v", errors.Unwrap(err))
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	secret := NewSecret(testToken)
	kp, _ := scripted(t, nil)
	hidden := struct {
		secret Secret
		params VerifyParams
		key    CreatedKey
	}{secret, VerifyParams{Key: secret}, CreatedKey{Secret: secret}}
	var log strings.Builder
	for _, logger := range []*slog.Logger{slog.New(slog.NewJSONHandler(&log, nil)), slog.New(slog.NewTextHandler(&log, nil))} {
		logger.Info("x", "secret", secret, "params", hidden.params, "hidden", hidden, "key", hidden.key, "client", kp)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{secret, &secret, []Secret{secret}, hidden, &hidden, hidden.params, hidden.key, kp, *kp, kp.Keys} {
			fmt.Fprintf(&log, verb, v)
		}
	}
	for _, v := range []any{secret, hidden.params, hidden.key, map[string]any{"s": &secret}} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		log.Write(b)
	}
	for _, form := range []string{testToken, fmt.Sprintf("%x", testToken)} {
		if strings.Contains(log.String(), form) {
			t.Error("a secret was printed")
		}
	}
	if !strings.Contains(log.String(), maskedSecret) || secret.Reveal() != testToken || !NewSecret("").IsZero() || (Secret{}).Reveal() != "" {
		t.Error("a secret does not hold what it was given")
	}
}

func TestStrangeHeadersAreReadAsNone(t *testing.T) {
	now := time.Date(2026, 4, 25, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "1.5": 0, "7": 7 * time.Second, "99999999999": (1<<31 - 1) * time.Second, "99999999999999999999999": 0,
		"Sat, 25 Apr 2026 12:00:09 GMT": 9 * time.Second, "Sat, 25 Apr 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("Retry-After %q is %v, want %v", s, got, want)
		}
	}
	kp, _ := scripted(t, nil, answers(200, `{"data":{"auth_kind":"clerk"}}`, "X-Request-Id: two words", "X-RateLimit-Limit: many", "X-Keypin-Stale: 3", "Idempotent-Replayed: true"))
	var meta ResponseMeta
	if _, err := kp.WhoAmI(t.Context(), CaptureMeta(&meta)); err != nil {
		t.Fatal(err)
	}
	if meta != (ResponseMeta{Status: 200, Stale: 3 * time.Second, Replayed: true, Attempts: 1}) {
		t.Errorf("%+v", meta)
	}
}
