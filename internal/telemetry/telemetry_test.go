package telemetry_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/telemetry"
	"github.com/keypin/keypin/internal/token"
)

const (
	contractKey = "op_live_0000000000000000000000000009BlC0"
	jwt         = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl_-x"
	opaque      = "opaque-value~1+/="
)

type valuer struct{ s string }

func (v valuer) LogValue() slog.Value { return slog.GroupValue(slog.String("inner", v.s)) }

type stringer struct{ s string }

func (v stringer) String() string { return v.s }

type record struct {
	Name string
	Deep map[string][]any
}

func TestNoSecretIsLoggedWhereverItStands(t *testing.T) {
	t.Parallel()
	made, err := token.New("mkapi", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"json", "text"} {
		for kind, secret := range map[string]string{
			"contract key": contractKey, "own key": made.Reveal(), "jwt": jwt,
			"bearer": "Bearer " + opaque, "lower-case bearer": "authorization: bearer  " + opaque, "encoded bearer": "Bearer%20" + opaque,
		} {
			var b bytes.Buffer
			log, err := telemetry.NewLogger(&b, format, "debug")
			if err != nil {
				t.Fatal(err)
			}
			log.Error("in the message: "+secret+".", "plain", secret, "quoted", `"`+secret+`"`, "lines", "a\n"+secret+"\nb",
				"error", fmt.Errorf("wrapped: %w", errors.New(secret)), "bytes", []byte(secret), "list", []string{"a", secret},
				"any", record{Name: secret, Deep: map[string][]any{secret: {secret}}}, "valuer", valuer{secret}, "stringer", stringer{secret},
				slog.Group("group", "x", secret, secret, 1), "url", "https://example.com/?key="+secret+"&a=b")
			log.WithGroup(secret).With("with", secret).Debug("x", "secret", keypin.NewSecret(secret))
			for _, bare := range []string{contractKey, made.Reveal()[6:], jwt, "c2lnbmF0dXJl", "eyJzdWIi", opaque} {
				if strings.Contains(b.String(), bare) {
					t.Errorf("%s, %s: %q is in the log:\n%s", format, kind, bare, b.String())
				}
			}
			if got := strings.Count(b.String(), "\n"); got != 2 {
				t.Errorf("%s, %s: two records are %d lines:\n%s", format, kind, got, b.String())
			}
		}
	}
}

func TestWhatIsNoSecretIsLoggedAsItIs(t *testing.T) {
	t.Parallel()
	const s = "request req_0198c0de-0000-7000-8000-000000000000 route /api/v1/api-keys/{key_id} preview op_live-xxxxxx-09BlC0"
	if got := telemetry.Redact(s); got != s {
		t.Errorf("got %q, want %q", got, s)
	}
}

