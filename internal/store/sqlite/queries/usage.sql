-- AddUsage counts in one bucket.
-- name: AddUsage :exec
INSERT INTO usage_counts (step, bucket, workspace_id, subject, code, count)
VALUES (@step, @bucket, @workspace_id, @subject, @code, @count)
ON CONFLICT (step, bucket, workspace_id, subject, code) DO UPDATE SET count = usage_counts.count + excluded.count;

-- PruneUsage deletes the oldest rows of a step.
-- name: PruneUsage :exec
DELETE FROM usage_counts WHERE (step, bucket, workspace_id, subject, code) IN (
    SELECT u.step, u.bucket, u.workspace_id, u.subject, u.code FROM usage_counts AS u
    WHERE u.step = @step AND u.bucket < @oldest LIMIT @most);

-- In the queries below buckets is a JSON array of [step, bucket]. Each of them is
-- looked up by the beginning of the primary key.

-- Usage gives the counts of a subject, in any order.
-- name: Usage :many
SELECT u.bucket, u.code, u.count
FROM json_each(CAST(@buckets AS TEXT)) CROSS JOIN usage_counts AS u
WHERE u.step = json_each.value ->> 0 AND u.bucket = json_each.value ->> 1 AND u.workspace_id = @workspace_id AND u.subject = @subject;

-- TopChains gives the most used chains of a workspace.
-- name: TopChains :many
SELECT u.subject
FROM json_each(CAST(@buckets AS TEXT)) CROSS JOIN usage_counts AS u
WHERE u.step = json_each.value ->> 0 AND u.bucket = json_each.value ->> 1 AND u.workspace_id = @workspace_id AND u.subject <> @workspace_id
GROUP BY u.subject ORDER BY sum(u.count) DESC, u.subject LIMIT @most;

-- NewestOfChain follows the rotations from the first key of a chain to the last.
-- name: NewestOfChain :one
WITH RECURSIVE chain (id) AS (
    SELECT k.id FROM api_keys AS k WHERE k.id = @chain_id
    UNION SELECT k.rotated_to FROM chain CROSS JOIN api_keys AS k WHERE k.id = chain.id AND k.rotated_to IS NOT NULL
)
SELECT k.id, k.name FROM chain CROSS JOIN api_keys AS k
WHERE k.id = chain.id AND k.workspace_id = @workspace_id AND k.rotated_to IS NULL;

-- LastUse gives the time that every version keeps, and where it came from if that is
-- known of this very use.
-- name: LastUse :one
SELECT k.id, k.last_used_at, coalesce(u.ip, '') AS ip, coalesce(u.user_agent, '') AS user_agent
FROM api_keys AS k LEFT JOIN key_uses AS u ON u.key_id = k.id AND u.used_at = k.last_used_at
WHERE k.workspace_id = @workspace_id AND k.id = @id AND k.last_used_at IS NOT NULL;

-- KeepUse keeps where the use came from that last_used_at tells of.
-- name: KeepUse :exec
INSERT INTO key_uses (key_id, used_at, ip, user_agent) VALUES (@key_id, @used_at, @ip, @user_agent)
ON CONFLICT (key_id) DO UPDATE SET used_at = excluded.used_at, ip = excluded.ip, user_agent = excluded.user_agent;
