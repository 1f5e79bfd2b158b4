-- name: Replica :one
SELECT pg_is_in_recovery();
