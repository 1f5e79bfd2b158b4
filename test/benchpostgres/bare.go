package main

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/jackc/pgx/v5" //nolint:depguard // the bare loop speaks to the engine itself: that is what is compared

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/engines"
	"github.com/keypin/keypin/test/measure"
)

// bare is the least that keeps a key durably: one prepared INSERT of one row, in a
// transaction of its own, into a table that finds a key by its id and by its hash.
type bare struct{ url string }

const bareTable = `CREATE TABLE api_keys (
	id uuid NOT NULL UNIQUE, workspace_id uuid NOT NULL, chain_id uuid NOT NULL, created_by uuid, name text NOT NULL,
	key_type text NOT NULL, prefix text NOT NULL, suffix text NOT NULL, hash bytea NOT NULL UNIQUE, scopes text NOT NULL,
	active boolean NOT NULL, revoke_at timestamptz, expires_at timestamptz, rate_limit integer, allowed_ips text NOT NULL,
	metadata text NOT NULL, rotated_from uuid, rotated_to uuid, last_used_at timestamptz, created_at timestamptz NOT NULL,
	updated_at timestamptz NOT NULL, version bigint NOT NULL, lapses_at timestamptz, ended boolean NOT NULL)`

const bareInsert = `INSERT INTO api_keys VALUES ($1, $2, $3, $4, 'Continuous integration', 'live', 'op_live', 'a1B2c3', $5,
	'["workflows:read","voices:read"]', true, NULL, NULL, NULL, '[]', '{}', NULL, NULL, NULL, $6, $7, 1, NULL, false)`

// bareTelling inserts the same, and tells whoever listens, as a change of a key does.
const bareTelling = `WITH added AS (` + bareInsert + ` RETURNING hash)
	SELECT pg_notify('bare_changes', 'key ' || encode(hash, 'hex'))::text FROM added`

func openBare(ctx context.Context, p *engines.Postgres) (bare, error) {
	const database = "bare"
	if err := p.CreateDatabase(ctx, database); err != nil {
		return bare{}, err
	}
	return bare{p.URL(database)}, p.SQL(ctx, database, bareTable)
}

// load inserts one row after the other, by so many writers with a connection each.
func (b bare) load(writers int, statement string) measure.Load {
	return measure.Load{Clients: writers, Client: func(ctx context.Context, _ int) (func() error, func(), error) {
		conn, err := pgx.Connect(ctx, b.url)
		if err != nil {
			return nil, nil, err
		}
		end := func() { _ = conn.Close(context.WithoutCancel(ctx)) } // nothing is lost with it
		if _, err := conn.Prepare(ctx, "add", statement); err != nil {
			end()
			return nil, nil, err
		}
		return func() error { return add(ctx, conn) }, end, nil
	}}
}

func add(ctx context.Context, conn *pgx.Conn) error {
	now := time.Now()
	id, err := keypin.NewID(now, rand.Reader)
	if err != nil {
		return err
	}
	var hash [32]byte
	if _, err := rand.Read(hash[:]); err != nil {
		return err
	}
	uuid := [16]byte(id)
	_, err = conn.Exec(ctx, "add", uuid, uuid, uuid, uuid, hash[:], now, now)
	return err
}
