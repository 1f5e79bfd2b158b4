package sqlite

import (
	"bytes"
	"context"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite/column"
	"github.com/keypin/keypin/internal/store/sqlite/db"
)

func pageVoteOf(row db.PageVote) keypin.PageVote {
	return keypin.PageVote{ID: keypin.ID(row.ID), At: time.Time(row.At), Page: row.Page, Helpful: row.Helpful, Comment: row.Comment}
}

// PageVotes lists the votes, newest first.
func (r *reader) PageVotes(ctx context.Context, before keypin.ID, limit int) ([]keypin.PageVote, error) {
	if before == (keypin.ID{}) {
		before = lastID
	}
	return many(ctx, r, r.queries.PageVotes, db.PageVotesParams{Before: column.ID(before), Rows: int64(limit)}, pageVoteOf)
}

// lastID comes after all others.
var lastID = keypin.ID(bytes.Repeat([]byte{0xff}, len(keypin.ID{})))

// InsertPageVote adds a vote.
func (t *tx) InsertPageVote(ctx context.Context, vote *keypin.PageVote) error {
	return execute(ctx, t, t.queries.InsertPageVote, db.InsertPageVoteParams{
		ID: column.ID(vote.ID), At: column.Time(vote.At), Page: vote.Page, Helpful: vote.Helpful, Comment: vote.Comment,
	})
}

// CommentPageVote adds a comment to a vote that has none.
func (t *tx) CommentPageVote(ctx context.Context, id keypin.ID, page, comment string) error {
	return update(ctx, t, t.queries.CommentPageVote, db.CommentPageVoteParams{ID: column.ID(id), Page: page, Comment: comment})
}

// DropPageVotes removes all but the newest votes.
func (t *tx) DropPageVotes(ctx context.Context, keep int) error {
	return execute(ctx, t, t.queries.DropPageVotes, int64(keep))
}

// PageVotes lists the votes, newest first, of a database whose service may run.
func (o *Original) PageVotes(ctx context.Context, before keypin.ID, limit int) ([]keypin.PageVote, error) {
	pass := func(ctx context.Context) (context.Context, error) { return ctx, nil }
	r := &reader{queries: db.New(o.pool), enter: pass, fail: translate}
	return r.PageVotes(ctx, before, limit)
}
