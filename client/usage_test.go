package client

import (
	"net/http"
	"testing"
	"time"
)

func TestTheUsageOfAKeyIsRead(t *testing.T) {
	kp, s := scripted(t, nil, answers(http.StatusOK, `{"data":{"from":"2026-04-25T10:00:00Z","to":"2026-04-25T12:00:00Z","granularity":"hour",
		"totals":{"valid":7,"rate_limited":2},"points":[{"at":"2026-04-25T10:00:00Z","counts":{"valid":7}},{"at":"2026-04-25T11:00:00Z","counts":{"rate_limited":2}}],
		"last_used":{"at":"2026-04-25T10:30:00Z","ip":"203.0.113.7","user_agent":"curl/8"}},"meta":{}}`))
	from := time.Date(2026, 4, 25, 12, 0, 0, 0, time.FixedZone("", 2*3600))
	u, err := kp.Keys.Usage(t.Context(), testID, UsageParams{From: from, To: from.Add(2 * time.Hour), Granularity: ByHour})
	if err != nil {
		t.Fatal(err)
	}
	if u.Granularity != ByHour || !u.From.Equal(from) || u.Totals[OutcomeValid] != 7 || u.Totals[OutcomeRateLimited] != 2 || len(u.Points) != 2 ||
		u.Points[1].Counts[OutcomeRateLimited] != 2 || u.LastUsed == nil || u.LastUsed.IP != "203.0.113.7" || u.LastUsed.UserAgent != "curl/8" {
		t.Errorf("%+v", u)
	}
	if got, want := s.seen[0].URL.RequestURI(), "/base/api/v1/api-keys/"+testID+"/usage?from=2026-04-25T10%3A00%3A00Z&granularity=hour&to=2026-04-25T12%3A00%3A00Z"; got != want {
		t.Errorf("asked for %s", got)
	}
}

func TestAKeyThatWasNeverUsedHasNoLastUse(t *testing.T) {
	kp, s := scripted(t, nil, answers(http.StatusOK, `{"data":{"granularity":"day","totals":{},"points":[],"last_used":null}}`))
	u, err := kp.Keys.Usage(t.Context(), testID, UsageParams{})
	if err != nil || u.LastUsed != nil || u.Totals[OutcomeValid] != 0 || s.seen[0].URL.RawQuery != "" {
		t.Errorf("%+v by %q, %v", u, s.seen[0].URL.RawQuery, err)
	}
}

func TestTheUsageOfAWorkspaceNamesItsTopKeys(t *testing.T) {
	kp, s := scripted(t, nil, answers(http.StatusOK, `{"data":{"from":"2026-04-24T00:00:00Z","to":"2026-04-25T00:00:00Z","granularity":"day","totals":{"valid":3},
		"points":[{"at":"2026-04-24T00:00:00Z","counts":{"valid":3}}],"top_keys":[{"api_key_id":"`+testID+`","name":"first","total":3,"counts":{"valid":3}}]}}`))
	u, err := kp.Usage(t.Context(), UsageParams{Granularity: ByDay}, InWorkspace(testID))
	if err != nil {
		t.Fatal(err)
	}
	if len(u.TopKeys) != 1 || u.TopKeys[0].APIKeyID != testID || u.TopKeys[0].Name != "first" || u.TopKeys[0].Total != 3 || u.TopKeys[0].Counts[OutcomeValid] != 3 || u.Totals[OutcomeValid] != 3 {
		t.Errorf("%+v", u)
	}
	if r := s.seen[0]; r.URL.RequestURI() != "/base/api/v1/usage?granularity=day" || r.Header.Get("X-Workspace-Id") != testID {
		t.Errorf("asked for %s", r.URL.RequestURI())
	}
}
