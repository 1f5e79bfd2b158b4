package verify_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/token"
	"github.com/keypin/keypin/internal/verify"
)

// bucket is a place that uses are counted in.
type bucket struct {
	chain  keypin.ID
	minute time.Time
	code   string
}

// recorder is the part of a store that takes usage.
type recorder struct {
	mu      sync.Mutex
	last    map[keypin.ID]keypin.LastUse
	counts  map[bucket]int64
	commits []time.Time // when each transaction ended
	most    int         // counts in one transaction
	err     error       // of the next commits
	twice   bool        // run every change twice, as a store may
}

func (r *recorder) Tx(ctx context.Context, change func(keypin.Tx) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	attempt := &recording{}
	if r.twice {
		if err := change(attempt); err != nil {
			return err
		}
		attempt = &recording{}
	}
	if err := change(attempt); err != nil {
		return err
	}
	if r.err != nil {
		return r.err
	}
	if r.last == nil {
		r.last, r.counts = map[keypin.ID]keypin.LastUse{}, map[bucket]int64{}
	}
	for _, use := range attempt.uses {
		if use.At.After(r.last[use.KeyID].At) {
			r.last[use.KeyID] = use
		}
	}
	for _, c := range attempt.counts {
		r.counts[bucket{c.ChainID, c.Minute, c.Code}] += c.Count
	}
	r.most = max(r.most, len(attempt.counts))
	r.commits = append(r.commits, time.Now())
	return nil
}

// recording is a transaction of a recorder.
type recording struct {
	keypin.Tx // nil: nothing but the two below may be called
	uses      []keypin.LastUse
	counts    []keypin.UsageCount
}

func (r *recording) TouchKey(_ context.Context, use keypin.LastUse) error {
	r.uses = append(r.uses, use)
	return nil
}

func (r *recording) AddUsage(_ context.Context, counts []keypin.UsageCount) error {
	r.counts = append(r.counts, counts...)
	return nil
}

// lastTimes are the times of last use that were stored.
func (r *recorder) lastTimes() map[keypin.ID]time.Time {
	times := map[keypin.ID]time.Time{}
	for id, use := range r.last {
		times[id] = use.At
	}
	return times
}

// total is how many uses were stored.
func (r *recorder) total() (n int64) {
	for _, count := range r.counts {
		n += count
	}
	return n
}

func keyID(n int) (id keypin.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n)+1)
	return id
}

// used is a use of the n-th key, which is a chain of its own.
func used(n int, at time.Time) verify.Use {
	return verify.Use{KeyID: keyID(n), ChainID: keyID(n), WorkspaceID: workspace, Code: verify.CodeValid, At: at, IP: home, UserAgent: "tool/1"}
}

func newUsage(store verify.Transactor) *verify.Usage {
	return verify.NewUsage(store, time.Now, slog.New(slog.DiscardHandler))
}

func flush(t *testing.T, u *verify.Usage) {
	t.Helper()
	if err := u.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func equal[T any](t *testing.T, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(home, bucket{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestUsesAreStoredEveryTenSecondsAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		u := newUsage(store)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		began := time.Now()
		go func() { ended <- u.Run(ctx) }()

		for i := range 35 { // a use every second
			u.Note(used(i%3, time.Now()))
			time.Sleep(time.Second)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		var commits []time.Duration
		for _, at := range store.commits {
			commits = append(commits, at.Sub(began))
		}
		equal(t, []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second, 35 * time.Second}, commits)
		want := map[keypin.ID]time.Time{}
		for i := range 35 {
			want[keyID(i%3)] = keypin.Timestamp(began.Add(time.Duration(i) * time.Second))
		}
		equal(t, want, store.lastTimes())
		if got := store.total(); got != 35 {
			t.Errorf("%d uses were stored", got)
		}
	})
}

func TestNothingIsWrittenWhenNothingWasUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := newUsage(store).Run(ctx); err != nil || len(store.commits) != 0 {
			t.Errorf("%d commits, %v", len(store.commits), err)
		}
	})
}

