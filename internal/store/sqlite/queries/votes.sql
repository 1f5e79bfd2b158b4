-- name: InsertPageVote :exec
INSERT INTO page_votes (id, at, page, helpful, comment) VALUES (@id, @at, @page, @helpful, @comment);

-- name: CommentPageVote :execrows
UPDATE page_votes SET comment = @comment WHERE id = @id AND page = @page AND comment = '';

-- name: PageVotes :many
SELECT * FROM page_votes WHERE id < @before ORDER BY id DESC LIMIT @rows;

-- name: DropPageVotes :exec
DELETE FROM page_votes WHERE id IN (SELECT id FROM page_votes ORDER BY id DESC LIMIT 1000 OFFSET @kept);
