-- name: Member :one
SELECT * FROM members WHERE workspace_id = @workspace_id AND user_id = @user_id;

-- name: MemberByID :one
SELECT sqlc.embed(m), sqlc.embed(u) FROM members AS m JOIN users AS u ON u.id = m.user_id
WHERE m.workspace_id = @workspace_id AND m.id = @id AND m.removed_at IS NULL;

-- name: Members :many
SELECT sqlc.embed(m), sqlc.embed(u) FROM members AS m JOIN users AS u ON u.id = m.user_id
WHERE m.workspace_id = @workspace_id AND m.removed_at IS NULL
ORDER BY m.created_at, m.id LIMIT @rows::bigint OFFSET @skip::bigint;

-- name: CountMembers :one
SELECT count(*) FROM members WHERE workspace_id = @workspace_id AND removed_at IS NULL;

-- name: CountAdmins :one
SELECT count(*) FROM members WHERE workspace_id = @workspace_id AND removed_at IS NULL AND role = 'admin';

-- name: InsertMember :execrows
INSERT INTO members (id, workspace_id, user_id, role, source, issuer_role, issuer_told_at, last_active_at, created_at, removed_at)
VALUES (@id, @workspace_id, @user_id, @role, @source, @issuer_role, @issuer_told_at, @last_active_at, @created_at, @removed_at) ON CONFLICT DO NOTHING;

-- name: UpdateMember :execrows
UPDATE members SET role = @role, source = @source, issuer_role = @issuer_role, issuer_told_at = @issuer_told_at,
    last_active_at = @last_active_at, removed_at = @removed_at
WHERE workspace_id = @workspace_id AND id = @id;
