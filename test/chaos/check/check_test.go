package check

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

const (
	ms     = time.Millisecond
	second = time.Second
)

// log is a log that is right, to which a test adds.
type log struct {
	entries []Entry
	states  map[string]State // at the end
}

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

// begun is a log with two nodes, and the keys that are named, made in the first second.
func begun(mode Mode, limit int, keys ...string) *log {
	l := &log{states: map[string]State{}}
	l.add(Entry{Kind: Run, Setup: &Setup{Seed: 1, Nodes: 2, Mode: mode, Recovers: []string{Verifies, Creates}}})
	for _, k := range keys {
		scopes := []string{"read", "write"}
		l.made(500*ms, k, NewKey{Key: k, Chain: k, Limit: limit, State: State{Revoked: no(), Active: yes(), Scopes: &scopes}})
		if limit == 0 {
			l.check(second, second+ms, k, "valid")
		}
	}
	return l
}

func (l *log) add(e Entry) { l.entries = append(l.entries, e) }

func (l *log) made(at time.Duration, k string, n NewKey) {
	l.add(Entry{Kind: Change, Change: "create", Begin: at, End: at + 10*ms, Status: 201, New: &n})
	l.states[k] = n.State
}

// change is acknowledged, or its outcome is not known where status is 0.
func (l *log) change(begin, end time.Duration, key, what string, sets State, status int) {
	l.add(Entry{Kind: Change, Change: what, Begin: begin, End: end, Key: key, Status: status, Sets: &sets})
	if status == 200 {
		s := l.states[key]
		if sets.Revoked != nil {
			s.Revoked = sets.Revoked
		}
		if sets.Active != nil {
			s.Active = sets.Active
		}
		if sets.Scopes != nil {
			s.Scopes = sets.Scopes
		}
		l.states[key] = s
	}
}

func (l *log) check(begin, end time.Duration, key, code string, needs ...string) {
	l.add(Entry{Kind: Check, Door: "verify", Begin: begin, End: end, Key: key, Status: 200, Code: code, Needs: needs})
}

// finished adds what both nodes show at the end.
func (l *log) finished(at time.Duration) []Entry {
	for k, s := range l.states {
		for node := range 2 {
			l.add(Entry{Kind: Final, Begin: at, End: at + ms, Node: node, Key: k, Status: 200, Seen: &s})
		}
	}
	return l.entries
}

// rules are those that the log breaks.
func rules(entries []Entry) []string {
	var out []string
	for _, v := range Log(entries) {
		if !slices.Contains(out, v.Rule) {
			out = append(out, v.Rule)
		}
	}
	return out
}

func want(t *testing.T, entries []Entry, broken ...string) {
	t.Helper()
	if got := rules(entries); !slices.Equal(got, broken) {
		t.Errorf("found %v, want %v: %v", got, broken, Log(entries))
	}
}

// forbidding are the changes after which a key is not accepted for the scope write.
func forbidding() map[string]State {
	narrow := []string{"read"}
	return map[string]State{
		"revoke": {Revoked: yes()}, "rotate": {Revoked: yes()}, "suspend": {Active: no()}, "narrow": {Scopes: &narrow},
	}
}

func TestAnAcceptanceIsRightUntilOneSecondAfterTheChangeWasAnswered(t *testing.T) {
	t.Parallel()
	for what, sets := range forbidding() {
		for _, c := range []struct {
			begin  time.Duration
			broken []string
		}{
			{2 * second, nil},
			{2*second + 15*ms, nil},
			{3*second + 20*ms, nil}, // 1.000 s after the answer
			{3*second + 20*ms + 1, []string{"stale"}},
			{3*second + 21*ms, []string{"stale"}}, // 1.001 s
			{9 * second, []string{"stale"}},
		} {
			l := begun(Local, 0, "a")
			l.change(2*second+10*ms, 2*second+20*ms, "a", what, sets, 200)
			l.check(c.begin, c.begin+5*second, "a", "valid", "write")
			want(t, l.finished(20*second), c.broken...)
		}
	}
}

