package verify_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// slowSource is a KeySource whose look-ups last until they are let go. What a look-up
// finds is settled when it begins, as in a database.
type slowSource struct {
	mu    sync.Mutex
	name  string // of the one key; "" = there is none
	err   error
	asked int
	let   chan struct{}   // of every look-up; nil = none waits
	lets  []chan struct{} // of the first, the second and so on, before let
}

func (s *slowSource) KeyByHash(ctx context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	s.mu.Lock()
	let := s.let
	if s.asked < len(s.lets) {
		let = s.lets[s.asked]
	}
	s.asked++
	name, err := s.name, s.err
	s.mu.Unlock()
	if let != nil {
		select {
		case <-let:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	switch {
	case err != nil:
		return nil, err
	case name == "":
		return nil, keypin.NotFound()
	}
	return &keypin.APIKey{ID: keypin.ID{1}, WorkspaceID: workspace, Name: name, Active: true, Hash: hash}, nil
}

func (s *slowSource) set(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name, s.err = name, err
}

func (s *slowSource) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// tracker is a Freshness that tests set.
type tracker struct{ asOf atomic.Pointer[time.Time] }

func (f *tracker) AsOf(now time.Time) time.Time {
	if at := f.asOf.Load(); at != nil {
		return *at
	}
	return now
}

func hashNumber(n int) (h keypin.KeyHash) {
	binary.BigEndian.PutUint64(h[:], uint64(n)*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(h[8:], uint64(n))
	return h
}

// name is what the cache knows of the hash; "" = there is no such key.
func name(t testing.TB, c *verify.Cache, hash keypin.KeyHash) string {
	t.Helper()
	found, err := c.Find(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	if found.Key == nil {
		return ""
	}
	return found.Key.Name
}

func invalidate(t testing.TB, c *verify.Cache, hashes ...keypin.KeyHash) {
	t.Helper()
	if err := c.InvalidateKeys(t.Context(), hashes); err != nil {
		t.Fatal(err)
	}
}

func TestManyWaitForOneLookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &slowSource{name: "a", let: make(chan struct{})}
		c := newCache(t, verify.CacheOptions{Source: source, Clock: time.Now})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got := name(t, c, hashNumber(1)); got != "a" {
					t.Errorf("found %q", got)
				}
			})
		}
		synctest.Wait()
		close(source.let)
		wg.Wait()
		if n := source.count(); n != 1 {
			t.Errorf("the source was asked %d times", n)
		}
		name(t, c, hashNumber(1))
		if n := source.count(); n != 1 {
			t.Error("what was found is not remembered")
		}
	})
}

func TestALookUpThatAChangeOvertakesIsNotRemembered(t *testing.T) {
	for what, forget := range map[string]func(t *testing.T, c *verify.Cache){
		"its key":       func(t *testing.T, c *verify.Cache) { invalidate(t, c, hashNumber(1)) },
		"its workspace": func(t *testing.T, c *verify.Cache) { _ = c.InvalidateWorkspace(t.Context(), workspace) },
		"any number":    func(t *testing.T, c *verify.Cache) { _ = c.InvalidateAll(t.Context()) },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &slowSource{name: "old", lets: []chan struct{}{make(chan struct{}), make(chan struct{})}}
				c := newCache(t, verify.CacheOptions{Source: source, Clock: time.Now})
				var wg sync.WaitGroup
				wg.Go(func() { name(t, c, hashNumber(1)) }) // began before the change: either will do
				synctest.Wait()
				source.set("new", nil)
				forget(t, c)
				wg.Go(func() {
					if got := name(t, c, hashNumber(1)); got != "new" {
						t.Errorf("who came after the change found %q", got)
					}
				})
				for _, let := range []chan struct{}{source.lets[1], source.lets[0]} { // the old one is the last to end
					synctest.Wait()
					close(let)
				}
				wg.Wait()
				if got := name(t, c, hashNumber(1)); got != "new" {
					t.Errorf("%q is remembered", got)
				}
			})
		})
	}
}

