package verify_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/verify"
)

// feedKept is how many changes a Feed keeps.
const feedKept = 1 << 14

// lateBy is the Freshness of a node that hears of others' changes so much later.
type lateBy time.Duration

func (l lateBy) AsOf(now time.Time) time.Time { return now.Add(-time.Duration(l)) }

func newFeed(t testing.TB, clock keypin.Clock, freshness verify.Freshness) *verify.Feed {
	t.Helper()
	feed, err := verify.NewFeed(clock, rand.NewChaCha8([32]byte{3}), freshness)
	if err != nil {
		t.Fatal(err)
	}
	return feed
}

// feedHash is the nth hash, numbered by its reader's wish.
func feedHash(n uint64) (hash keypin.KeyHash) {
	binary.BigEndian.PutUint64(hash[:], n)
	return hash
}

func feedNumber(hash keypin.KeyHash) uint64 { return binary.BigEndian.Uint64(hash[:]) }

func forgetIn(t testing.TB, feed *verify.Feed, n uint64) {
	t.Helper()
	if err := feed.InvalidateKeys(t.Context(), []keypin.KeyHash{feedHash(n)}); err != nil {
		t.Error(err)
	}
}

// feedNews is what the news tell.
type feedNews struct {
	Lost    bool
	Changes []verify.Change
	Last    uint64
}

func newsAfter(feed *verify.Feed, epoch string, last uint64) feedNews {
	news := feed.After(epoch, last)
	return feedNews{news.Lost, news.Changes, news.Last}
}