func TestAScopeThatIsLeftIsAcceptedAfterNarrowing(t *testing.T) {
	t.Parallel()
	l := begun(Local, 0, "a")
	l.change(2*second, 2*second+ms, "a", "narrow", forbidding()["narrow"], 200)
	l.check(9*second, 9*second+ms, "a", "valid", "read")
	l.check(9*second, 9*second+ms, "a", "insufficient_scope", "write")
	want(t, l.finished(20*second))
	l.check(9*second, 9*second+ms, "a", "insufficient_scope", "read")
	want(t, l.entries, "stale")
}

func TestAChangeWhoseAnswerIsMissingMayHaveHappenedOrNot(t *testing.T) {
	t.Parallel()
	for what, sets := range forbidding() {
		for _, status := range []int{0, 503} {
			l := begun(Local, 0, "a")
			l.fault("db", 2*second, 3*second, Broken{Nodes: []int{0}})
			l.change(2*second, 3*second, "a", what, sets, status)
			l.entries[len(l.entries)-1].RetryAfter = status == 503
			l.check(9*second, 9*second+ms, "a", "valid", "write")
			code := map[string]string{"revoke": "revoked", "rotate": "revoked", "suspend": "inactive", "narrow": "insufficient_scope"}[what]
			l.check(10*second, 10*second+ms, "a", code, "write")
			want(t, l.finished(20*second))
		}
	}
}

func TestAKeyThatIsActiveAgainIsAcceptedAndMustBe(t *testing.T) {
	t.Parallel()
	suspended := func() *log {
		l := begun(Local, 0, "a")
		l.change(2*second, 2*second+ms, "a", "suspend", State{Active: no()}, 200)
		l.change(5*second, 6*second, "a", "resume", State{Active: yes()}, 200)
		return l
	}
	l := suspended()
	l.check(4*second, 5*second, "a", "valid") // answered when it may have been active
	l.check(5500*ms, 5501*ms, "a", "valid")
	l.check(6500*ms, 6501*ms, "a", "inactive") // not yet seen
	l.check(9*second, 9001*ms, "a", "valid")
	want(t, l.finished(20*second))

	l = suspended()
	l.check(4*second, 4999*ms, "a", "valid")
	want(t, l.finished(20*second), "stale")

	l = suspended()
	l.check(8*second, 8*second+ms, "a", "inactive")
	want(t, l.finished(20*second), "stale")

	l = suspended()
	l.change(7*second, 7*second+ms, "a", "suspend", State{Active: no()}, 200)
	l.check(9*second, 9*second+ms, "a", "valid")
	want(t, l.finished(20*second), "stale")
}

func TestAResumptionWhoseAnswerIsMissingMayComeLate(t *testing.T) {
	t.Parallel()
	l := begun(Local, 0, "a")
	l.fault("db", 2*second, 4*second, Broken{Nodes: []int{0}})
	l.change(2*second, 2*second+ms, "a", "suspend", State{Active: no()}, 200)
	l.change(3*second, 4*second, "a", "resume", State{Active: yes()}, 0)
	l.change(5*second, 5*second+ms, "a", "suspend", State{Active: no()}, 200)
	l.check(9*second, 9*second+ms, "a", "valid")
	want(t, l.finished(20*second))
	l.change(10*second, 10*second+ms, "a", "revoke", State{Revoked: yes()}, 200)
	l.check(12*second, 12*second+ms, "a", "valid")
	want(t, l.finished(20*second), "stale", "lost") // the first finals come from before
}

func TestAKeyThatWasMadeIsKnown(t *testing.T) {
	t.Parallel()
	l := begun(Local, 0, "a")
	l.check(4*second, 4*second+ms, "a", "not_found")
	want(t, l.finished(20*second), "stale")
}

func TestAChangeThatWasRefusedDidNotHappen(t *testing.T) {
	t.Parallel()
	l := begun(Local, 0, "a")
	l.change(2*second, 2*second+ms, "a", "rotate", State{Revoked: yes()}, 409)
	l.check(9*second, 9*second+ms, "a", "valid")
	want(t, l.finished(20*second))
	l.check(9*second, 9*second+ms, "a", "revoked")
	want(t, l.entries, "stale")
}

