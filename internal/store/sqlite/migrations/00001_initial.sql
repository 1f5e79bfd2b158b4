-- Instants are microseconds since 1970 in UTC, ids are the 16 bytes of a UUID,
-- hashes the 32 bytes of a SHA-256, lists and objects JSON.

-- +goose Up
CREATE TABLE users (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    issuer     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    email      TEXT    NOT NULL,
    first_name TEXT    NOT NULL,
    last_name  TEXT    NOT NULL,
    image_url  TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (issuer, subject)
) STRICT;

-- Deleting a workspace sets deleted_at and touches no other row: who looks a key
-- up by its hash looks at its workspace too.
CREATE TABLE workspaces (
    id               BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name             TEXT    NOT NULL,
    slug             TEXT    NOT NULL,
    color_idx        INTEGER NOT NULL,
    created_by       BLOB    NOT NULL CHECK (length(created_by) = 16),
    personal_of      BLOB    REFERENCES users (id),
    org_issuer       TEXT    NOT NULL,
    org_id           TEXT    NOT NULL,
    default_language TEXT    NOT NULL,
    theme            TEXT    NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    deleted_at       INTEGER
) STRICT;
CREATE UNIQUE INDEX workspaces_slug ON workspaces (slug) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX workspaces_personal ON workspaces (personal_of) WHERE deleted_at IS NULL AND personal_of IS NOT NULL;
CREATE UNIQUE INDEX workspaces_org ON workspaces (org_issuer, org_id) WHERE deleted_at IS NULL AND org_id <> '';

CREATE TABLE members (
    id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    workspace_id   BLOB    NOT NULL REFERENCES workspaces (id),
    user_id        BLOB    NOT NULL REFERENCES users (id),
    role           TEXT    NOT NULL,
    source         TEXT    NOT NULL,
    issuer_role    TEXT    NOT NULL,
    issuer_told_at INTEGER,
    last_active_at INTEGER,
    created_at     INTEGER NOT NULL,
    removed_at     INTEGER,
    UNIQUE (workspace_id, user_id)
) STRICT;
CREATE INDEX members_listed ON members (workspace_id, created_at, id) WHERE removed_at IS NULL;
CREATE INDEX members_user ON members (user_id) WHERE removed_at IS NULL;

CREATE TABLE invites (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    workspace_id BLOB    NOT NULL REFERENCES workspaces (id),
    email        TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    token_hash   BLOB    NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    invited_by   BLOB    NOT NULL CHECK (length(invited_by) = 16),
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    accepted_at  INTEGER,
    revoked_at   INTEGER
) STRICT;
CREATE INDEX invites_pending ON invites (workspace_id, created_at, id) WHERE accepted_at IS NULL AND revoked_at IS NULL;

-- A key whose revoke_at is not after its updated_at is revoked at any instant: it was
-- revoked by that change, and a clock that is set back revives nothing.
-- lapses_at is the instant from which an active key is usable no more: the earlier
-- of expires_at and revoke_at; NULL when it has neither, is suspended, or is revoked
-- at any instant.
-- ended says that the key was not usable when that was last judged: at its last
-- change, or since. It makes the halves of the list two ranges of an index;
-- keyquery.go corrects it for the keys that have lapsed between then and the instant
-- that is asked about. Both are no generated columns because SQLite does not read
-- those from an index alone.
-- Nobody looks keys up by created_by alone, so deleting a user may scan.
CREATE TABLE api_keys (
    id           BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    workspace_id BLOB    NOT NULL REFERENCES workspaces (id),
    chain_id     BLOB    NOT NULL CHECK (length(chain_id) = 16),
    created_by   BLOB    REFERENCES users (id) ON DELETE SET NULL,
    name         TEXT    NOT NULL,
    key_type     TEXT    NOT NULL,
    prefix       TEXT    NOT NULL,
    suffix       TEXT    NOT NULL,
    hash         BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes       TEXT    NOT NULL,
    active       INTEGER NOT NULL,
    revoke_at    INTEGER,
    expires_at   INTEGER,
    rate_limit   INTEGER,
    allowed_ips  TEXT    NOT NULL,
    metadata     TEXT    NOT NULL,
    rotated_from BLOB,
    rotated_to   BLOB,
    last_used_at INTEGER,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    lapses_at    INTEGER CHECK (lapses_at IS CASE WHEN active = 1 AND coalesce(revoke_at > updated_at, 1)
                                THEN coalesce(min(expires_at, revoke_at), expires_at, revoke_at) END),
    ended        INTEGER NOT NULL CHECK (CASE ended WHEN 0 THEN active = 1 AND coalesce(revoke_at > updated_at, 1)
                                         WHEN 1 THEN active = 0 OR lapses_at IS NOT NULL OR revoke_at <= updated_at ELSE 0 END)
) STRICT;
CREATE INDEX keys_listed ON api_keys (workspace_id, ended, created_at, id, lapses_at);
CREATE INDEX keys_lapsing ON api_keys (workspace_id, ended, lapses_at) WHERE lapses_at IS NOT NULL;

-- Counting a million keys takes a second, so they are counted as they change.
CREATE TABLE key_counts (
    workspace_id BLOB    NOT NULL PRIMARY KEY REFERENCES workspaces (id),
    total        INTEGER NOT NULL,
    ended        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose StatementBegin
CREATE TRIGGER workspaces_inserted AFTER INSERT ON workspaces BEGIN
    INSERT INTO key_counts (workspace_id, total, ended) VALUES (NEW.id, 0, 0);
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_inserted AFTER INSERT ON api_keys BEGIN
    UPDATE key_counts SET total = total + 1, ended = ended + NEW.ended WHERE workspace_id = NEW.workspace_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_changed AFTER UPDATE OF ended ON api_keys WHEN OLD.ended <> NEW.ended BEGIN
    UPDATE key_counts SET ended = ended + NEW.ended - OLD.ended WHERE workspace_id = NEW.workspace_id;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER keys_deleted AFTER DELETE ON api_keys BEGIN
    UPDATE key_counts SET total = total - 1, ended = ended - OLD.ended WHERE workspace_id = OLD.workspace_id;
END;
-- +goose StatementEnd

-- The audit stands by itself: it outlives what it tells of, so it refers to nothing.
CREATE TABLE audit_entries (
    id            BLOB    NOT NULL CHECK (length(id) = 16),
    workspace_id  BLOB    NOT NULL CHECK (length(workspace_id) = 16),
    at            INTEGER NOT NULL,
    actor_kind    TEXT    NOT NULL,
    actor_user_id BLOB    NOT NULL CHECK (length(actor_user_id) = 16),
    actor_key_id  BLOB,
    action        TEXT    NOT NULL,
    target_kind   TEXT    NOT NULL,
    target_id     BLOB    NOT NULL CHECK (length(target_id) = 16),
    request_id    TEXT    NOT NULL,
    ip            TEXT    NOT NULL,
    user_agent    TEXT    NOT NULL,
    before        TEXT,
    after         TEXT
) STRICT;
CREATE INDEX audit_entries_listed ON audit_entries (workspace_id, at, id);

CREATE TABLE idempotent_answers (
    caller       BLOB    NOT NULL CHECK (length(caller) = 16),
    key_hash     BLOB    NOT NULL CHECK (length(key_hash) = 32),
    request_hash BLOB    NOT NULL CHECK (length(request_hash) = 32),
    sealed       BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    PRIMARY KEY (caller, key_hash)
) STRICT;
CREATE INDEX idempotent_answers_expiry ON idempotent_answers (expires_at);
