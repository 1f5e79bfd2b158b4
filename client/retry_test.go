package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// zeros makes every wait the shortest that it can be.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// ones makes every wait all but the longest.
type ones struct{}

func (ones) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 0xff
	}
	return len(p), nil
}

func TestAFailedReadIsRepeatedAfterGrowingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, random := range map[string]io.Reader{"shortest": zeros{}, "longest": ones{}} {
			c, s := scripted(t, []Option{WithMaxRetries(6)}, breaks(), unreachable(), answers(500, "x"), answers(502, "x"), refuses(503, CodeUnavailable), answers(504, "x"), keyAnswer())
			c.random = random
			var meta ResponseMeta
			if _, err := c.Keys.Get(t.Context(), testID, CaptureMeta(&meta)); err != nil {
				t.Fatal(err)
			}
			if meta.Attempts != 7 || meta.RequestID != testReqID {
				t.Errorf("meta %+v", meta)
			}
			for i, longest := range []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
				if got := s.at[i+1].Sub(s.at[i]); got < longest/2 || got > longest || name == "shortest" && got != longest/2 {
					t.Errorf("%s: wait %d took %v, want between %v and %v", name, i+1, got, longest/2, longest)
				}
			}
		}
	})
}

func TestACallIsRepeatedTwiceUnlessToldOtherwise(t *testing.T) {
	for name, c := range map[string]struct {
		options  []Option
		attempts int
	}{
		"by default": {nil, 3}, "never": {[]Option{WithMaxRetries(0)}, 1}, "once": {[]Option{WithMaxRetries(1)}, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			kp, s := scripted(t, c.options, breaks(), breaks(), breaks(), keyAnswer())
			_, err := kp.Keys.Get(t.Context(), testID)
			if e := asError(t, err); e.Attempts != c.attempts || len(s.seen) != c.attempts || !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: %d requests, %+v", name, len(s.seen), e)
			}
		})
	}
}

func TestWhatTheServiceRefusedIsNotRepeated(t *testing.T) {
	for _, status := range []int{301, 400, 401, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 426, 501} {
		kp, s := scripted(t, nil, refuses(status, "some_code", "Retry-After: 1"))
		if _, err := kp.Keys.Get(t.Context(), testID); asError(t, err).Status != status || len(s.seen) != 1 {
			t.Errorf("%d: %d requests, %v", status, len(s.seen), err)
		}
	}
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in20s := time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat)
		kp, s := scripted(t, nil, refuses(429, CodeRateLimited, "Retry-After: 7"), refuses(503, CodeUnavailable, "Retry-After: "+in20s), keyAnswer())
		kp.random = zeros{}
		if _, err := kp.Keys.Get(t.Context(), testID); err != nil {
			t.Fatal(err)
		}
		if first, second := s.at[1].Sub(s.at[0]), s.at[2].Sub(s.at[1]); first != 7*time.Second || second != 13*time.Second {
			t.Errorf("waited %v and %v, want 7s and 13s", first, second)
		}
	})
}

func TestALongWaitIsLeftToTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kp, s := scripted(t, nil, refuses(429, CodeRateLimited, "Retry-After: 31"), keyAnswer())
		_, err := kp.Keys.Get(t.Context(), testID)
		if e := asError(t, err); e.RetryAfter != 31*time.Second || !errors.Is(err, ErrRateLimited) || len(s.seen) != 1 {
			t.Errorf("%d requests, %+v", len(s.seen), e)
		}
	})
}

func TestNoWaitIsLongerThanTheContextLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		kp, s := scripted(t, nil, refuses(503, CodeUnavailable, "Retry-After: 6"), keyAnswer())
		_, err := kp.Keys.Get(ctx, testID)
		if asError(t, err).Status != 503 || errors.Is(err, context.DeadlineExceeded) || len(s.seen) != 1 || time.Since(began) != 0 {
			t.Errorf("%d requests in %v, %v", len(s.seen), time.Since(began), err)
		}
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		enough := errors.New("the shop is closing")
		ctx, cancel := context.WithCancelCause(t.Context())
		kp, s := scripted(t, nil, refuses(429, CodeRateLimited, "Retry-After: 20"), keyAnswer())
		time.AfterFunc(3*time.Second, func() { cancel(enough) })
		began := time.Now()
		_, err := kp.Keys.Get(ctx, testID)
		if time.Since(began) != 3*time.Second || len(s.seen) != 1 {
			t.Errorf("%d requests in %v", len(s.seen), time.Since(began))
		}
		for _, want := range []error{context.Canceled, enough, ErrRateLimited} {
			if !errors.Is(err, want) {
				t.Errorf("%v is not %v", err, want)
			}
		}
	})
}

