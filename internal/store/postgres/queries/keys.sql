-- KeyByHash tells also which server it is: by its timeline, of which a primary that took
-- over has a later one than the primary before. A replica, whose answer may be old, has "".
-- name: KeyByHash :one
SELECT sqlc.embed(api_keys), workspaces.deleted_at AS workspace_deleted_at, 
    CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END::text AS timeline
FROM api_keys JOIN workspaces ON workspaces.id = api_keys.workspace_id
WHERE api_keys.hash = @hash;

-- name: Key :one
SELECT * FROM api_keys WHERE workspace_id = @workspace_id AND id = @id;

-- KeyCounts gives what the list's totals are made of: late are the keys that were judged
-- to be usable but have lapsed at now, early those that were judged to have ended but
-- are usable at now. changes is how many rows the counts are spread over.
-- name: KeyCounts :one
SELECT coalesce(sum(c.total), 0)::bigint AS total, coalesce(sum(c.ended), 0)::bigint AS ended, count(*) AS changes,
    (SELECT count(*) FROM api_keys AS k WHERE k.workspace_id = @workspace_id AND NOT k.ended AND k.lapses_at <= @now::timestamptz) AS late,
    (SELECT count(*) FROM api_keys AS k WHERE k.workspace_id = @workspace_id AND k.ended AND k.lapses_at > @now::timestamptz) AS early
FROM key_count_changes AS c WHERE c.workspace_id = @workspace_id;

-- name: InsertKey :execrows
WITH added AS (
    INSERT INTO api_keys (
        id, workspace_id, chain_id, created_by, name, key_type, prefix, suffix, hash, scopes, active, revoke_at, expires_at,
        rate_limit, allowed_ips, metadata, rotated_from, rotated_to, last_used_at, created_at, updated_at, version, lapses_at, ended
    ) VALUES (
        @id, @workspace_id, @chain_id, @created_by, @name, @key_type, @prefix, @suffix, @hash, @scopes, @active, @revoke_at, @expires_at,
        @rate_limit, @allowed_ips, @metadata, @rotated_from, @rotated_to, @last_used_at, @created_at, @updated_at, @version, @lapses_at, @ended
    ) ON CONFLICT DO NOTHING RETURNING workspace_id, ended
)
INSERT INTO key_count_changes (workspace_id, id, total, ended)
SELECT added.workspace_id, gen_random_uuid(), 1, CASE WHEN added.ended THEN 1 ELSE 0 END FROM added;

-- UpdateKey also counts the change, and tells every node of it once it is committed.
-- name: UpdateKey :many
WITH changed AS (
    UPDATE api_keys AS k SET
        name = @name, scopes = @scopes, active = @active, revoke_at = @revoke_at, expires_at = @expires_at, rate_limit = @rate_limit,
        allowed_ips = @allowed_ips, metadata = @metadata, rotated_from = @rotated_from, rotated_to = @rotated_to,
        updated_at = @updated_at, version = @version, lapses_at = @lapses_at, ended = @ended
    FROM api_keys AS before
    WHERE k.workspace_id = @workspace_id AND k.id = @id AND before.id = k.id
    RETURNING k.workspace_id, k.hash, k.ended, before.ended AS was_ended
), counted AS (
    INSERT INTO key_count_changes (workspace_id, id, total, ended)
    SELECT changed.workspace_id, gen_random_uuid(), 0, CASE WHEN changed.ended THEN 1 ELSE -1 END FROM changed WHERE changed.ended <> changed.was_ended
)
SELECT pg_notify('keypin_changes', 'key ' || encode(changed.hash, 'hex'))::text FROM changed;

-- JudgeKeys judges again which of the workspace's keys have ended at now, at most so many.
-- name: JudgeKeys :exec
WITH wrong AS (
    SELECT k.id FROM api_keys AS k
    WHERE k.workspace_id = @workspace_id
        AND (NOT k.ended AND k.lapses_at <= @now::timestamptz OR k.ended AND k.lapses_at > @now::timestamptz)
    LIMIT @most::bigint FOR NO KEY UPDATE SKIP LOCKED
), judged AS (
    UPDATE api_keys AS k SET ended = NOT k.ended FROM wrong WHERE k.id = wrong.id RETURNING k.ended
)
INSERT INTO key_count_changes (workspace_id, id, total, ended)
SELECT @workspace_id, gen_random_uuid(), 0, sum(CASE WHEN judged.ended THEN 1 ELSE -1 END) FROM judged HAVING count(*) > 0;

-- FoldKeyCounts replaces rows of the workspace's counts by their sum, at most so many.
-- name: FoldKeyCounts :exec
WITH part AS (
    SELECT c.id FROM key_count_changes AS c WHERE c.workspace_id = @workspace_id LIMIT @most::bigint FOR UPDATE SKIP LOCKED
), folded AS (
    DELETE FROM key_count_changes AS c USING part WHERE c.workspace_id = @workspace_id AND c.id = part.id RETURNING c.total, c.ended
)
INSERT INTO key_count_changes (workspace_id, id, total, ended)
SELECT @workspace_id, gen_random_uuid(), sum(folded.total), sum(folded.ended) FROM folded HAVING count(*) > 0;