func TestASlowLookUpAnswersOnlyThoseWhoCameSoonAfterItsBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &slowSource{name: "old", lets: []chan struct{}{make(chan struct{}), make(chan struct{})}}
		freshness := &tracker{}
		never := time.Now().Add(-time.Hour)
		freshness.asOf.Store(&never) // nobody tells this cache of changes
		c := newCache(t, verify.CacheOptions{Source: source, Clock: time.Now, Freshness: freshness})
		var wg sync.WaitGroup
		wg.Go(func() { name(t, c, hashNumber(1)) })
		synctest.Wait()
		source.set("new", nil)
		time.Sleep(verify.Bound)
		wg.Go(func() {
			if got := name(t, c, hashNumber(1)); got != "new" {
				t.Errorf("who came %v later found %q", verify.Bound, got)
			}
		})
		for _, let := range []chan struct{}{source.lets[1], source.lets[0]} { // the old one is the last to end
			synctest.Wait()
			close(let)
		}
		wg.Wait()
		freshness.asOf.Store(nil)
		if got := name(t, c, hashNumber(1)); got != "new" {
			t.Errorf("%q is remembered", got)
		}
	})
}

func TestALookUpGoesOnWhenItsFirstAskerGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &slowSource{name: "a", let: make(chan struct{})}
		c := newCache(t, verify.CacheOptions{Source: source, Clock: time.Now})
		ctx, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Find(ctx, hashNumber(1)) })
		synctest.Wait()
		wg.Go(func() {
			if got := name(t, c, hashNumber(1)); got != "a" {
				t.Errorf("found %q", got)
			}
		})
		synctest.Wait()
		leave()
		synctest.Wait()
		close(source.let)
		wg.Wait()
	})
}

func TestThatThereIsNoKeyIsRememberedForAShortTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := &slowSource{}
		c := newCache(t, verify.CacheOptions{Source: source, Clock: time.Now})
		for range 3 {
			if got := name(t, c, hashNumber(1)); got != "" {
				t.Fatalf("found %q", got)
			}
		}
		if n := source.count(); n != 1 {
			t.Errorf("the source was asked %d times", n)
		}
		source.set("made since", nil)
		time.Sleep(5 * time.Second)
		if got := name(t, c, hashNumber(1)); got != "made since" {
			t.Errorf("found %q", got)
		}
		source.set("", nil)
		invalidate(t, c, hashNumber(1))
		name(t, c, hashNumber(1))
		source.set("made and told", nil)
		invalidate(t, c, hashNumber(1))
		if got := name(t, c, hashNumber(1)); got != "made and told" {
			t.Errorf("found %q", got)
		}
	})
}

func TestAFloodOfUnknownKeysEvictsNothing(t *testing.T) {
	known := map[keypin.KeyHash]*keypin.APIKey{}
	for i := range 1000 {
		known[hashNumber(i)] = &keypin.APIKey{Name: "known", Active: true}
	}
	source := &keys{byHash: known}
	c := newCache(t, verify.CacheOptions{Source: source, MaxBytes: 1 << 20, Clock: time.Now})
	for i := range 1000 {
		name(t, c, hashNumber(i))
	}
	for i := range 100_000 {
		name(t, c, hashNumber(1_000_000+i))
	}
	before := source.asked
	for i := range 1000 {
		name(t, c, hashNumber(i))
	}
	if n := source.asked - before; n > 0 {
		t.Errorf("%d of 1000 keys were looked up again", n)
	}
	if s := c.Stats(); s.Missing > 1<<16+1000 || s.Keys != 1000 {
		t.Errorf("%+v", s)
	}
}

func TestTheCacheIsBoundedInBytes(t *testing.T) {
	const most = 1 << 20
	c := newCache(t, verify.CacheOptions{Source: anyKey{}, MaxBytes: most, Clock: time.Now})
	for i := range 50_000 {
		name(t, c, hashNumber(i))
	}
	deadline := time.Now().Add(10 * time.Second)
	for s := c.Stats(); s.Bytes > most || s.Keys > most/200; s = c.Stats() { // it evicts in the background
		if time.Now().After(deadline) {
			t.Fatalf("%+v", s)
		}
		runtime.Gosched()
	}
}