// busy admits the key n times, evenly over a time that is laid into one window.
func (l *log) busy(key string, n int, from, over time.Duration) {
	for i := range n {
		at := from + over*time.Duration(i)/time.Duration(n)
		l.check(at, at+ms, key, "valid")
	}
}

func (l *log) fault(name string, begin, end time.Duration, b Broken) {
	b.Name = name
	l.add(Entry{Kind: Fault, Begin: begin, End: end, Fault: &b})
	for node := range 2 {
		for _, what := range []string{Verifies, Creates} {
			l.add(Entry{Kind: Recovered, What: what, Node: node, Begin: end + ms, End: end + 2*ms})
		}
	}
}

func TestNoWindowHoldsMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	all := []int{0, 1}
	for _, c := range []struct {
		name   string
		mode   Mode
		n      int // admissions of a limit of 6, all within a minute
		faults func(*log)
		broken []string
	}{
		{"at the limit", Local, 6, nil, nil},
		{"over it", Local, 7, nil, []string{"limit"}},
		{"a database away is no reason", Local, 7, func(l *log) { l.fault("db", 100*second, 103*second, Broken{Nodes: all, Unseen: true}) }, []string{"limit"}},
		{"without Redis, local, two shares more", Local, 12, func(l *log) { l.fault("redis", 100*second, 103*second, Broken{Nodes: all, Limiter: true}) }, nil},
		{"without Redis, local, no more than that", Local, 13, func(l *log) { l.fault("redis", 100*second, 103*second, Broken{Nodes: all, Limiter: true}) }, []string{"limit"}},
		{"one node without Redis, one share more", Local, 9, func(l *log) { l.fault("redis", 100*second, 103*second, Broken{Nodes: []int{1}, Limiter: true}) }, nil},
		{"and no more", Local, 10, func(l *log) { l.fault("redis", 100*second, 103*second, Broken{Nodes: []int{1}, Limiter: true}) }, []string{"limit"}},
		{"one node out of sight makes the other's share the whole", Local, 12, func(l *log) {
			l.fault("redis", 100*second, 103*second, Broken{Nodes: []int{1}, Limiter: true})
			l.fault("stop", 110*second, 115*second, Broken{Nodes: []int{0}, Unseen: true})
		}, nil},
		{"and no more than that", Local, 13, func(l *log) {
			l.fault("redis", 100*second, 103*second, Broken{Nodes: []int{1}, Limiter: true})
			l.fault("stop", 110*second, 115*second, Broken{Nodes: []int{0}, Unseen: true})
		}, []string{"limit"}},
		{"a node that began anew has its share again", Local, 12, func(l *log) {
			l.fault("redis", 100*second, 103*second, Broken{Nodes: []int{1}, Limiter: true})
			l.fault("kill", 110*second, 111*second, Broken{Nodes: []int{1}, Ends: true})
		}, nil},
		{"a loss of long ago is no reason", Local, 7, func(l *log) { l.fault("redis", 10*second, 13*second, Broken{Nodes: all, Limiter: true}) }, []string{"limit"}},
		{"a loss later is no reason", Local, 7, func(l *log) { l.fault("redis", 161*second, 163*second, Broken{Nodes: all, Limiter: true}) }, []string{"limit"}},
		{"without Redis, deny", Deny, 7, func(l *log) { l.fault("redis", 100*second, 103*second, Broken{Nodes: all, Limiter: true}) }, []string{"limit"}},
		{"without Redis, allow", Allow, 700, func(l *log) { l.fault("redis", 100*second, 103*second, Broken{Nodes: all, Limiter: true}) }, nil},
		{"with Redis, allow", Allow, 7, nil, []string{"limit"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := begun(c.mode, 6, "a")
			if c.faults != nil {
				c.faults(l)
			}
			l.busy("a", c.n, 100*second, 59*second)
			want(t, l.finished(200*second), c.broken...)
		})
	}
}

func TestOnlyAdmissionsThatAreCertainlyWithinAWindowCount(t *testing.T) {
	t.Parallel()
	l := begun(Deny, 2, "a")
	l.check(10*second, 11*second, "a", "valid")
	l.check(30*second, 30*second+ms, "a", "valid")
	l.check(69*second, 70*second, "a", "valid") // may have been at 70 s, a window after 10 s
	want(t, l.finished(200*second))
	l.check(69*second, 70*second-1, "a", "valid")
	want(t, l.entries, "limit")
}