func TestUsesAreCountedByChainMinuteAndOutcome(t *testing.T) {
	store := &recorder{}
	u := newUsage(store)
	minute := now.Truncate(time.Minute)
	rotated := used(1, now)
	rotated.KeyID = keyID(2) // the chain of key 1 goes on
	refused, many, before := used(1, now), used(1, minute.Add(59*time.Second)), used(1, minute.Add(-1))
	refused.Code, many.Count = verify.CodeRateLimited, 1000
	for _, use := range []verify.Use{used(1, now), rotated, refused, refused, many, before} {
		u.Note(use)
	}
	for _, code := range []verify.Code{verify.CodeMalformed, verify.CodeNotFound, "made_up"} { // nobody's
		use := used(1, now)
		use.Code = code
		u.Note(use)
	}
	flush(t, u)
	equal(t, map[bucket]int64{
		{keyID(1), minute, "valid"}: 1002, {keyID(1), minute, "rate_limited"}: 2, {keyID(1), minute.Add(-time.Minute), "valid"}: 1,
	}, store.counts)
}

func TestOnlyTheLatestAcceptedUseIsTheLastOne(t *testing.T) {
	store := &recorder{}
	u := newUsage(store)
	for _, s := range []int{1, 3, 2} {
		use := used(1, now.Add(time.Duration(s)*time.Second))
		use.UserAgent = fmt.Sprintf("tool/%d", s)
		u.Note(use)
	}
	late, other := used(1, now.Add(5*time.Second)), used(2, now)
	late.Code, other.Code = verify.CodeExpired, verify.CodeInactive
	u.Note(late)
	u.Note(other)
	flush(t, u)
	equal(t, map[keypin.ID]keypin.LastUse{keyID(1): {KeyID: keyID(1), At: now.Add(3 * time.Second), IP: home, UserAgent: "tool/3"}}, store.last)
}

func TestAFailedFlushIsMadeGoodByTheNext(t *testing.T) {
	var log bytes.Buffer
	store := &recorder{err: errors.New("disk full"), twice: true}
	u := verify.NewUsage(store, func() time.Time { return now.Add(3 * time.Second) }, slog.New(slog.NewTextHandler(&log, nil)))
	u.Note(used(1, now))
	u.Note(used(2, now))
	if err := u.Flush(t.Context()); !errors.Is(err, store.err) {
		t.Fatalf("%v", err)
	}
	if line := log.String(); !strings.Contains(line, "entries=2") || !strings.Contains(line, "behind=12s") {
		t.Errorf("logged %q", line)
	}
	u.Note(used(2, now.Add(-time.Second)))
	if err := u.Flush(t.Context()); !errors.Is(err, store.err) {
		t.Fatalf("%v", err)
	}
	store.err = nil
	u.Note(used(2, now.Add(time.Second)))
	flush(t, u)
	flush(t, u)
	equal(t, map[keypin.ID]time.Time{keyID(1): now, keyID(2): now.Add(time.Second)}, store.lastTimes())
	minute := now.Truncate(time.Minute)
	equal(t, map[bucket]int64{{keyID(1), minute, "valid"}: 1, {keyID(2), minute, "valid"}: 3}, store.counts)
}

func TestOfAFlushThatFailsHalfwayNothingIsCountedTwice(t *testing.T) {
	const keys = 5000
	store := &failing{after: 2}
	u := newUsage(store)
	for i := range keys {
		u.Note(used(i, now))
	}
	if err := u.Flush(t.Context()); err == nil || store.total() != 2048 {
		t.Fatalf("%d were stored, %v", store.total(), err)
	}
	flush(t, u)
	if got := store.total(); got != keys || len(store.counts) != keys || store.most > 1024 {
		t.Errorf("%d uses of %d keys were stored, %d in one transaction", got, len(store.counts), store.most)
	}
}

// failing is a recorder of which one transaction fails, after some went well.
type failing struct {
	recorder
	after int
}

func (f *failing) Tx(ctx context.Context, change func(keypin.Tx) error) error {
	if f.after--; f.after == -1 {
		return errors.New("busy")
	}
	return f.recorder.Tx(ctx, change)
}

