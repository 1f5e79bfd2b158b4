-- Nothing here is beyond CockroachDB or YugabyteDB: no triggers, no extensions, and
-- only plain types. Lists and objects are JSON in text, because jsonb refuses some of
-- what JSON may hold (U+0000) and nothing is searched inside them but a scope.

-- +goose Up
CREATE TABLE users (
    id         uuid        NOT NULL PRIMARY KEY,
    issuer     text        NOT NULL,
    subject    text        NOT NULL,
    email      text        NOT NULL,
    first_name text        NOT NULL,
    last_name  text        NOT NULL,
    image_url  text        NOT NULL,
    created_at timestamptz NOT NULL,
    UNIQUE (issuer, subject)
);

-- Deleting a workspace sets deleted_at and touches no other row: who looks a key
-- up by its hash looks at its workspace too.
CREATE TABLE workspaces (
    id               uuid        NOT NULL PRIMARY KEY,
    name             text        NOT NULL,
    slug             text        NOT NULL,
    color_idx        integer     NOT NULL,
    created_by       uuid        NOT NULL,
    personal_of      uuid        REFERENCES users (id),
    org_issuer       text        NOT NULL,
    org_id           text        NOT NULL,
    default_language text        NOT NULL,
    theme            text        NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    deleted_at       timestamptz
);
CREATE UNIQUE INDEX workspaces_slug ON workspaces (slug) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX workspaces_personal ON workspaces (personal_of) WHERE deleted_at IS NULL AND personal_of IS NOT NULL;
CREATE UNIQUE INDEX workspaces_org ON workspaces (org_issuer, org_id) WHERE deleted_at IS NULL AND org_id <> '';

CREATE TABLE members (
    id             uuid        NOT NULL PRIMARY KEY,
    workspace_id   uuid        NOT NULL REFERENCES workspaces (id),
    user_id        uuid        NOT NULL REFERENCES users (id),
    role           text        NOT NULL,
    source         text        NOT NULL,
    issuer_role    text        NOT NULL,
    issuer_told_at timestamptz,
    last_active_at timestamptz,
    created_at     timestamptz NOT NULL,
    removed_at     timestamptz,
    UNIQUE (workspace_id, user_id)
);
CREATE INDEX members_listed ON members (workspace_id, created_at, id) WHERE removed_at IS NULL;
CREATE INDEX members_user ON members (user_id) WHERE removed_at IS NULL;