func TestARotationDoesNotRefillTheLimit(t *testing.T) {
	t.Parallel()
	l := begun(Deny, 2, "a")
	l.check(2*second, 2*second+ms, "a", "valid")
	scopes := []string{"read", "write"}
	n := NewKey{Key: "b", Chain: "a", Limit: 2, State: State{Revoked: no(), Active: yes(), Scopes: &scopes}}
	l.made(3*second, "b", n)
	l.change(3*second, 3*second+10*ms, "a", "rotate", State{Revoked: yes()}, 200)
	l.check(4*second, 4*second+ms, "b", "valid")
	want(t, l.finished(100*second))
	l.check(5*second, 5*second+ms, "b", "valid")
	want(t, l.entries, "limit")
}

func TestWhatIsNotShownAtTheEndIsLost(t *testing.T) {
	t.Parallel()
	for what, sets := range forbidding() {
		l := begun(Local, 0, "a")
		before := l.states["a"]
		l.change(2*second, 2*second+ms, "a", what, sets, 200)
		l.states["a"] = before
		want(t, l.finished(20*second), "lost")
	}
	l := begun(Local, 0, "a")
	l.add(Entry{Kind: Final, Begin: 20 * second, End: 20*second + ms, Node: 0, Key: "a", Status: 404})
	l.add(Entry{Kind: Final, Begin: 20 * second, End: 20*second + ms, Node: 1, Key: "a", Status: 404})
	want(t, l.entries, "lost")
}

func TestAKeyThatNoNodeWasAskedForIsReported(t *testing.T) {
	t.Parallel()
	entries := begun(Local, 0, "a").finished(20 * second)
	want(t, entries[:len(entries)-1], "lost")
	want(t, nil, "lost")
}

func TestOnly503WithRetryAfterIsA5xxThatIsOwed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e      Entry
		broken []string
	}{
		{Entry{Kind: Check, Status: 500}, []string{"status"}},
		{Entry{Kind: Check, Status: 502}, []string{"status"}},
		{Entry{Kind: Check, Status: 503}, []string{"status"}},
		{Entry{Kind: Check, Status: 503, RetryAfter: true}, nil},
		{Entry{Kind: Change, Status: 500}, []string{"status"}},
		{Entry{Kind: Change, Status: 401}, []string{"status"}},
		{Entry{Kind: Change, Status: 404}, []string{"status"}},
		{Entry{Kind: Change, Status: 409}, nil},
		{Entry{Kind: Change, Status: 0, Error: "connection reset"}, nil},
	} {
		l := begun(Local, 0, "a")
		l.fault("db", 2*second, 3*second, Broken{Nodes: []int{0, 1}})
		c.e.Begin, c.e.End = 2*second+ms, 2*second+2*ms
		l.add(c.e)
		want(t, l.finished(20*second), c.broken...)
	}
}

