-- AddUsage counts in buckets. The rows are locked in one order, so that nodes that
-- count in the same buckets wait for one another but not in a circle.
-- name: AddUsage :exec
INSERT INTO usage_counts (step, bucket, workspace_id, subject, code, count)
SELECT a.step, a.bucket, a.workspace_id, a.subject, a.code, a.count
FROM (
    SELECT unnest(@steps::integer[]) AS step, unnest(@buckets::timestamptz[]) AS bucket, unnest(@workspace_ids::uuid[]) AS workspace_id,
        unnest(@subjects::uuid[]) AS subject, unnest(@codes::text[]) AS code, unnest(@counts::bigint[]) AS count
) AS a
ORDER BY a.step, a.bucket, a.workspace_id, a.subject, a.code
ON CONFLICT (step, bucket, workspace_id, subject, code) DO UPDATE SET count = usage_counts.count + excluded.count;

-- PruneUsage deletes the oldest rows of a step that nobody else deletes.
-- name: PruneUsage :exec
WITH old AS (
    SELECT u.step, u.bucket, u.workspace_id, u.subject, u.code FROM usage_counts AS u
    WHERE u.step = @step AND u.bucket < @oldest::timestamptz
    ORDER BY u.step, u.bucket, u.workspace_id, u.subject, u.code LIMIT @most::bigint FOR UPDATE SKIP LOCKED
)
DELETE FROM usage_counts AS u USING old
WHERE u.step = old.step AND u.bucket = old.bucket AND u.workspace_id = old.workspace_id AND u.subject = old.subject AND u.code = old.code;

-- In the queries below steps and buckets are as long as one another and name the
-- buckets. Each of them is looked up by the beginning of the primary key.

-- Usage gives the counts of a subject, in any order.
-- name: Usage :many
SELECT u.bucket, u.code, u.count
FROM (SELECT unnest(@steps::integer[]) AS step, unnest(@buckets::timestamptz[]) AS bucket) AS b
JOIN usage_counts AS u ON u.step = b.step AND u.bucket = b.bucket
WHERE u.workspace_id = @workspace_id AND u.subject = @subject;

-- TopChains gives the most used chains of a workspace.
-- name: TopChains :many
SELECT u.subject
FROM (SELECT unnest(@steps::integer[]) AS step, unnest(@buckets::timestamptz[]) AS bucket) AS b
JOIN usage_counts AS u ON u.step = b.step AND u.bucket = b.bucket
WHERE u.workspace_id = @workspace_id AND u.subject <> @workspace_id
GROUP BY u.subject ORDER BY sum(u.count) DESC, u.subject LIMIT @most::bigint;

-- NewestOfChain follows the rotations from the first key of a chain to the last.
-- name: NewestOfChain :one
WITH RECURSIVE chain (id) AS (
    SELECT k.id FROM api_keys AS k WHERE k.id = @chain_id
    UNION SELECT k.rotated_to FROM chain JOIN api_keys AS k ON k.id = chain.id WHERE k.rotated_to IS NOT NULL
)
SELECT k.id, k.name FROM chain JOIN api_keys AS k ON k.id = chain.id
WHERE k.workspace_id = @workspace_id AND k.rotated_to IS NULL;

-- LastUse gives the time that every version keeps, and where it came from if that is
-- known of this very use.
-- name: LastUse :one
SELECT k.id, k.last_used_at, coalesce(u.ip, '') AS ip, coalesce(u.user_agent, '') AS user_agent
FROM api_keys AS k LEFT JOIN key_uses AS u ON u.key_id = k.id AND u.used_at = k.last_used_at
WHERE k.workspace_id = @workspace_id AND k.id = @id AND k.last_used_at IS NOT NULL;

-- TouchKeys moves the last uses of keys forward, and keeps where they came from. The
-- keys are locked in one order, as in AddUsage.
-- name: TouchKeys :exec
WITH uses AS (
    SELECT unnest(@ids::uuid[]) AS id, unnest(@ats::timestamptz[]) AS at, unnest(@ips::text[]) AS ip, unnest(@user_agents::text[]) AS user_agent
), locked AS (
    SELECT k.id FROM api_keys AS k WHERE k.id = ANY(@ids::uuid[]) ORDER BY k.id FOR NO KEY UPDATE
), moved AS (
    UPDATE api_keys AS k SET last_used_at = uses.at
    FROM uses JOIN locked ON locked.id = uses.id
    WHERE k.id = uses.id AND (k.last_used_at IS NULL OR k.last_used_at < uses.at)
    RETURNING k.id, uses.at, uses.ip, uses.user_agent
)
INSERT INTO key_uses (key_id, used_at, ip, user_agent)
SELECT moved.id, moved.at, moved.ip, moved.user_agent FROM moved
ON CONFLICT (key_id) DO UPDATE SET used_at = excluded.used_at, ip = excluded.ip, user_agent = excluded.user_agent;
