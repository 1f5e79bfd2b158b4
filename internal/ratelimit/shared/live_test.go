package shared

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
)

// The tests of this file use the real time: a node finds out what befell Redis, answers
// all the while, and is with it again afterwards without a restart.

// impatient are the options as they are outside tests.
func impatient(options Options) Options {
	options.timeout = 0
	return options
}

// noticed waits until the node is without Redis for some chain, and that it answers at
// once for all from then on.
func noticed(t *testing.T, l *Limiter) {
	t.Helper()
	eventually(t.Context(), t, "the node is without Redis", func() bool { return l.Stats().Without > 0 })
}

// age makes the epochs as old as if the servers had been there for a while.
func age(t *testing.T, l *Limiter) {
	t.Helper()
	for i := range l.buckets {
		epoch, err := l.client.Get(t.Context(), epochKey(i)).Result()
		if err != nil {
			t.Fatal(err)
		}
		fields := strings.Fields(epoch)
		created, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		fields[2] = strconv.FormatInt(created-memory.Microseconds(), 10)
		if err := l.client.Set(t.Context(), epochKey(i), strings.Join(fields, " "), 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	// An answer that was under way may still tell the former age.
	eventually(t.Context(), t, "the epochs are old", func() bool {
		for i := range l.buckets {
			l.buckets[i].doubted.Store(0)
		}
		probes := l.Stats().Probes
		eventually(t.Context(), t, "all were looked at", func() bool { return l.Stats().Probes > probes+bucketCount })
		return l.Stats().Doubted == 0
	})
}

func recovered(t *testing.T, l *Limiter) {
	t.Helper()
	eventually(t.Context(), t, "the node is with Redis", func() bool { return l.Stats().Without == 0 })
}

func TestAStallHoldsNobodyUpForLong(t *testing.T) {
	r := startRedis(t, engines.RedisOptions{})
	l := opened(t, impatient(optionsFor(r.URL(), time.Now, Allow, 1)))
	if err := r.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Signal(syscall.SIGCONT) }) // it has been sent unless the test failed
	begin := time.Now()
	var wg sync.WaitGroup
	for i := range 500 {
		wg.Go(func() { admit(t, l, keypin.Admission{Chain: chainID(i), Limit: 5, Cost: 1}) })
	}
	wg.Wait()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("500 answers took %v", took)
	}
	begin = time.Now()
	for i := range 1000 {
		admit(t, l, keypin.Admission{Chain: chainID(i), Limit: 5, Cost: 1})
	}
	if took := time.Since(begin); took > callTimeout {
		t.Errorf("a thousand answers without Redis took %v", took)
	}
	if err := r.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	recovered(t, l)
	before := l.Stats().Allowed
	admit(t, l, keypin.Admission{Chain: chainID(2000), Limit: 5, Cost: 1})
	if s := l.Stats(); s.Allowed != before || s.Shared != bucketCount {
		t.Errorf("%+v", s)
	}
}

