package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/config"
)

// Every outcome of a check is counted, under the chain of the key, and shown by both
// calls once it is written, which the end of a service does.
func TestUsageTellsHowKeysWereChecked(t *testing.T) {
	s := start(t)
	admin := s.session(t, "ada@example.com", "", "")
	verify := func(key string, want string, more object) {
		t.Helper()
		body := object{"key": key}
		for name, value := range more {
			body[name] = value
		}
		if got := s.call(t, admin, "POST", keys+"/verify", body).must(t, 200).str("data", "code"); got != want {
			t.Fatalf("verify answers %s, want %s", got, want)
		}
	}
	first, secret := s.createKey(t, admin, object{"name": "busy", "scopes": []string{"voices:read"}, "rate_limit_per_min": 3, "allowed_ips": []string{"127.0.0.1", "203.0.113.7"}})
	home := object{"client_ip": "203.0.113.7"}
	verify(secret, "valid", home)
	verify(secret, "valid", object{"client_ip": "203.0.113.7", "cost": 0}) // it only looks
	verify(secret, "ip_not_allowed", nil)
	verify(secret, "insufficient_scope", object{"client_ip": "203.0.113.7", "scopes": []string{"voices:write"}})
	rotated := s.call(t, admin, "PATCH", keys+"/"+first+"/rotate", nil).must(t, 200)
	second, successor := rotated.str("data", "new_key", "id"), rotated.str("data", "new_key", "api_key")
	verify(secret, "revoked", home)
	verify(successor, "valid", home)
	s.call(t, successor, "GET", "/api/v1/auth/whoami", nil, "User-Agent: tool/1 "+secret).must(t, 200)
	verify(successor, "rate_limited", home)
	verify(successor, "rate_limited", home)
	s.call(t, admin, "PATCH", keys+"/"+second, object{"active": false}).must(t, 200)
	verify(successor, "inactive", home)

	other, short := s.createKey(t, admin, object{"name": "short", "expires_at": time.Now().Add(200 * time.Millisecond).UTC().Format(time.RFC3339Nano)})
	for deadline := time.Now().Add(10 * time.Second); ; {
		got := s.call(t, admin, "POST", keys+"/verify", object{"key": short, "cost": 0}).must(t, 200).str("data", "code")
		if got == "expired" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the key is %s for ever", got)
		}
	}
	verify(short, "expired", nil)
	verify(unknownKey, "not_found", nil)
	verify("op_test_no-key", "malformed", nil)
	verify("whatever it is", "malformed", nil)

	metrics := s.metrics(t)
	for _, line := range []string{
		`keypin_unknown_keys_total{prefix="op_live"} 1`, `keypin_unknown_keys_total{prefix="op_test"} 1`, `keypin_unknown_keys_total{prefix="op_read"} 0`,
		`keypin_unknown_keys_total{prefix="other"} 1`, `keypin_usage_dropped_total 0`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("the metrics lack %q", line)
		}
	}
	s = s.restart(t)

	counts := object{"valid": 3.0, "ip_not_allowed": 1.0, "insufficient_scope": 1.0, "revoked": 1.0, "rate_limited": 2.0, "inactive": 1.0}
	for _, granularity := range []string{"minute", "hour", "day"} {
		for id, last := range map[string]any{
			first:  object{"ip": "203.0.113.7", "user_agent": nil},
			second: object{"ip": "127.0.0.1", "user_agent": "tool/1 op_live_[redacted]"},
		} {
			a := s.call(t, admin, "GET", keys+"/"+id+"/usage?granularity="+granularity, nil).must(t, 200)
			same(t, granularity+": the totals of the chain", counts, a.get("data", "totals"))
			used, _ := a.get("data", "last_used").(object)
			if at, err := time.Parse(time.RFC3339, used["at"].(string)); err != nil || time.Since(at) > time.Minute {
				t.Errorf("the last use was at %v (%v)", used["at"], err)
			}
			delete(used, "at")
			same(t, "the last use", last, any(used))
			same(t, granularity+": the sum of the points", counts, sum(a.get("data", "points").([]any)))
		}
		a := s.call(t, admin, "GET", "/api/v1/usage?granularity="+granularity, nil).must(t, 200)
		all := object{"expired": 1.0}
		for code, n := range counts {
			all[code] = n
		}
		same(t, granularity+": the workspace's totals", all, a.get("data", "totals"))
		same(t, granularity+": the sum of the workspace's points", all, sum(a.get("data", "points").([]any)))
		same(t, granularity+": the top keys", []any{
			object{"api_key_id": second, "name": "busy", "total": 9.0, "counts": counts},
			object{"api_key_id": other, "name": "short", "total": 1.0, "counts": object{"expired": 1.0}},
		}, a.get("data", "top_keys"))
	}
	a := s.call(t, admin, "GET", keys+"/"+other+"/usage", nil).must(t, 200)
	if a.get("data", "last_used") != nil {
		t.Errorf("a key that was never accepted was last used: %s", a.Body)
	}
	if strings.Contains(s.call(t, admin, "GET", keys+"/"+second+"/usage", nil).Body, secret) {
		t.Error("the usage tells a key")
	}
}

func same(t testing.TB, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// sum adds the counts of points.
func sum(points []any) any {
	total := object{}
	for _, p := range points {
		for code, n := range p.(object)["counts"].(object) {
			before, _ := total[code].(float64)
			total[code] = before + n.(float64)
		}
	}
	return total
}

// metrics reads what the data listener tells of itself.
func (s *service) metrics(t testing.TB) string {
	t.Helper()
	data := *s
	data.URL = s.DataURL
	return data.call(t, "", "GET", "/metrics", nil).must(t, 200).Body
}

// restart ends the service and starts another one on its data.
func (s *service) restart(t testing.TB) *service {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	return start(t, func(c *config.Config) { c.DataDir = s.Dir })
}