func TestChangesAreNumberedFromOneAndToldInOrder(t *testing.T) {
	feed := newFeed(t, func() time.Time { return now }, verify.AlwaysFresh{})
	if diff := cmp.Diff(feedNews{}, newsAfter(feed, feed.Epoch(), 0)); diff != "" {
		t.Errorf("of nothing (-want +got):\n%s", diff)
	}
	forgetIn(t, feed, 7)
	if err := feed.InvalidateWorkspace(t.Context(), workspace); err != nil {
		t.Fatal(err)
	}
	for _, none := range [][]keypin.KeyHash{nil, {}} {
		if err := feed.InvalidateKeys(t.Context(), none); err != nil {
			t.Fatal(err)
		}
	}
	if err := feed.InvalidateKeys(t.Context(), []keypin.KeyHash{feedHash(8), feedHash(9)}); err != nil {
		t.Fatal(err)
	}
	all := []verify.Change{{Hashes: []keypin.KeyHash{feedHash(7)}}, {Workspace: &workspace}, {Hashes: []keypin.KeyHash{feedHash(8), feedHash(9)}}}
	for last := range uint64(3) {
		if diff := cmp.Diff(feedNews{Changes: all[last:], Last: 3}, newsAfter(feed, feed.Epoch(), last)); diff != "" {
			t.Errorf("after %d (-want +got):\n%s", last, diff)
		}
	}
	if diff := cmp.Diff(feedNews{Last: 3}, newsAfter(feed, feed.Epoch(), 3)); diff != "" {
		t.Errorf("after all (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotKeptOrOfAnotherEpochIsLost(t *testing.T) {
	feed := newFeed(t, func() time.Time { return now }, verify.AlwaysFresh{})
	for n := range uint64(feedKept) {
		forgetIn(t, feed, n+1)
	}
	check := func(epoch string, last uint64, changes int) {
		t.Helper()
		got := newsAfter(feed, epoch, last)
		if got.Lost != (changes < 0) || len(got.Changes) != max(changes, 0) {
			t.Fatalf("after %d: lost %t, %d changes; want %d", last, got.Lost, len(got.Changes), changes)
		}
		for i, c := range got.Changes {
			if n := feedNumber(c.Hashes[0]); n != last+uint64(i)+1 {
				t.Fatalf("after %d: change %d is told as %d", last, last+uint64(i)+1, n)
			}
		}
	}
	epoch := feed.Epoch()
	check(epoch, 0, feedKept)
	check(epoch, feedKept, 0)
	check(epoch, feedKept+1, -1) // of a time that is yet to come
	check(epoch, 1<<64-1, -1)
	check("", 0, -1)
	check("", feedKept, -1)
	check(epoch+"0", feedKept, -1)
	check(strings.ToUpper(epoch)+"A", feedKept, -1)
	for n := range uint64(10) {
		forgetIn(t, feed, feedKept+n+1)
	}
	check(epoch, 0, -1)
	check(epoch, 9, -1)
	check(epoch, 10, feedKept)
	check(epoch, 11, feedKept-1)
	check(epoch, feedKept+10, 0)
}

func TestWhoeverReadsBeginsAnewWhereChangesMayHaveBeenMissed(t *testing.T) {
	feed := newFeed(t, time.Now, verify.AlwaysFresh{})
	forgetIn(t, feed, 1)
	before := feed.After(feed.Epoch(), 0)
	if err := feed.InvalidateAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-before.Changed:
	default:
		t.Error("nobody is woken")
	}
	for last := range uint64(2) {
		if news := feed.After(feed.Epoch(), last); !news.Lost || news.Changes != nil {
			t.Errorf("who knew %d reads %+v", last, newsAfter(feed, feed.Epoch(), last))
		}
	}
	begun := feed.After("", 0).Last
	forgetIn(t, feed, 2)
	want := feedNews{Changes: []verify.Change{{Hashes: []keypin.KeyHash{feedHash(2)}}}, Last: begun + 1}
	if diff := cmp.Diff(want, newsAfter(feed, feed.Epoch(), begun)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEpochsDifferAndAreNotMadeWithoutRandomness(t *testing.T) {
	random := rand.NewChaCha8([32]byte{4})
	seen := map[string]bool{}
	for range 100 {
		feed, err := verify.NewFeed(func() time.Time { return now }, random, verify.AlwaysFresh{})
		if err != nil {
			t.Fatal(err)
		}
		if epoch := feed.Epoch(); seen[epoch] || len(epoch) != 24 || strings.Contains(epoch, "-") {
			t.Errorf("epoch %q", epoch)
		}
		seen[feed.Epoch()] = true
	}
	if feed, err := verify.NewFeed(func() time.Time { return now }, noRandomness{}, verify.AlwaysFresh{}); err == nil || feed != nil {
		t.Errorf("made %v, %v", feed, err)
	}
}

type noRandomness struct{}

func (noRandomness) Read([]byte) (int, error) { return 0, errors.New("no entropy") }

func TestTheFeedsTimeIsItsClocksSinceItBegan(t *testing.T) {
	at := now
	for _, lag := range []time.Duration{0, 300 * time.Millisecond, time.Hour} {
		feed := newFeed(t, func() time.Time { return at }, lateBy(lag))
		for _, step := range []time.Duration{0, 1, time.Millisecond, time.Hour} {
			at = at.Add(step)
			began := feed.Now()
			if news := feed.After(feed.Epoch(), 0); news.AsOf != began-lag {
				t.Errorf("%s late, at %s: as of %s", lag, began, news.AsOf)
			}
			// Who has lost everything is told the same: it begins anew with it.
			if news := feed.After("", 0); news.AsOf != began-lag || !news.Lost {
				t.Errorf("%s late, at %s: %+v", lag, began, news)
			}
		}
	}
	// Only the monotonic part counts.
	real := newFeed(t, time.Now, verify.AlwaysFresh{})
	if a, b := real.Now(), real.Now(); a < 0 || b < a {
		t.Errorf("%s, then %s", a, b)
	}
}

func TestAFurtherChangeWakesAllWhoWait(t *testing.T) {
	feed := newFeed(t, func() time.Time { return now }, verify.AlwaysFresh{})
	var waiting sync.WaitGroup
	news := feed.After(feed.Epoch(), 0)
	for range 8 {
		changed := feed.After(feed.Epoch(), 0).Changed
		waiting.Go(func() { <-changed })
	}
	select {
	case <-news.Changed:
		t.Fatal("changed by nothing")
	default:
	}
	forgetIn(t, feed, 1)
	waiting.Wait()
	<-news.Changed
	select {
	case <-feed.After(feed.Epoch(), 0).Changed:
		t.Error("a change that is told already is a further one")
	default:
	}
}

// feedAnswer is a change, and when it was answered at the earliest.
type feedAnswer struct {
	n  uint64
	at time.Duration
}

// feedRead is what a reader was told, and as of when that was all.
type feedRead struct {
	asOf, before, after time.Duration // before and after are the readings around it
	told                int           // how many of the reader's changes were told by then
}

// The heart of promise 1 at the edge: who has read that the news are all as of an
// instant has been told of every change that was answered before it; and everyone is
// told of every change once.
func TestWhoeverReadsIsToldOfEveryChangeOnceAndInTime(t *testing.T) {
	const writers, readers, each = 4, 4, 2000
	feed := newFeed(t, time.Now, verify.AlwaysFresh{})
	log := make([][]feedAnswer, writers)
	var writing, reading sync.WaitGroup
	for w := range uint64(writers) {
		writing.Go(func() {
			for i := range uint64(each) {
				n := w*each + i
				forgetIn(t, feed, n)
				log[w] = append(log[w], feedAnswer{n, feed.Now()})
			}
		})
	}
	orders, reads := make([][]uint64, readers), make([][]feedRead, readers)
	for r := range readers {
		reading.Go(func() {
			for last := uint64(0); last < writers*each; {
				before := feed.Now()
				news := feed.After(feed.Epoch(), last)
				if news.Lost || news.Last != last+uint64(len(news.Changes)) {
					t.Errorf("after %d: lost %t, %d changes up to %d", last, news.Lost, len(news.Changes), news.Last)
					return
				}
				for _, c := range news.Changes {
					orders[r] = append(orders[r], feedNumber(c.Hashes[0]))
				}
				last = news.Last
				reads[r] = append(reads[r], feedRead{news.AsOf, before, feed.Now(), len(orders[r])})
				if len(news.Changes) == 0 {
					<-news.Changed
				}
			}
		})
	}
	writing.Wait()
	reading.Wait()
	for r, order := range orders {
		if diff := cmp.Diff(orders[0], order); diff != "" || len(order) != writers*each {
			t.Fatalf("reader %d was told %d changes, in another order than the first:\n%s", r, len(order), diff)
		}
		place := make(map[uint64]int, len(order))
		for i, n := range order {
			if _, twice := place[n]; twice {
				t.Errorf("reader %d was told of %d twice", r, n)
			}
			place[n] = i
		}
		for _, one := range reads[r] {
			if one.asOf < one.before || one.asOf > one.after {
				t.Errorf("reader %d: as of %s, read between %s and %s", r, one.asOf, one.before, one.after)
			}
		}
		checkInTime(t, r, place, reads[r], log)
	}
}

// checkInTime checks that no change was answered before the instant as of which a
// reader was told all, and told later.
func checkInTime(t *testing.T, r int, place map[uint64]int, reads []feedRead, log [][]feedAnswer) {
	t.Helper()
	for _, changes := range log {
		next := 0 // the first read as of which the change was answered
		for _, change := range changes {
			for next < len(reads) && reads[next].asOf <= change.at {
				next++
			}
			if next < len(reads) && place[change.n] >= reads[next].told {
				t.Fatalf("reader %d was told all as of %s, but not %d, which was answered at %s", r, reads[next].asOf, change.n, change.at)
			}
		}
	}
}
