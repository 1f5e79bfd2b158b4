-- name: InsertPageVote :execrows
INSERT INTO page_votes (id, at, page, helpful, comment) VALUES (@id, @at, @page, @helpful, @comment) ON CONFLICT DO NOTHING;

-- name: CommentPageVote :execrows
UPDATE page_votes SET comment = @comment WHERE id = @id AND page = @page AND comment = '';

-- name: PageVotes :many
SELECT * FROM page_votes WHERE id < @before ORDER BY id DESC LIMIT @rows::bigint;

-- name: DropPageVotes :exec
-- The array keeps the planner from guessing that a third of the table goes.
DELETE FROM page_votes WHERE id = ANY (ARRAY(SELECT id FROM page_votes ORDER BY id DESC OFFSET @kept::bigint LIMIT 1000));