func TestWhoDoesNotWaitIsAnsweredAtOnce(t *testing.T) {
	r := startRedis(t, engines.RedisOptions{})
	l := opened(t, optionsFor(r.URL(), time.Now, Allow, 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ask := range []keypin.Admission{{Chain: chainID(1), Limit: 5, Cost: 1}, {Chain: chainID(1), Limit: 5, Cost: 0}} {
		if _, ok, err := l.Admit(ctx, ask, time.Now()); ok || keypin.CodeOf(err) != keypin.CodeUnavailable {
			t.Errorf("%t, %v", ok, err)
		}
	}
	if _, ok := admit(t, l, keypin.Admission{Chain: chainID(1), Limit: 5, Cost: 1}); !ok || l.Stats().Without > 0 {
		t.Errorf("one who went away made everybody do without Redis: %+v", l.Stats())
	}
}

func TestARedisThatComesBackIsUsedAgain(t *testing.T) {
	r := startRedis(t, engines.RedisOptions{})
	l := opened(t, impatient(optionsFor(r.URL(), time.Now, Local, 1)))
	for range 3 {
		if err := r.Kill(); err != nil {
			t.Fatal(err)
		}
		noticed(t, l)
		if _, ok := admit(t, l, keypin.Admission{Chain: chainID(1), Limit: 5000, Cost: 1}); !ok {
			t.Error("refused")
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		recovered(t, l)
	}
	if s := l.Stats(); s.Losses == 0 || s.Doubted != bucketCount || s.LocalAdmitted != 3 {
		t.Errorf("%+v", s)
	}
}

// A replica that Sentinel makes the primary need not have what was admitted last.
func TestAReplicaThatIsPromotedCountsAsALoss(t *testing.T) {
	t.Parallel()
	primary := startRedis(t, engines.RedisOptions{})
	replica := startRedis(t, engines.RedisOptions{Settings: map[string]string{"replicaof": fmt.Sprintf("127.0.0.1 %d", primary.Port)}})
	sentinel := startRedis(t, engines.RedisOptions{Sentinel: []string{
		fmt.Sprintf("sentinel monitor main 127.0.0.1 %d 1", primary.Port),
		"sentinel down-after-milliseconds main 500", "sentinel failover-timeout main 5000",
	}})
	eventually(t.Context(), t, "Sentinel knows the replica", func() bool {
		text, err := sentinel.Do(t.Context(), "SENTINEL", "replicas", "main")
		link, err2 := replica.Do(t.Context(), "INFO", "replication")
		return err == nil && err2 == nil && strings.Contains(text, fmt.Sprint(replica.Port)) && strings.Contains(text, "master-link-status\nok") &&
			strings.Contains(link, "master_link_status:up")
	})
	l := opened(t, impatient(optionsFor(sentinel.URL()+"?master_name=main", time.Now, Deny, 1)))
	age(t, l)
	if _, ok := admit(t, l, keypin.Admission{Chain: chainID(1), Limit: 1, Cost: 1}); !ok {
		t.Fatal("refused")
	}
	before := l.Stats()
	if err := primary.Kill(); err != nil {
		t.Fatal(err)
	}
	noticed(t, l)
	recovered(t, l)
	if s := l.Stats(); s.Losses == before.Losses || s.Doubted != bucketCount {
		t.Errorf("%+v", s)
	}
	if _, ok, err := l.Admit(t.Context(), keypin.Admission{Chain: chainID(1), Limit: 1, Cost: 1}, time.Now()); ok || keypin.CodeOf(err) != keypin.CodeUnavailable {
		t.Errorf("%t, %v", ok, err)
	}
}

func TestAClusterLosesAMasterAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	cluster, err := engines.StartRedisCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	})
	l := opened(t, impatient(optionsFor(cluster.URL(), time.Now, Local, 1)))
	age(t, l)
	for i := range bucketCount {
		if _, ok := admit(t, l, keypin.Admission{Chain: chainID(i), Limit: 1, Cost: 1}); !ok {
			t.Fatalf("chain %d is refused", i)
		}
		if _, ok := admit(t, l, keypin.Admission{Chain: chainID(i), Limit: 1, Cost: 1}); ok {
			t.Fatalf("chain %d is admitted twice", i)
		}
	}
	before := l.Stats()
	if before.Errors != 0 || before.Shared != bucketCount {
		t.Fatalf("%+v", before)
	}
	if err := cluster.Masters(t.Context())[1].Kill(); err != nil {
		t.Fatal(err)
	}
	noticed(t, l)
	recovered(t, l)
	s := l.Stats()
	if s.Losses == before.Losses || s.Doubted == 0 || s.Shared == 0 || s.Doubted+s.Shared != bucketCount {
		t.Errorf("%+v", s)
	}
	t.Logf("%d of %d parts of the chains had their server changed", s.Doubted, bucketCount)
	// Those of the other servers are strict all the while.
	var again atomic.Int64
	for i := range bucketCount {
		if _, ok := admit(t, l, keypin.Admission{Chain: chainID(i), Limit: 1, Cost: 1}); ok {
			again.Add(1)
		}
	}
	if int(again.Load()) > s.Doubted {
		t.Errorf("%d were admitted again, of %d parts that may have been lost", again.Load(), s.Doubted)
	}
}

// Many callers at several nodes at once, in real time.
func TestConcurrentCallersGetExactlyTheLimit(t *testing.T) {
	r := startRedis(t, engines.RedisOptions{})
	const nodes, callers, calls = 3, 8, 400
	var all [nodes]*Limiter
	for i := range all {
		all[i] = opened(t, optionsFor(r.URL(), time.Now, Allow, nodes))
	}
	for chain, limit := range []int{1, 100, 257, 3000} {
		var admitted atomic.Int64
		var wg sync.WaitGroup
		for c := range nodes * callers {
			wg.Go(func() {
				for range calls {
					if _, ok := admit(t, all[c%nodes], keypin.Admission{Chain: chainID(chain), Limit: limit, Cost: 1}); ok {
						admitted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		// Leases of the last moment may not be used up.
		if got := int(admitted.Load()); got > limit || got < limit*9/10 {
			t.Errorf("limit %d: %d admitted", limit, got)
		}
	}
	if s := total(all[:]); s.Calls > nodes*callers*calls/2 {
		t.Errorf("%d calls for %d requests", s.Calls, 4*nodes*callers*calls)
	}
	for _, l := range all {
		if s := l.Stats(); s.Errors > 0 {
			t.Errorf("%+v", s)
		}
	}
}
