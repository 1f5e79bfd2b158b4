package ratelimit

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/keypin/keypin/internal/keypin"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func chainID(n int) (id keypin.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(n)+1)
	return id
}

// ask is Admit of a limiter that has no errors.
func ask(t testing.TB, m *Memory, chain keypin.ID, limit, cost int, now time.Time) (keypin.RateLimit, bool) {
	t.Helper()
	state, ok, err := m.Admit(t.Context(), keypin.Admission{Chain: chain, Limit: limit, Cost: cost}, now)
	if err != nil {
		t.Fatal(err)
	}
	return state, ok
}

func (m *Memory) chains() (known, room int) {
	for i := range m.shards {
		known += len(m.shards[i].slots)
		room += cap(m.shards[i].slots)
	}
	return known, room
}

func TestTheAnswerTellsTheStateOfTheLimit(t *testing.T) {
	m := NewMemory(epoch)
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	for i, step := range []struct {
		now  time.Time
		cost int
		want keypin.RateLimit
		ok   bool
	}{
		{at(0), 0, keypin.RateLimit{Limit: 3, Remaining: 3, ResetAt: at(0)}, true},
		{at(1), 1, keypin.RateLimit{Limit: 3, Remaining: 2, ResetAt: at(61)}, true},
		{at(2), 2, keypin.RateLimit{Limit: 3, Remaining: 0, ResetAt: at(61)}, true},
		{at(3), 2, keypin.RateLimit{Limit: 3, Remaining: 0, ResetAt: at(61), RetryAfter: 59 * time.Second}, false},
		{at(3), 4, keypin.RateLimit{Limit: 3, Remaining: 0, ResetAt: at(61), RetryAfter: 60 * time.Second}, false},
		{at(61), 0, keypin.RateLimit{Limit: 3, Remaining: 1, ResetAt: at(62)}, true},
		{at(62), 3, keypin.RateLimit{Limit: 3, Remaining: 0, ResetAt: at(122)}, true},
		{at(122), 0, keypin.RateLimit{Limit: 3, Remaining: 3, ResetAt: at(122)}, true},
	} {
		got, ok := ask(t, m, chainID(1), 3, step.cost, step.now)
		if diff := cmp.Diff(step.want, got); diff != "" || ok != step.ok {
			t.Errorf("%d: admitted %t (-want +got):\n%s", i, ok, diff)
		}
	}
}

func TestChainsDoNotShareALimit(t *testing.T) {
	m := NewMemory(epoch)
	for i := range 1000 {
		if _, ok := ask(t, m, chainID(i), 1, 1, epoch); !ok {
			t.Fatalf("chain %d pays for another", i)
		}
	}
}

func TestManyChainsKeepTheirLimitsWhileIdleOnesAreForgotten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 2
		m := NewMemory(epoch)
		logs := map[int][]admission{}
		now := time.Duration(0)
		for range rapid.IntRange(1, 20).Draw(t, "rounds") {
			now += rapid.SampledFrom([]time.Duration{
				0, time.Second, 20 * time.Second, windowLength - 1, windowLength, windowLength + 1,
			}).Draw(t, "step")
			from, count := rapid.IntRange(0, 1000).Draw(t, "from"), rapid.IntRange(1, 1000).Draw(t, "chains")
			for chain := from; chain < from+count; chain++ {
				_, ok, err := m.Admit(t.Context(), keypin.Admission{Chain: chainID(chain), Limit: limit, Cost: 1}, epoch.Add(now))
				if err != nil {
					t.Fatal(err)
				}
				if n := admittedSince(logs[chain], now-windowLength); ok != (n < limit) {
					t.Fatalf("chain %d at %v: admitted is %t after %d", chain, now, ok, n)
				}
				if ok {
					logs[chain] = append(logs[chain], admission{now, 1})
				}
			}
		}
	})
}