func TestAContextThatEndedIsNotAnUnavailableService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		kp, s := scripted(t, nil, hangs, keyAnswer())
		_, err := kp.Keys.Get(ctx, testID)
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnavailable) || len(s.seen) != 1 {
			t.Errorf("%d requests, %v", len(s.seen), err)
		}
		if _, err := kp.Keys.Get(ctx, testID); !errors.Is(err, context.DeadlineExceeded) || len(s.seen) != 1 {
			t.Errorf("an ended context: %d requests, %v", len(s.seen), err)
		}
	})
}

func TestARequestThatHangsIsGivenUpAndRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		halfway := func(r *http.Request) (*http.Response, error) {
			resp, err := answers(200, "")(r)
			resp.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"da`), &hangingBody{r.Context()}))
			return resp, err
		}
		kp, s := scripted(t, []Option{WithTimeout(2 * time.Second)}, hangs, halfway, keyAnswer())
		kp.random = zeros{}
		if _, err := kp.Keys.Get(t.Context(), testID); err != nil {
			t.Fatal(err)
		}
		if got := s.at[2].Sub(s.at[0]); got != 4*time.Second+375*time.Millisecond {
			t.Errorf("the third request came after %v", got)
		}
	})
}

type hangingBody struct{ ctx context.Context }

func (b *hangingBody) Read([]byte) (int, error) { <-b.ctx.Done(); return 0, b.ctx.Err() }

func TestACreationKeepsOneIdempotencyKeyOverItsRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rotated := answers(200, `{"data":{"old_key":`+keyJSON+`,"new_key":{"id":"`+testID+`","api_key":"`+testToken+`"}},"meta":{}}`)
		for name, c := range map[string]struct {
			last step
			call func(*Client) error
		}{
			"create key": {createdAnswer(), func(kp *Client) error {
				_, err := kp.Keys.Create(t.Context(), CreateKeyParams{Name: "x"})
				return err
			}},
			"rotate": {rotated, func(kp *Client) error {
				_, err := kp.Keys.Rotate(t.Context(), testID, RotateKeyParams{}, IfMatch(`"v1"`))
				return err
			}},
			"create workspace": {keyAnswer(), func(kp *Client) error {
				_, err := kp.Workspaces.Create(t.Context(), CreateWorkspaceParams{Name: "x"})
				return err
			}},
			"invite": {keyAnswer(), func(kp *Client) error {
				_, err := kp.Invites.Create(t.Context(), testID, CreateInviteParams{Email: "a@example.com", Role: RoleViewer})
				return err
			}},
		} {
			// The third is what the service says while it still works on the first.
			kp, s := scripted(t, []Option{WithMaxRetries(4)}, breaks(), refuses(429, CodeRateLimited, "Retry-After: 1"), refuses(409, CodeConflict, "Retry-After: 1"), answers(502, ""),
				c.last, c.last)
			if err := c.call(kp); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			first := s.seen[0].Header.Get("Idempotency-Key")
			for i, r := range s.seen {
				if got := r.Header.Get("Idempotency-Key"); got != first || !isUUID(got) || s.sent[i] != s.sent[0] {
					t.Errorf("%s: request %d has the key %q, the first %q", name, i, got, first)
				}
			}
			if err := c.call(kp); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if second := s.seen[len(s.seen)-1].Header.Get("Idempotency-Key"); second == first {
				t.Errorf("%s: two calls share an Idempotency-Key", name)
			}
		}
	})
}

func TestAConflictOfTheThingItselfIsNotRepeated(t *testing.T) {
	for name, refusal := range map[string]step{
		"slug taken": refuses(409, CodeSlugTaken, "Retry-After: 1"), "conflict": refuses(409, CodeConflict),
	} {
		kp, s := scripted(t, nil, refusal)
		if _, err := kp.Workspaces.Create(t.Context(), CreateWorkspaceParams{Name: "x"}); !errors.Is(err, ErrConflict) || len(s.seen) != 1 {
			t.Errorf("%s: %d requests, %v", name, len(s.seen), err)
		}
	}
}

