-- name: InsertAudit :execrows
INSERT INTO audit_entries (
    id, workspace_id, at, actor_kind, actor_user_id, actor_key_id, action, target_kind, target_id, request_id, ip, user_agent, before, after
) VALUES (
    @id, @workspace_id, @at, @actor_kind, @actor_user_id, @actor_key_id, @action, @target_kind, @target_id, @request_id, @ip, @user_agent, @before, @after
) ON CONFLICT DO NOTHING;

-- name: AuditEntries :many
SELECT * FROM audit_entries WHERE workspace_id = @workspace_id ORDER BY at DESC, id DESC LIMIT @rows::bigint OFFSET @skip::bigint;
