package main

import (
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/test/measure"
)

func TestThePageHasAPlaceForWhatIsMeasured(t *testing.T) {
	t.Parallel()
	measure.WantPlace(t, command)
}

func TestEveryScriptThatRedisRunsIsCounted(t *testing.T) {
	t.Parallel()
	const info = "# Commandstats\r\ncmdstat_get:calls=9,usec=1\r\ncmdstat_evalsha:calls=120,usec=5,usec_per_call=1.00\r\ncmdstat_eval:calls=3,usec=5\r\n"
	if n, err := scriptsIn(info); err != nil || n != 123 {
		t.Errorf("%d, %v; want 123", n, err)
	}
	if _, err := scriptsIn("cmdstat_evalsha:usec=5"); err == nil {
		t.Error("a line without a number was read")
	}
}

func TestEveryConnectionAsksAboutEveryKey(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{1, 8, 64, 1_000, 10_000} {
		l := load{keys: make([]key, keys), over: connections}
		nodes := make([]map[int]bool, nodeCount)
		for i := range nodes {
			nodes[i] = map[int]bool{}
		}
		for n := range 3 * connections * keys {
			nodes[n%connections%nodeCount][l.pick(n, n/connections)] = true
		}
		for i, asked := range nodes {
			if len(asked) != keys {
				t.Errorf("node %d is asked about %d of %d keys", i+1, len(asked), keys)
			}
		}
	}
}

func TestTheDelayOfARevocationIsTheLastNodes(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	for _, c := range []struct {
		refused [2]time.Duration
		want    time.Duration
	}{
		{[2]time.Duration{90 * ms, 99 * ms}, 0}, // before the answer
		{[2]time.Duration{90 * ms, 103 * ms}, 3 * ms},
		{[2]time.Duration{104 * ms, 103 * ms}, 4 * ms},
	} {
		r := revocation{answered: 100 * ms, refused: c.refused}
		if got := r.delay(); got != c.want {
			t.Errorf("refused at %v: %v, want %v", c.refused, got, c.want)
		}
	}
}

func TestOnlyRequestsThatBeganASecondAfterTheAnswerAreLate(t *testing.T) {
	t.Parallel()
	r := revocation{answered: 2 * time.Second}
	r.accepted[0] = []request{{0, time.Second}, {3 * time.Second, 4 * time.Second}}
	r.accepted[1] = []request{{2900 * time.Millisecond, 5 * time.Second}}
	if n := r.late(); n != 0 {
		t.Errorf("%d are late, none is", n)
	}
	r.accepted[1] = append(r.accepted[1], request{3*time.Second + 1, 3*time.Second + 2})
	if n := r.late(); n != 1 {
		t.Errorf("%d are late, one is", n)
	}
}

func TestWhatCostsMoreWithMoreNodesMissesItsAim(t *testing.T) {
	t.Parallel()
	turns := func(asked ...float64) (all []cost) {
		for _, a := range asked {
			all = append(all, cost{asked: a})
		}
		return all
	}
	growing := costs{turns(10, 20, 10), turns(11, 21, 10), turns(12, 24, 12)}
	flat := costs{turns(5, 5, 5), turns(5, 5, 5), turns(5, 5, 5)}
	for i, r := range growing.rows("a thing", &flat) {
		if want := []string{noAim, "1.05 times theirs, ≤ 1.10: met", "1.20 times theirs, ≤ 1.10: **missed**"}[i]; r.aim != want {
			t.Errorf("%s: %q, want %q", r.what, r.aim, want)
		}
	}
	asMuch := costs{turns(5, 5, 5), turns(5, 5, 5), turns(6, 6, 6)}
	for bare, want := range map[*costs]string{&asMuch: ": met", &flat: ": **missed**"} {
		if r := growing.rows("a thing", bare)[2]; !strings.HasSuffix(r.aim, want) {
			t.Errorf("%q, want %q", r.aim, want)
		}
	}
}

func TestASteadyClientIsJudgedAfterTheFirstMinute(t *testing.T) {
	t.Parallel()
	c := &client{lateness: []time.Duration{0}}
	for i := range 300 {
		c.admitted = append(c.admitted, request{begin: time.Duration(i) * time.Second})
	}
	if r := steadyRow([]*client{c}, 60); !strings.HasSuffix(r.aim, ": met") || !strings.HasPrefix(r.beside, "240 of 240") {
		t.Errorf("%+v", r)
	}
	for i := range 3 { // 3 of 243 are more than one in a hundred, and 3 of 303 are less
		c.refused = append(c.refused, request{begin: 70*time.Second + time.Duration(i)})
	}
	if r := steadyRow([]*client{c}, 60); !strings.HasSuffix(r.aim, ": **missed**") {
		t.Errorf("%+v", r)
	}
}
