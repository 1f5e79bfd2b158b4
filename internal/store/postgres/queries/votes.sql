-- name: InsertPageVote :execrows
INSERT INTO page_votes (id, at, page, helpful, comment) VALUES (@id, @at, @page, @helpful, @comment) ON CONFLICT DO NOTHING;

-- name: CommentPageVote :execrows
UPDATE page_votes SET comment = @comment WHERE id = @id AND page = @page AND comment = '';

-- name: PageVotes :many
SELECT * FROM page_votes WHERE id < @before ORDER BY id DESC LIMIT @rows::bigint;

-- name: DropPageVotes :exec
DELETE FROM page_votes WHERE id <= (SELECT id FROM page_votes ORDER BY id DESC LIMIT 1 OFFSET @kept::bigint);
