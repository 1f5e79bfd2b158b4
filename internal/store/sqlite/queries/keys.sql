-- name: KeyByHash :one
SELECT sqlc.embed(api_keys), workspaces.deleted_at AS workspace_deleted_at
FROM api_keys JOIN workspaces ON workspaces.id = api_keys.workspace_id
WHERE api_keys.hash = @hash;

-- name: Key :one
SELECT * FROM api_keys WHERE workspace_id = @workspace_id AND id = @id;

-- KeyCounts gives what the list's totals are made of: late are the keys that were judged
-- to be usable but have lapsed at now, early those that were judged to have ended but
-- are usable at now.
-- name: KeyCounts :one
SELECT total, ended,
    (SELECT count(*) FROM api_keys INDEXED BY keys_lapsing
     WHERE api_keys.workspace_id = key_counts.workspace_id AND api_keys.ended = 0 AND api_keys.lapses_at <= @now) AS late,
    (SELECT count(*) FROM api_keys INDEXED BY keys_lapsing
     WHERE api_keys.workspace_id = key_counts.workspace_id AND api_keys.ended = 1 AND api_keys.lapses_at > @now) AS early
FROM key_counts WHERE key_counts.workspace_id = @workspace_id;

-- name: InsertKey :exec
INSERT INTO api_keys (
    id, workspace_id, chain_id, created_by, name, key_type, prefix, suffix, hash, scopes, active, revoke_at, expires_at,
    rate_limit, allowed_ips, metadata, rotated_from, rotated_to, last_used_at, created_at, updated_at, version, lapses_at, ended
) VALUES (
    @id, @workspace_id, @chain_id, @created_by, @name, @key_type, @prefix, @suffix, @hash, @scopes, @active, @revoke_at, @expires_at,
    @rate_limit, @allowed_ips, @metadata, @rotated_from, @rotated_to, @last_used_at, @created_at, @updated_at, @version, @lapses_at, @ended
);

-- name: UpdateKey :execrows
UPDATE api_keys SET
    name = @name, scopes = @scopes, active = @active, revoke_at = @revoke_at, expires_at = @expires_at, rate_limit = @rate_limit,
    allowed_ips = @allowed_ips, metadata = @metadata, rotated_from = @rotated_from, rotated_to = @rotated_to,
    updated_at = @updated_at, version = @version, lapses_at = @lapses_at, ended = @ended
WHERE workspace_id = @workspace_id AND id = @id;

-- name: TouchKey :execrows
UPDATE api_keys SET last_used_at = @at WHERE id = @id AND (last_used_at IS NULL OR last_used_at < @at);

-- name: JudgeLateKeys :execrows
UPDATE api_keys SET ended = 1 WHERE rowid IN (
    SELECT k.rowid FROM api_keys AS k INDEXED BY keys_lapsing
    WHERE k.workspace_id = @workspace_id AND k.ended = 0 AND k.lapses_at <= @now LIMIT @most);

-- name: JudgeEarlyKeys :execrows
UPDATE api_keys SET ended = 0 WHERE rowid IN (
    SELECT k.rowid FROM api_keys AS k INDEXED BY keys_lapsing
    WHERE k.workspace_id = @workspace_id AND k.ended = 1 AND k.lapses_at > @now LIMIT @most);