// anyKey knows every hash.
type anyKey struct{}

func (anyKey) KeyByHash(_ context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	creator := keypin.ID(hash[:16])
	return &keypin.APIKey{
		ID: keypin.ID(hash[:16]), WorkspaceID: keypin.ID(hash[16:]), ChainID: keypin.ID(hash[:16]), CreatedBy: &creator, Active: true,
		Name: fmt.Sprintf("checkout %x", hash[:4]), Type: keypin.KeyLive, Scopes: []keypin.Scope{"workflows:read", "voices:read"}, Hash: hash,
	}, nil
}

func TestTheWeightOfAnEntryIsWhatItTakes(t *testing.T) {
	const many = 100_000
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	c := newCache(t, verify.CacheOptions{Source: anyKey{}, MaxBytes: 1 << 30, Clock: time.Now})
	for i := range many {
		name(t, c, hashNumber(i))
	}
	took, weighed := float64(heap()-before), float64(c.Stats().Bytes)
	if c.Stats().Keys != many || took > 1.1*weighed || took < 0.6*weighed {
		t.Errorf("%d keys take %.0f bytes each, and weigh %.0f", c.Stats().Keys, took/many, weighed/many)
	}
	runtime.KeepAlive(c)
}

func TestACacheThatCannotBeTrustedAsks(t *testing.T) {
	for age, want := range map[time.Duration]string{0: "old", verify.Bound - 1: "old", verify.Bound: "new", time.Hour: "new"} {
		source, freshness := &slowSource{name: "old"}, &tracker{}
		c := newCache(t, verify.CacheOptions{Source: source, Freshness: freshness})
		name(t, c, hashNumber(1))
		source.set("new", nil)
		asOf := now.Add(-age)
		freshness.asOf.Store(&asOf)
		if got := name(t, c, hashNumber(1)); got != want {
			t.Errorf("%v after it was fresh last, %q is found", age, got)
		}
	}
}

func TestWhileTheCacheCannotBeTrustedTheSourceHasToProveWhatItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replaced := &slowSource{name: "old", let: make(chan struct{})} // a database that lost its office, and answers reads
		truth, freshness := &slowSource{name: "new"}, &tracker{}
		c := newCache(t, verify.CacheOptions{Source: replaced, Proven: truth, Freshness: freshness, Clock: time.Now})
		fresh := time.Now()
		freshness.asOf.Store(&fresh)
		var wg sync.WaitGroup
		wg.Go(func() {
			if got := name(t, c, hashNumber(1)); got != "old" {
				t.Errorf("while the cache was fresh, %q was found", got)
			}
		})
		synctest.Wait()
		outdated := fresh.Add(-verify.Bound)
		freshness.asOf.Store(&outdated)
		if got := name(t, c, hashNumber(1)); got != "new" {
			t.Errorf("beside a look-up that proves nothing, %q is found", got)
		}
		close(replaced.let)
		wg.Wait()
		if got := name(t, c, hashNumber(1)); got != "new" {
			t.Errorf("after it, %q is found", got)
		}
		if replaced.count() != 1 || truth.count() != 2 {
			t.Errorf("asked %d and %d times", replaced.count(), truth.count())
		}
	})
}

func TestWithoutADatabaseNothingIsGuessedUnlessTheOperatorAllowsIt(t *testing.T) {
	broken := errors.New("the database is away")
	for _, c := range []struct {
		allowed, age time.Duration
		served       bool
	}{
		{0, verify.Bound, false},
		{0, time.Minute, false},
		{time.Minute, verify.Bound, true},
		{time.Minute, verify.Bound + time.Minute - 1, true},
		{time.Minute, verify.Bound + time.Minute, false},
	} {
		source, freshness := &slowSource{name: "a"}, &tracker{}
		cache := newCache(t, verify.CacheOptions{Source: source, Freshness: freshness, ServeStale: c.allowed})
		name(t, cache, hashNumber(1))
		asOf := now.Add(-c.age)
		freshness.asOf.Store(&asOf)
		source.set("a", broken)
		found, err := cache.Find(t.Context(), hashNumber(1))
		switch {
		case c.served && (err != nil || found.Key == nil || found.Stale != c.age || cache.Stats().Stale != 1):
			t.Errorf("%+v: %+v, %v, %+v", c, found, err, cache.Stats())
		case !c.served && !errors.Is(err, broken):
			t.Errorf("%+v: %+v, %v", c, found, err)
		}
		// A key that is not remembered cannot be judged.
		if _, err := cache.Find(t.Context(), hashNumber(2)); !errors.Is(err, broken) {
			t.Errorf("%+v: an unknown key: %v", c, err)
		}
	}
}

