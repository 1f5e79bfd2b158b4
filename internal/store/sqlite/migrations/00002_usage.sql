-- Nothing here touches api_keys, which may hold ten million rows: a column added to a
-- table that is strict or has a CHECK makes SQLite read the whole table.

-- +goose Up
-- How often keys were used. bucket is the beginning of a step of so many seconds: 60,
-- 3600 or 86400. subject is the chain of keys, or the workspace for all its chains
-- together. The key is in the order in which a flush writes, a reader who knows the
-- buckets looks up, and the retention deletes, so that no other index is needed. It
-- refers to nothing: counts may come after what they tell of has gone.
CREATE TABLE usage_counts (
    step         INTEGER NOT NULL CHECK (step IN (60, 3600, 86400)),
    bucket       INTEGER NOT NULL,
    workspace_id BLOB    NOT NULL CHECK (length(workspace_id) = 16),
    subject      BLOB    NOT NULL CHECK (length(subject) = 16),
    code         TEXT    NOT NULL,
    count        INTEGER NOT NULL,
    PRIMARY KEY (step, bucket, workspace_id, subject, code)
) STRICT, WITHOUT ROWID;

-- Where a key's last_used_at came from. It tells of that use only while used_at is the
-- same: the version before this one moves last_used_at alone.
CREATE TABLE key_uses (
    key_id     BLOB    NOT NULL PRIMARY KEY CHECK (length(key_id) = 16),
    used_at    INTEGER NOT NULL,
    ip         TEXT    NOT NULL,
    user_agent TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
