package client

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// A report that is refused would be refused for ever, and would hold up those behind it.
func TestOnlyAReportThatMayBeTakenLaterIsSentAgain(t *testing.T) {
	taken := answers(http.StatusOK, `{"data":{},"meta":{}}`)
	for name, c := range map[string]struct {
		answer step
		kept   bool
	}{
		"taken":                  {taken, false},
		"the service is busy":    {refuses(http.StatusTooManyRequests, CodeRateLimited), true},
		"the service is ill":     {refuses(http.StatusServiceUnavailable, CodeUnavailable), true},
		"the connection broke":   {breaks(), true},
		"nobody is there":        {unreachable(), true},
		"the token is another":   {refuses(http.StatusUnauthorized, CodeUnauthorized), true},
		"a proxy lets nobody in": {refuses(http.StatusForbidden, CodeForbidden), true},
		"it went somewhere else": {refuses(http.StatusNotFound, CodeNotFound), true},
		"it took too long":       {refuses(http.StatusRequestTimeout, ""), true},
		"it is not understood":   {refuses(http.StatusBadRequest, ""), false},
		"it is too large":        {refuses(http.StatusRequestEntityTooLarge, CodePayloadTooLarge), false},
		"it is of another kind":  {refuses(http.StatusUnsupportedMediaType, CodeUnsupportedMediaType), false},
		"it is no report":        {refuses(http.StatusUnprocessableEntity, CodeValidation), false},
		"the client is too old":  {refuses(http.StatusUpgradeRequired, CodeUpgradeRequired), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := idleGuard(t)
			var script *script
			g.c, script = scripted(t, []Option{WithMaxRetries(0)}, c.answer, taken)
			first := use{KeyHash: strings.Repeat("0", 64), Code: OutcomeValid, Count: 1}
			g.reports.add(first)
			g.report(t.Context(), "kept")
			g.report(t.Context(), "kept")
			if sent := len(script.sent); sent != 1+map[bool]int{true: 1}[c.kept] || g.reports.take() != nil {
				t.Errorf("it was sent %d times", sent)
			}
		})
	}
}

func TestALastReportThatFailsDoesNotPromiseAnother(t *testing.T) {
	var log strings.Builder
	g := idleGuard(t, WithGuardLogger(slog.New(slog.NewTextHandler(&log, nil))))
	log.Reset()
	g.reports.add(use{KeyHash: strings.Repeat("0", 64), Code: OutcomeValid, Count: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	g.reportUses(ctx)
	if told := log.String(); !strings.Contains(told, "they are not counted") || strings.Contains(told, "next report") {
		t.Errorf("it says %q", told)
	}
}

func TestAnAnswerThatSaysValidByHalfIsNotRemembered(t *testing.T) {
	key := &VerifiedKey{ID: "3fa85f64-5717-4562-b3fc-2c963f66afa6"}
	for _, c := range []struct {
		answer     Verification
		remembered bool
	}{
		{Verification{Valid: true, Code: OutcomeValid, APIKey: key}, true},
		{Verification{Valid: false, Code: OutcomeRevoked, APIKey: key}, true},
		{Verification{Valid: false, Code: OutcomeValid, APIKey: key}, false},
		{Verification{Valid: true, Code: OutcomeRevoked, APIKey: key}, false},
	} {
		if got := keyOf(&asked{Data: &c.answer}); (got != nil) != c.remembered {
			t.Errorf("valid %v and %s: remembered is %v", c.answer.Valid, c.answer.Code, got != nil)
		}
	}
}