func TestAStaleAnswerSaysSo(t *testing.T) {
	h := newHouse(t)
	freshness := &tracker{}
	h.options.Keys = newCache(t, verify.CacheOptions{Source: h.keys, Freshness: freshness, ServeStale: time.Minute})
	service := verify.New(h.options)
	check := func() verify.Outcome {
		t.Helper()
		got, err := service.Verify(t.Context(), &h.request)
		if err != nil || got.Code != verify.CodeValid {
			t.Fatalf("%s, %v", got.Code, err)
		}
		return got
	}
	if got := check(); got.Stale != 0 {
		t.Errorf("a fresh answer is %v stale", got.Stale)
	}
	asOf := now.Add(-3 * time.Second)
	freshness.asOf.Store(&asOf)
	h.keys.err = errors.New("away")
	if got := check(); got.Stale != 3*time.Second {
		t.Errorf("a stale answer is %v stale", got.Stale)
	}
}

func TestAWorkspacesKeysAreForgottenTogether(t *testing.T) {
	source := &keys{byHash: map[keypin.KeyHash]*keypin.APIKey{}}
	for i := range 100 {
		source.byHash[hashNumber(i)] = &keypin.APIKey{WorkspaceID: keypin.ID{byte(i % 2)}, Name: "old", Active: true}
	}
	c := newCache(t, verify.CacheOptions{Source: source})
	for i := range 100 {
		name(t, c, hashNumber(i))
	}
	for hash, k := range source.byHash {
		renamed := *k
		renamed.Name = "new"
		source.byHash[hash] = &renamed
	}
	if err := c.InvalidateWorkspace(t.Context(), keypin.ID{1}); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if got, want := name(t, c, hashNumber(i)), []string{"old", "new"}[i%2]; got != want {
			t.Errorf("key %d: %q, want %q", i, got, want)
		}
	}
}

func TestEverythingIsForgottenWhereChangesMayHaveBeenMissed(t *testing.T) {
	source := &keys{byHash: map[keypin.KeyHash]*keypin.APIKey{hashNumber(1): {Name: "old", Active: true}}}
	c := newCache(t, verify.CacheOptions{Source: source})
	if a, b := name(t, c, hashNumber(1)), name(t, c, hashNumber(2)); a != "old" || b != "" {
		t.Fatalf("found %q and %q", a, b)
	}
	source.byHash[hashNumber(1)] = &keypin.APIKey{Name: "new", Active: true}
	source.byHash[hashNumber(2)] = &keypin.APIKey{Name: "made since", Active: true}
	if err := c.InvalidateAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a, b := name(t, c, hashNumber(1)), name(t, c, hashNumber(2)); a != "new" || b != "made since" {
		t.Errorf("found %q and %q", a, b)
	}
}

func TestEqualScopesAreKeptOnce(t *testing.T) {
	c := newCache(t, verify.CacheOptions{Source: anyKey{}, Clock: time.Now})
	one, err := c.Find(t.Context(), hashNumber(1))
	if err != nil {
		t.Fatal(err)
	}
	two, err := c.Find(t.Context(), hashNumber(2))
	if err != nil || one.Key.Scopes != two.Key.Scopes {
		t.Errorf("%v: %p and %p", err, one.Key.Scopes, two.Key.Scopes)
	}
	want := &verify.ScopeList{Scopes: []keypin.Scope{"workflows:read", "voices:read"}, Joined: "workflows:read voices:read"}
	if diff := cmp.Diff(want, one.Key.Scopes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
