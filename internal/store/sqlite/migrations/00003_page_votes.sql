-- +goose Up
-- What readers of the documentation answered to "Was this page helpful?". Nothing tells who
-- they were. Ids are in the order of time.
CREATE TABLE page_votes (
    id      BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    at      INTEGER NOT NULL,
    page    TEXT    NOT NULL,
    helpful INTEGER NOT NULL CHECK (helpful IN (0, 1)),
    comment TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
