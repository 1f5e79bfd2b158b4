-- name: Invite :one
SELECT * FROM invites WHERE workspace_id = @workspace_id AND id = @id;

-- name: InviteByToken :one
SELECT i.* FROM invites AS i JOIN workspaces AS w ON w.id = i.workspace_id
WHERE i.token_hash = @token_hash AND w.deleted_at IS NULL;

-- name: PendingInvites :many
SELECT * FROM invites
WHERE workspace_id = @workspace_id AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > @now
ORDER BY created_at, id LIMIT @rows::bigint OFFSET @skip::bigint;

-- name: CountPendingInvites :one
SELECT count(*) FROM invites
WHERE workspace_id = @workspace_id AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > @now;

-- name: InsertInvite :execrows
INSERT INTO invites (id, workspace_id, email, role, token_hash, invited_by, created_at, expires_at, accepted_at, revoked_at)
VALUES (@id, @workspace_id, @email, @role, @token_hash, @invited_by, @created_at, @expires_at, @accepted_at, @revoked_at) ON CONFLICT DO NOTHING;

-- name: UpdateInvite :execrows
UPDATE invites SET role = @role, accepted_at = @accepted_at, revoked_at = @revoked_at WHERE workspace_id = @workspace_id AND id = @id;