CREATE TABLE invites (
    id           uuid        NOT NULL PRIMARY KEY,
    workspace_id uuid        NOT NULL REFERENCES workspaces (id),
    email        text        NOT NULL,
    role         text        NOT NULL,
    token_hash   bytea       NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    invited_by   uuid        NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    accepted_at  timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX invites_pending ON invites (workspace_id, created_at, id) WHERE accepted_at IS NULL AND revoked_at IS NULL;

-- A key whose revoke_at is not after its updated_at is revoked at any instant: it was
-- revoked by that change, and a clock that is set back revives nothing.
-- lapses_at is the instant from which an active key is usable no more: the earlier
-- of expires_at and revoke_at; NULL when it has neither, is suspended, or is revoked
-- at any instant.
-- ended says that the key was not usable when that was last judged: at its last
-- change, or since. It makes the halves of the list two ranges of an index;
-- keyquery.go corrects it for the keys that have lapsed between then and the instant
-- that is asked about.
-- Nobody looks keys up by created_by alone, so deleting a user may scan.
-- A tenth of each page is free for last_used_at, which no index holds, to move within it.
CREATE TABLE api_keys (
    id           uuid        NOT NULL PRIMARY KEY,
    workspace_id uuid        NOT NULL REFERENCES workspaces (id),
    chain_id     uuid        NOT NULL,
    created_by   uuid        REFERENCES users (id) ON DELETE SET NULL,
    name         text        NOT NULL,
    key_type     text        NOT NULL,
    prefix       text        NOT NULL,
    suffix       text        NOT NULL,
    hash         bytea       NOT NULL UNIQUE CHECK (length(hash) = 32),
    scopes       text        NOT NULL,
    active       boolean     NOT NULL,
    revoke_at    timestamptz,
    expires_at   timestamptz,
    rate_limit   integer,
    allowed_ips  text        NOT NULL,
    metadata     text        NOT NULL,
    rotated_from uuid,
    rotated_to   uuid,
    last_used_at timestamptz,
    created_at   timestamptz NOT NULL,
    updated_at   timestamptz NOT NULL,
    version      bigint      NOT NULL,
    lapses_at    timestamptz CHECK (lapses_at IS NOT DISTINCT FROM CASE WHEN active AND coalesce(revoke_at > updated_at, true)
                                    THEN coalesce(CASE WHEN expires_at < revoke_at THEN expires_at ELSE revoke_at END, expires_at) END),
    ended        boolean     NOT NULL CHECK (CASE WHEN ended THEN NOT active OR lapses_at IS NOT NULL OR revoke_at <= updated_at
                                             ELSE active AND coalesce(revoke_at > updated_at, true) END)
) WITH (fillfactor = 90);
CREATE INDEX keys_listed ON api_keys (workspace_id, ended, created_at, id) INCLUDE (lapses_at);
CREATE INDEX keys_lapsing ON api_keys (workspace_id, ended, lapses_at) WHERE lapses_at IS NOT NULL;

-- Counting a million keys takes a second, so they are counted as they change. A row
-- tells by how much a change moved the counts of a workspace, whose counts are the sums;
-- now and then some rows are replaced by their sum. So changes in one workspace neither
-- wait for one another nor conflict.
CREATE TABLE key_count_changes (
    workspace_id uuid   NOT NULL,
    id           uuid   NOT NULL,
    total        bigint NOT NULL,
    ended        bigint NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

-- The audit stands by itself: it outlives what it tells of, so it refers to nothing.
CREATE TABLE audit_entries (
    id            uuid        NOT NULL,
    workspace_id  uuid        NOT NULL,
    at            timestamptz NOT NULL,
    actor_kind    text        NOT NULL,
    actor_user_id uuid        NOT NULL,
    actor_key_id  uuid,
    action        text        NOT NULL,
    target_kind   text        NOT NULL,
    target_id     uuid        NOT NULL,
    request_id    text        NOT NULL,
    ip            text        NOT NULL,
    user_agent    text        NOT NULL,
    before        text,
    after         text,
    PRIMARY KEY (workspace_id, at, id)
);

CREATE TABLE idempotent_answers (
    caller       uuid        NOT NULL,
    key_hash     bytea       NOT NULL CHECK (length(key_hash) = 32),
    request_hash bytea       NOT NULL CHECK (length(request_hash) = 32),
    sealed       bytea       NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    PRIMARY KEY (caller, key_hash)
);
CREATE INDEX idempotent_answers_expiry ON idempotent_answers (expires_at);

-- How often keys were used. bucket is the beginning of a step of so many seconds: 60,
-- 3600 or 86400. subject is the chain of keys, or the workspace for all its chains
-- together. The key is in the order in which a flush writes, a reader who knows the
-- buckets looks up, and the retention deletes, so that no other index is needed. It
-- refers to nothing: counts may come after what they tell of has gone.
CREATE TABLE usage_counts (
    step         integer     NOT NULL CHECK (step IN (60, 3600, 86400)),
    bucket       timestamptz NOT NULL,
    workspace_id uuid        NOT NULL,
    subject      uuid        NOT NULL,
    code         text        NOT NULL,
    count        bigint      NOT NULL,
    PRIMARY KEY (step, bucket, workspace_id, subject, code)
) WITH (fillfactor = 80);

-- Where a key's last_used_at came from. It tells of that use only while used_at is the same.
CREATE TABLE key_uses (
    key_id     uuid        NOT NULL PRIMARY KEY,
    used_at    timestamptz NOT NULL,
    ip         text        NOT NULL,
    user_agent text        NOT NULL
) WITH (fillfactor = 80);

-- The processes that serve this database. settings holds fingerprints of what all of
-- them must agree on.
CREATE TABLE nodes (
    id         uuid        NOT NULL PRIMARY KEY,
    name       text        NOT NULL,
    version    text        NOT NULL,
    settings   jsonb       NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
) WITH (fillfactor = 50);
