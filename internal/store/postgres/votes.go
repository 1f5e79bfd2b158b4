package postgres

import (
	"context"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/column"
	"github.com/keypin/keypin/internal/store/postgres/db"
)

func pageVoteOf(row db.PageVote) keypin.PageVote {
	return keypin.PageVote{ID: keypin.ID(row.ID), At: time.Time(row.At), Page: row.Page, Helpful: row.Helpful, Comment: row.Comment}
}

// PageVotes lists the votes, newest first.
func (r *reader) PageVotes(ctx context.Context, page keypin.Page) ([]keypin.PageVote, error) {
	return many(ctx, r, (*db.Queries).PageVotes, db.PageVotesParams{Skip: int64(page.Offset), Rows: int64(page.Limit)}, pageVoteOf)
}

// InsertPageVote adds a vote.
func (t *tx) InsertPageVote(ctx context.Context, vote *keypin.PageVote) error {
	return insert(ctx, t, (*db.Queries).InsertPageVote, db.InsertPageVoteParams{
		ID: column.ID(vote.ID), At: column.Time(vote.At), Page: vote.Page, Helpful: vote.Helpful, Comment: vote.Comment,
	})
}

// CommentPageVote adds a comment to a vote that has none.
func (t *tx) CommentPageVote(ctx context.Context, id keypin.ID, page, comment string) error {
	return update(ctx, t, (*db.Queries).CommentPageVote, db.CommentPageVoteParams{ID: column.ID(id), Page: page, Comment: comment})
}
