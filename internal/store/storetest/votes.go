package storetest

import (
	"strings"
	"testing"

	"github.com/keypin/keypin/internal/keypin"
)

func pageVoteTests() []test {
	return []test{
		{"VotesComeBackAsTheyWereWrittenNewestFirst", votesComeBackAsTheyWereWrittenNewestFirst},
		{"OnlyTheNewestVotesAreKept", onlyTheNewestVotesAreKept},
		{"AVoteTakesOneComment", aVoteTakesOneComment},
		{"AVoteThatIsThereIsNotReplaced", aVoteThatIsThereIsNotReplaced},
	}
}

func (w *world) newVote(page string, helpful bool) *keypin.PageVote {
	return &keypin.PageVote{ID: w.id(), At: w.now, Page: page, Helpful: helpful}
}

func (w *world) vote(vote *keypin.PageVote) *keypin.PageVote {
	w.t.Helper()
	w.tx(func(tx keypin.Tx) error { return tx.InsertPageVote(w.t.Context(), vote) })
	return vote
}

func votesComeBackAsTheyWereWrittenNewestFirst(t *testing.T, w *world) {
	var want []keypin.PageVote
	for i := range 5 {
		vote := w.newVote("/docs/quickstart", i%2 == 0)
		if i == 3 {
			vote.Comment = strings.Repeat("é🔑\n", keypin.MaxVoteComment/3)
		}
		want = append([]keypin.PageVote{*w.vote(vote)}, want...)
	}
	var before keypin.ID
	for from := 0; from <= len(want); from += 2 {
		got, err := w.store.PageVotes(t.Context(), before, 2)
		wantCode(t, "", err)
		wantEqual(t, want[from:min(from+2, len(want))], got)
		before = got[len(got)-1].ID
	}
}

func onlyTheNewestVotesAreKept(t *testing.T, w *world) {
	drop := func(keep int) []keypin.PageVote {
		w.tx(func(tx keypin.Tx) error { return tx.DropPageVotes(t.Context(), keep) })
		got, err := w.store.PageVotes(t.Context(), keypin.ID{}, 10)
		wantCode(t, "", err)
		return got
	}
	wantEqual(t, 0, len(drop(3)))
	var all []keypin.PageVote
	for range 5 {
		all = append([]keypin.PageVote{*w.vote(w.newVote("/docs/errors", true))}, all...)
	}
	wantEqual(t, all, drop(6))
	wantEqual(t, all, drop(5))
	wantEqual(t, all[:3], drop(3))
	wantEqual(t, all[:3], drop(3))
}

func aVoteTakesOneComment(t *testing.T, w *world) {
	vote, other := w.vote(w.newVote("/docs/errors", false)), w.vote(w.newVote("/docs/scopes", true))
	comment := func(id keypin.ID, page, text string) func(keypin.Tx) error {
		return func(tx keypin.Tx) error { return tx.CommentPageVote(t.Context(), id, page, text) }
	}
	w.refused(keypin.CodeNotFound, comment(w.id(), vote.Page, "to no vote"))
	w.refused(keypin.CodeNotFound, comment(vote.ID, other.Page, "to another page"))
	w.tx(comment(vote.ID, vote.Page, "which code?"))
	w.refused(keypin.CodeNotFound, comment(vote.ID, vote.Page, "a second one"))
	vote.Comment = "which code?"
	got, err := w.store.PageVotes(t.Context(), keypin.ID{}, 10)
	wantCode(t, "", err)
	wantEqual(t, []keypin.PageVote{*other, *vote}, got)
}

func aVoteThatIsThereIsNotReplaced(t *testing.T, w *world) {
	vote := w.vote(w.newVote("/docs/errors", false))
	w.refused(keypin.CodeConflict, func(tx keypin.Tx) error {
		return tx.InsertPageVote(t.Context(), &keypin.PageVote{ID: vote.ID, At: w.now, Page: "/docs/scopes"})
	})
}
