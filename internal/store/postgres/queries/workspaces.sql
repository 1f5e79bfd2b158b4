-- name: Workspace :one
SELECT * FROM workspaces WHERE id = @id AND deleted_at IS NULL;

-- name: PersonalWorkspace :one
SELECT * FROM workspaces WHERE personal_of = @user_id AND deleted_at IS NULL;

-- name: OrgWorkspace :one
SELECT * FROM workspaces WHERE org_issuer = @org_issuer AND org_id = @org_id AND org_id <> '' AND deleted_at IS NULL;

-- name: WorkspacesOf :many
SELECT w.* FROM members AS m JOIN workspaces AS w ON w.id = m.workspace_id
WHERE m.user_id = @user_id AND m.removed_at IS NULL AND w.deleted_at IS NULL
    AND (m.source <> 'issuer' OR (w.org_issuer = @org_issuer AND w.org_id = @org_id AND w.org_id <> ''))
ORDER BY w.created_at, w.id LIMIT @rows::bigint OFFSET @skip::bigint;

-- name: CountWorkspacesOf :one
SELECT count(*) FROM members AS m JOIN workspaces AS w ON w.id = m.workspace_id
WHERE m.user_id = @user_id AND m.removed_at IS NULL AND w.deleted_at IS NULL
    AND (m.source <> 'issuer' OR (w.org_issuer = @org_issuer AND w.org_id = @org_id AND w.org_id <> ''));

-- name: CountSlug :one
SELECT count(*) FROM workspaces WHERE slug = @slug AND deleted_at IS NULL;

-- name: InsertWorkspace :execrows
INSERT INTO workspaces (
    id, name, slug, color_idx, created_by, personal_of, org_issuer, org_id, default_language, theme, created_at, updated_at, deleted_at
) VALUES (
    @id, @name, @slug, @color_idx, @created_by, @personal_of, @org_issuer, @org_id, @default_language, @theme, @created_at, @updated_at, @deleted_at
) ON CONFLICT DO NOTHING;

-- UpdateWorkspace changes nothing when another workspace has the slug: an error would
-- end the transaction. Once a deletion is committed, every node is told.
-- name: UpdateWorkspace :many
WITH changed AS (
    UPDATE workspaces AS w SET
        name = @name, slug = @slug, color_idx = @color_idx, default_language = @default_language, theme = @theme,
        updated_at = @updated_at, deleted_at = @deleted_at
    WHERE w.id = @id AND w.deleted_at IS NULL AND (sqlc.narg('deleted_at')::timestamptz IS NOT NULL OR w.slug = @slug OR NOT EXISTS (
        SELECT 1 FROM workspaces AS other WHERE other.slug = @slug AND other.deleted_at IS NULL))
    RETURNING w.id, w.deleted_at
)
SELECT CASE WHEN changed.deleted_at IS NULL THEN '' ELSE pg_notify('keypin_changes', 'workspace ' || changed.id::text)::text END::text FROM changed;