func TestANodeIsAsBeforeWithinFiveSecondsOfAFaultsEnd(t *testing.T) {
	t.Parallel()
	recovered := func(l *log, node int, what string, begin, end time.Duration) {
		l.add(Entry{Kind: Recovered, What: what, Node: node, Begin: begin, End: end})
	}
	for _, c := range []struct {
		name       string
		begin, end time.Duration
		broken     []string
	}{
		{"in time", 4 * second, 4*second + ms, nil},
		{"at 5.000 s", 7 * second, 8 * second, nil},
		{"at 5.001 s", 7 * second, 8*second + ms, []string{"recovery"}},
		{"asked during the fault", 3*second - ms, 4 * second, []string{"recovery"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := begun(Local, 0, "a")
			l.add(Entry{Kind: Fault, Begin: 2 * second, End: 3 * second, Fault: &Broken{Name: "db", Nodes: []int{0}}})
			recovered(l, 0, Verifies, 3*second, 3*second+ms)
			recovered(l, 0, Creates, 3*second, 3*second+ms)
			recovered(l, 1, Verifies, 3*second, 3*second+ms)
			recovered(l, 1, Creates, c.begin, c.end)
			want(t, l.finished(20*second), c.broken...)
		})
	}
	for _, c := range []struct {
		name       string
		begin, end time.Duration // of another fault
		recovers   time.Duration
		broken     []string
	}{
		{"another fault in between, and in time after it", 3*second + 300*ms, 8 * second, 13 * second, nil},
		{"another fault in between, and late after it", 3*second + 300*ms, 8 * second, 13*second + ms, []string{"recovery"}},
		{"another fault that was over before", 2500 * ms, 2600 * ms, 8*second + ms, []string{"recovery"}},
		{"another fault too late to excuse it", 8*second + ms, 9 * second, 13 * second, []string{"recovery"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := begun(Local, 0, "a")
			l.add(Entry{Kind: Fault, Begin: 2 * second, End: 3 * second, Fault: &Broken{Name: "redis", Nodes: []int{0}}})
			l.add(Entry{Kind: Fault, Begin: c.begin, End: c.end, Fault: &Broken{Name: "node", Nodes: []int{1}}})
			for node := range 2 {
				for _, what := range []string{Verifies, Creates} {
					recovered(l, node, what, c.recovers-ms, c.recovers)
				}
			}
			want(t, l.finished(20*second), c.broken...)
		})
	}
	t.Run("not at all at one node", func(t *testing.T) {
		t.Parallel()
		l := begun(Local, 0, "a")
		l.fault("db", 2*second, 3*second, Broken{Nodes: []int{0}})
		entries := slices.DeleteFunc(l.finished(20*second), func(e Entry) bool { return e.Kind == Recovered && e.Node == 1 && e.What == Verifies })
		want(t, entries, "recovery")
	})
}

func TestWhileNothingIsBrokenNothingFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		at     time.Duration
		e      Entry
		broken []string
	}{
		{2500 * ms, Entry{Kind: Check, Key: "a", Status: 503, RetryAfter: true}, nil},
		{7 * second, Entry{Kind: Check, Key: "a", Status: 503, RetryAfter: true}, nil},
		{9 * second, Entry{Kind: Check, Key: "a", Status: 503, RetryAfter: true}, []string{"recovery"}},
		{9 * second, Entry{Kind: Check, Key: "a", Error: "EOF"}, []string{"recovery"}},
		{9 * second, Entry{Kind: Change, Key: "a", Status: 503, RetryAfter: true}, []string{"recovery"}},
		{9 * second, Entry{Kind: Change, Key: "a", Status: 409}, nil},
	} {
		l := begun(Local, 0, "a")
		l.fault("db", 2*second, 3*second, Broken{Nodes: []int{0}})
		c.e.Begin, c.e.End = c.at, c.at+ms
		l.add(c.e)
		want(t, l.finished(20*second), c.broken...)
	}
}

func TestInDenyModeKeysWithALimitAreRefusedForLonger(t *testing.T) {
	t.Parallel()
	for mode, broken := range map[Mode][]string{Deny: nil, Local: {"recovery"}, Allow: {"recovery"}} {
		l := begun(mode, 6, "a")
		l.fault("redis", 2*second, 3*second, Broken{Nodes: []int{0}, Limiter: true})
		l.check(8*second, 8*second+ms, "a", "valid")
		l.add(Entry{Kind: Check, Key: "a", Begin: 9 * second, End: 9*second + ms, Status: 503, RetryAfter: true})
		want(t, l.finished(100*second), broken...)
	}
}

func TestALogIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	l := begun(Local, 6, "a", "b")
	l.fault("db", 2*second, 3*second, Broken{Nodes: []int{0}, Limiter: true})
	l.check(9*second, 9*second+ms, "a", "valid", "write")
	entries := l.finished(20 * second)
	var text bytes.Buffer
	for _, e := range entries {
		if err := json.NewEncoder(&text).Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Read(&text)
	if err != nil || fmt.Sprint(len(got), rules(got)) != fmt.Sprint(len(entries), rules(entries)) {
		t.Errorf("%d entries of %d, %v", len(got), len(entries), err)
	}
	want(t, got)
}