// What a call does when its first request went wrong in each way: R repeats it.
func TestOnlyWhatComesToTheSameIsRepeated(t *testing.T) {
	verify := func(cost *int) func(context.Context, *Client) error {
		return func(ctx context.Context, kp *Client) error {
			_, err := kp.Keys.Verify(ctx, VerifyParams{Key: NewSecret("x"), Cost: cost})
			return err
		}
	}
	failures := []struct {
		name string
		step step
	}{
		{"no connection", unreachable()}, {"429", refuses(429, CodeRateLimited)}, {"lost answer", breaks()}, {"408", answers(408, "")},
		{"500", refuses(500, CodeInternal)}, {"502", answers(502, "")}, {"503", refuses(503, CodeUnavailable)}, {"quota", refuses(429, CodeQuotaExceeded)},
	}
	for name, c := range map[string]struct {
		repeats string // one letter for each failure
		call    func(context.Context, *Client) error
	}{
		"get":    {"RRRRRRR-", func(ctx context.Context, kp *Client) error { _, err := kp.Keys.Get(ctx, testID); return err }},
		"revoke": {"RRRRRRR-", func(ctx context.Context, kp *Client) error { _, err := kp.Keys.Revoke(ctx, testID); return err }},
		"revoke if": {"RRRRRRR-", func(ctx context.Context, kp *Client) error {
			_, err := kp.Keys.Revoke(ctx, testID, IfMatch(`"v1"`))
			return err
		}},
		"update": {"RRRRRRR-", func(ctx context.Context, kp *Client) error {
			_, err := kp.Keys.Update(ctx, testID, UpdateKeyParams{})
			return err
		}},
		"create": {"RRRRRRR-", func(ctx context.Context, kp *Client) error {
			_, err := kp.Keys.Create(ctx, CreateKeyParams{})
			return err
		}},
		"set role": {"RRRRRRR-", func(ctx context.Context, kp *Client) error {
			_, err := kp.Members.SetRole(ctx, testID, testID, RoleAdmin)
			return err
		}},
		"remove": {"RRRRRRR-", func(ctx context.Context, kp *Client) error {
			_, err := kp.Members.Remove(ctx, testID, testID)
			return err
		}},
		"verify":                  {"RRRRRRR-", verify(nil)},
		"verify without spending": {"RRRRRRR-", verify(new(0))},
		"verify many":             {"RR------", verify(new(2))},
		"accept": {"RR------", func(ctx context.Context, kp *Client) error {
			_, err := kp.Invites.Accept(ctx, NewSecret("token"))
			return err
		}},
		"update if": {"RR------", func(ctx context.Context, kp *Client) error {
			_, err := kp.Keys.Update(ctx, testID, UpdateKeyParams{}, IfMatch(`"v1"`))
			return err
		}},
		"health": {"--------", func(ctx context.Context, kp *Client) error { _, err := kp.Health(ctx); return err }},
		"ready":  {"--------", func(ctx context.Context, kp *Client) error { _, err := kp.Ready(ctx); return err }},
	} {
		for i, failure := range failures {
			synctest.Test(t, func(t *testing.T) {
				kp, s := scripted(t, nil, failure.step, keyAnswer())
				err := c.call(t.Context(), kp)
				if repeated := len(s.seen) == 2; repeated != (c.repeats[i] == 'R') || repeated != (err == nil) {
					t.Errorf("%s after %s: %d requests, %v", name, failure.name, len(s.seen), err)
				}
			})
		}
	}
}

func TestADeletionTellsThatAnEarlierRequestMayHaveDoneIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kp, _ := scripted(t, nil, breaks(), refuses(404, CodeNotFound))
		_, err := kp.Members.Remove(t.Context(), testID, testID)
		if e := asError(t, err); e.Attempts != 2 || !errors.Is(err, ErrNotFound) {
			t.Errorf("%+v", e)
		}
	})
}

func TestAnUntrustedCertificateIsNotAskedAgain(t *testing.T) {
	kp, s := scripted(t, nil, func(*http.Request) (*http.Response, error) {
		return nil, &tls.CertificateVerificationError{Err: errors.New("unknown authority")}
	})
	if _, err := kp.Keys.Get(t.Context(), testID); !errors.Is(err, ErrUnavailable) || len(s.seen) != 1 {
		t.Errorf("%d requests, %v", len(s.seen), err)
	}
}

func TestEveryRequestHasAFreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		source := func(context.Context) (string, error) {
			asked++
			return "session-" + string(rune('0'+asked)), nil
		}
		kp, s := scripted(t, []Option{WithTokenSource(source)}, breaks(), keyAnswer())
		if _, err := kp.Keys.Get(t.Context(), testID); err != nil {
			t.Fatal(err)
		}
		if got := s.seen[1].Header.Get("Authorization"); got != "Bearer session-2" {
			t.Errorf("the second request has %q", got)
		}
	})
}

func TestWithoutATokenNothingIsSent(t *testing.T) {
	down := errors.New("the sign-in service is down")
	for name, source := range map[string]func(context.Context) (string, error){
		"an error":  func(context.Context) (string, error) { return "", down },
		"none":      func(context.Context) (string, error) { return "", nil },
		"two lines": func(context.Context) (string, error) { return "abc\r\nX-Evil: 1", nil },
	} {
		kp, s := scripted(t, []Option{WithTokenSource(source)})
		_, err := kp.Keys.Get(t.Context(), testID)
		if err == nil || len(s.seen) != 0 || errors.Is(err, ErrUnavailable) || errors.Is(err, down) != (name == "an error") {
			t.Errorf("%s: %d requests, %v", name, len(s.seen), err)
		}
	}
}

func TestAnIdempotencyKeyNeedsRandomNumbers(t *testing.T) {
	kp, s := scripted(t, nil)
	kp.random = bytes.NewReader(nil)
	if _, err := kp.Keys.Create(t.Context(), CreateKeyParams{Name: "x"}); !errors.Is(err, io.EOF) || len(s.seen) != 0 {
		t.Errorf("%d requests, %v", len(s.seen), err)
	}
}
