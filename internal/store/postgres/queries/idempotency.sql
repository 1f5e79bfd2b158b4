-- name: IdempotentAnswer :one
SELECT * FROM idempotent_answers WHERE caller = @caller AND key_hash = @key_hash AND expires_at > @now::timestamptz;

-- name: InsertIdempotentAnswer :execrows
INSERT INTO idempotent_answers (caller, key_hash, request_hash, sealed, created_at, expires_at)
VALUES (@caller, @key_hash, @request_hash, @sealed, @created_at, @expires_at)
ON CONFLICT (caller, key_hash) DO UPDATE SET
    request_hash = excluded.request_hash, sealed = excluded.sealed, created_at = excluded.created_at, expires_at = excluded.expires_at
WHERE idempotent_answers.expires_at <= excluded.created_at;

-- name: DeleteExpiredAnswers :exec
WITH old AS (
    SELECT a.caller, a.key_hash FROM idempotent_answers AS a WHERE a.expires_at <= @now::timestamptz
    ORDER BY a.expires_at LIMIT @most::bigint FOR UPDATE SKIP LOCKED
)
DELETE FROM idempotent_answers AS a USING old WHERE a.caller = old.caller AND a.key_hash = old.key_hash;