func TestMemoryIsBoundedAndWhatIsDroppedIsCounted(t *testing.T) {
	const bound, more = 1 << 16, 100
	store := &recorder{err: errors.New("disk full")}
	u := newUsage(store)
	noteAll := func() {
		for i := range bound + more {
			u.Note(used(i, now))
		}
	}
	noteAll()
	use := used(0, now.Add(time.Second)) // one that is known has its place
	u.Note(use)
	use.KeyID, use.Count = keyID(bound+more), 7
	u.Note(use)
	if got := u.Dropped(); got != more+7 {
		t.Errorf("%d were dropped, not %d", got, more+7)
	}
	if err := u.Flush(t.Context()); err == nil {
		t.Error("the flush did not fail")
	}
	noteAll() // what failed is kept within the bound
	if got := u.Dropped(); got != 2*more+7 {
		t.Errorf("%d were dropped, not %d", got, 2*more+7)
	}
	store.err = nil
	flush(t, u)
	if len(store.last) != bound || len(store.commits) != bound/1024 || store.total() != 2*bound+1 || !store.last[keyID(0)].At.Equal(now.Add(time.Second)) {
		t.Errorf("%d uses of %d keys stored in %d transactions", store.total(), len(store.last), len(store.commits))
	}
	noteAll()
	if got := u.Dropped(); got != 3*more+7 {
		t.Errorf("a flush made no other room: %d were dropped", got)
	}
}

func TestHalfOfTheRoomIsFlushedBeforeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &recorder{}
		u := newUsage(store)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- u.Run(ctx) }()
		const half = 1 << 15
		for i := range half - 1 {
			u.Note(used(i, now))
		}
		synctest.Wait()
		if len(store.commits) != 0 {
			t.Errorf("%d commits below half", len(store.commits))
		}
		u.Note(used(half, now))
		synctest.Wait()
		if len(store.last) != half {
			t.Errorf("%d keys were stored at half", len(store.last))
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestUsesDuringFlushesAreNotLost(t *testing.T) {
	const users, uses = 4, 2000
	store := &recorder{}
	u := newUsage(store)
	var wg sync.WaitGroup
	for n := range users {
		wg.Go(func() {
			for i := range uses {
				u.Note(used(i%10, now.Add(time.Duration(i*users+n)*time.Millisecond)))
				if i%100 == n {
					if err := u.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	flush(t, u)
	for i := range 10 {
		want := now.Add(time.Duration((uses-10+i)*users+users-1) * time.Millisecond)
		if got := store.last[keyID(i)].At; !got.Equal(want) {
			t.Errorf("key %d was last used at %v, stored is %v", i, want, got)
		}
	}
	if got := store.total(); got != users*uses {
		t.Errorf("%d uses were stored, want %d", got, users*uses)
	}
}

func TestAUserAgentIsStoredWithoutSecretsAndShort(t *testing.T) {
	secret, err := token.New("op_live", rand.NewChaCha8([32]byte{7}))
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 250)
	for name, c := range map[string]struct{ sent, want string }{
		"as it is":              {"onepin/0.7.1 (Linux)", "onepin/0.7.1 (Linux)"},
		"none":                  {"", ""},
		"a key":                 {"tool " + secret.Reveal(), "tool op_live_[redacted]"},
		"a key across the end":  {long[:240] + " " + secret.Reveal(), long[:240] + " op_live_[redact"},
		"a session token":       {"tool eyJhbGciOiJFZERTQSJ9.eyJzdWIi.c2ln", "tool [redacted]"},
		"a bearer value":        {"tool Bearer abc", "tool Bearer [redacted]"},
		"too long":              {long + long, (long + long)[:256]},
		"too long by half rune": {long + "12345é", long + "12345"},
		"no UTF-8":              {"a\xffb", "ab"},
		"control characters":    {"a\x00\r\n\x7fb", "ab"},
	} {
		store := &recorder{}
		u := newUsage(store)
		use := used(1, now)
		use.UserAgent = c.sent
		u.Note(use)
		u.Note(use)
		flush(t, u)
		if got := store.last[keyID(1)].UserAgent; got != c.want || !utf8.ValidString(got) {
			t.Errorf("%s: stored %q, want %q", name, got, c.want)
		}
	}
}

func TestNotingAUseAllocatesNothing(t *testing.T) {
	for name, agent := range map[string]string{"short": "tool/1", "long": strings.Repeat("long ", 100)} {
		u := newUsage(&recorder{})
		use := used(1, now)
		use.UserAgent = agent
		u.Note(use)
		if n := testing.AllocsPerRun(1000, func() { u.Note(use) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkNote(b *testing.B) {
	u := newUsage(&recorder{})
	var uses [1024]verify.Use
	for i := range uses {
		uses[i] = used(i, now)
		uses[i].UserAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36"
	}
	b.Run("one key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			u.Note(uses[0])
		}
	})
	b.Run("many keys at once", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.IntN(len(uses)); pb.Next(); i++ {
				u.Note(uses[i%len(uses)])
			}
		})
	})
}
