package client

import (
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
		"taken":                {taken, false},
		"the service is busy":  {refuses(http.StatusTooManyRequests, CodeRateLimited), true},
		"the service is ill":   {refuses(http.StatusServiceUnavailable, CodeUnavailable), true},
		"the connection broke": {breaks(), true},
		"nobody is there":      {unreachable(), true},
		"it is no report":      {refuses(http.StatusUnprocessableEntity, CodeValidation), false},
		"the token is another": {refuses(http.StatusUnauthorized, CodeUnauthorized), false},
	} {
		t.Run(name, func(t *testing.T) {
			g := idleGuard(t)
			var script *script
			g.c, script = scripted(t, []Option{WithMaxRetries(0)}, c.answer, taken)
			first := use{KeyHash: strings.Repeat("0", 64), Code: OutcomeValid, Count: 1}
			g.reports.add(first)
			g.report(t.Context())
			g.report(t.Context())
			if sent := len(script.sent); sent != 1+map[bool]int{true: 1}[c.kept] || g.reports.take() != nil {
				t.Errorf("it was sent %d times", sent)
			}
		})
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