func TestTheLevelAndFormatAreChecked(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	for _, bad := range [][2]string{{"xml", "info"}, {"json", "loud"}} {
		if _, err := telemetry.NewLogger(&b, bad[0], bad[1]); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
	log, err := telemetry.NewLogger(&b, "json", "warn")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud", "took", 1500*time.Millisecond)
	if got := b.String(); strings.Contains(got, "quiet") || !strings.Contains(got, `"msg":"loud","took":1.5}`) {
		t.Errorf("the log at warn is %s", got)
	}
}

func TestTheMetricsAreServed(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("1.2.3")
	m.ObserveRequest("/api/v1/api-keys/{key_id}", "GET", 200, 3*time.Millisecond)
	m.Door("verify")("valid", 30*time.Microsecond)
	m.WatchUsageDropped(func() uint64 { return 2 })
	unknown := m.CountUnknownKeys("op_live", "op_test")
	for _, prefix := range []string{"op_live", "op_live", "", "x\"} 1", "op_read"} {
		unknown(prefix)
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`keypin_build_info{go_version="go`, `version="1.2.3"} 1`,
		`keypin_http_requests_total{method="GET",route="/api/v1/api-keys/{key_id}",status="200"} 1`,
		`keypin_http_request_seconds_bucket{route="/api/v1/api-keys/{key_id}",le="0.005"} 1`,
		`keypin_verifications_total{code="valid",door="verify"} 1`, `keypin_usage_dropped_total 2`,
		`keypin_unknown_keys_total{prefix="op_live"} 2`, `keypin_unknown_keys_total{prefix="op_test"} 0`, `keypin_unknown_keys_total{prefix="other"} 3`,
		`go_goroutines `, `process_start_time_seconds `,
	} {
		if !strings.Contains(w.Body.String(), line) {
			t.Errorf("the metrics lack %q", line)
		}
	}
}

func TestWhatIsWatchedIsServed(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics("1.2.3")
	reads := 0
	m.WatchCache(func() telemetry.Cache {
		reads++
		return telemetry.Cache{Keys: 1, Missing: 2, Bytes: 3, Loads: 4, Stale: 5}
	})
	m.WatchUsageDropped(func() uint64 { return 6 })
	m.WatchUsageWaiting(func() int { return 7 })
	m.WatchFreshness(func() time.Duration { return 250 * time.Millisecond })
	m.WatchNodes([]string{"scopes", "issuer_key"}, func() telemetry.Nodes {
		return telemetry.Nodes{Seen: 3, Disagree: []string{"scopes", "x\"} 1"}, Reconnects: 8, Notifications: 9, Pings: 10}
	})
	m.WatchLimiter(func() telemetry.Limiter {
		return telemetry.Limiter{Redis: 250, Local: 3, Deny: 2, Allow: 1, Calls: 11, Errors: 12, Losses: 22, Taken: 13, Spent: 14, Returned: 15, Lapsed: 16}
	})
	m.WatchDatabase(func() telemetry.Database {
		return telemetry.Database{Max: 17, InUse: 18, Idle: 19, Waits: 20, Waited: 1500 * time.Millisecond, Retries: 21}
	})
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`keypin_cache_keys 1`, `keypin_cache_unknown 2`, `keypin_cache_bytes 3`, `keypin_cache_loads_total 4`, `keypin_cache_stale_answers_total 5`,
		`keypin_usage_dropped_total 6`, `keypin_usage_waiting 7`, `keypin_freshness_age_seconds 0.25`,
		`keypin_nodes_seen 3`, `keypin_nodes_disagree{setting="scopes"} 1`, `keypin_nodes_disagree{setting="issuer_key"} 0`,
		`keypin_listener_reconnects_total 8`, `keypin_listener_notifications_total 9`, `keypin_listener_pings_total 10`,
		`keypin_limiter_buckets{mode="redis"} 250`, `keypin_limiter_buckets{mode="local"} 3`, `keypin_limiter_buckets{mode="deny"} 2`, `keypin_limiter_buckets{mode="allow"} 1`,
		`keypin_limiter_calls_total 11`, `keypin_limiter_errors_total 12`, `keypin_limiter_losses_total 22`,
		`keypin_limiter_lease_units_total{state="taken"} 13`, `keypin_limiter_lease_units_total{state="spent"} 14`,
		`keypin_limiter_lease_units_total{state="returned"} 15`, `keypin_limiter_lease_units_total{state="lapsed"} 16`,
		`keypin_db_connections_max 17`, `keypin_db_connections{state="in_use"} 18`, `keypin_db_connections{state="idle"} 19`,
		`keypin_db_waits_total 20`, `keypin_db_wait_seconds_total 1.5`, `keypin_db_retries_total 21`,
	} {
		if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
			t.Errorf("the metrics lack %q", line)
		}
	}
	if strings.Contains(w.Body.String(), `x\"`) {
		t.Error("a setting that nobody announced has become a label")
	}
	if reads != 1 {
		t.Errorf("the cache was read %d times for one answer, so that its numbers need not fit together", reads)
	}
}
