-- +goose Up
-- What readers of the documentation answered to "Was this page helpful?". Nothing tells who
-- they were. Ids are in the order of time.
CREATE TABLE page_votes (
    id      uuid        NOT NULL PRIMARY KEY,
    at      timestamptz NOT NULL,
    page    text        NOT NULL,
    helpful boolean     NOT NULL,
    comment text        NOT NULL
);