func TestAnIdleChainCostsNothing(t *testing.T) {
	const many = 20_000
	m := NewMemory(epoch)
	for i := range many {
		ask(t, m, chainID(i), 100, 1, epoch)
	}
	if known, _ := m.chains(); known != many {
		t.Fatalf("%d chains are known", known)
	}
	almost := epoch.Add(windowLength - 1)
	for range many {
		ask(t, m, chainID(0), 1_000_000, 1, almost)
	}
	if known, _ := m.chains(); known != many {
		t.Fatalf("%d chains are known before their window ended", known)
	}
	// One chain's traffic is enough to sweep all the others away.
	for range many {
		ask(t, m, chainID(0), 1_000_000, 1, epoch.Add(windowLength))
	}
	if known, room := m.chains(); known != 1 || room > shardCount*compactFrom {
		t.Errorf("%d chains are known, in room for %d", known, room)
	}
	if state, _ := ask(t, m, chainID(0), 1_000_000, 0, epoch.Add(windowLength)); state.Remaining != 1_000_000-2*many {
		t.Errorf("the busy chain lost admissions: %d remain", state.Remaining)
	}
}

func TestASweptChainIsNotAdmittedAgainByAnEarlierTime(t *testing.T) {
	m := NewMemory(epoch)
	if _, ok := ask(t, m, chainID(7), 1, 1, epoch.Add(time.Second)); !ok {
		t.Fatal("refused")
	}
	for i := range m.shards {
		m.shards[i].sweep(windowLength + time.Second)
	}
	if known, _ := m.chains(); known != 0 {
		t.Fatalf("%d chains are known", known)
	}
	// A call that read its clock before the sweep counts from the sweep's time.
	if _, ok := ask(t, m, chainID(7), 1, 1, epoch.Add(windowLength)); !ok {
		t.Error("refused although nothing is counted")
	}
	if _, ok := ask(t, m, chainID(7), 1, 1, epoch.Add(2*windowLength)); ok {
		t.Error("two admissions within a window")
	}
}

func TestAQuestionThatIsNotAdmittedLeavesNothingBehind(t *testing.T) {
	m := NewMemory(epoch)
	ask(t, m, chainID(1), 5, 0, epoch)
	ask(t, m, chainID(2), 5, 6, epoch)
	if known, _ := m.chains(); known != 0 {
		t.Errorf("%d chains are known", known)
	}
}

func TestConcurrentCallersGetExactlyTheLimit(t *testing.T) {
	const callers, calls, chains = 8, 2000, 3
	for _, limit := range []int{1, exactLimit, 1000} {
		m := NewMemory(epoch)
		var admitted [chains]atomic.Int64
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for i := range calls {
					// Callers disagree a little about the time; all within one window.
					now := epoch.Add(time.Duration(i)*time.Millisecond + time.Duration(c)*time.Microsecond)
					if _, ok, _ := m.Admit(t.Context(), keypin.Admission{Chain: chainID(i % chains), Limit: limit, Cost: 1}, now); ok {
						admitted[i%chains].Add(1)
					}
					_, _, _ = m.Admit(t.Context(), keypin.Admission{Chain: chainID(100 + i), Limit: limit, Cost: 1}, now)
				}
			})
		}
		wg.Wait()
		for i := range admitted {
			if got := admitted[i].Load(); got != int64(limit) {
				t.Errorf("limit %d: chain %d was admitted %d times", limit, i, got)
			}
		}
	}
}

func TestAskingAboutAKnownChainAllocatesNothing(t *testing.T) {
	m := NewMemory(time.Now())
	now := time.Now()
	ask := func() {
		now = now.Add(time.Millisecond)
		for i := range 10 {
			if _, _, err := m.Admit(t.Context(), keypin.Admission{Chain: chainID(i), Limit: 100, Cost: 1}, now); err != nil {
				t.Error(err)
			}
		}
	}
	for range 1000 {
		ask()
	}
	if n := testing.AllocsPerRun(1000, ask); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMemory(b *testing.B) {
	start := time.Now()
	m := NewMemory(start)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			_, _, _ = m.Admit(b.Context(), keypin.Admission{Chain: chainID(i % 1000), Limit: 60_000, Cost: 1}, start.Add(time.Duration(i)*time.Microsecond))
		}
	})
}
