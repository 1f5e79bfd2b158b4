package postgres

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/column"
	"github.com/keypin/keypin/internal/store/postgres/db"
)

// explainer runs queries and keeps the engine's plan of each.
type explainer struct {
	t    *testing.T
	conn *pgxpool.Conn
	plan []string
}

var _ db.DBTX = (*explainer)(nil)

func (e *explainer) Exec(ctx context.Context, text string, args ...any) (pgconn.CommandTag, error) {
	e.explain(ctx, text, args)
	return e.conn.Exec(ctx, text, args...)
}

func (e *explainer) Query(ctx context.Context, text string, args ...any) (pgx.Rows, error) {
	e.explain(ctx, text, args)
	return e.conn.Query(ctx, text, args...)
}

func (e *explainer) QueryRow(ctx context.Context, text string, args ...any) pgx.Row {
	e.explain(ctx, text, args)
	return e.conn.QueryRow(ctx, text, args...)
}

func (e *explainer) explain(ctx context.Context, text string, args []any) {
	e.t.Helper()
	rows, err := e.conn.Query(ctx, "EXPLAIN "+text, args...)
	if err != nil {
		e.t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		e.t.Fatal(err)
	}
	e.plan = append(e.plan, lines...)
}

// run makes it a runner.
func (e *explainer) run(ctx context.Context, read func(context.Context, *db.Queries) error) error {
	return translate(read(ctx, db.New(e)))
}

// take gives the plans since the last take.
func (e *explainer) take() string {
	plan := strings.Join(e.plan, "\n")
	e.plan = nil
	return plan
}

// planned fills a database: a workspace with most of the keys and many with few, and
// what goes with them. Every fifth key has ended, every hundredth lapses.
func planned(t *testing.T, s *server) *explainer {
	t.Helper()
	database := s.migrated(t)
	store := s.direct(t, database)
	for _, fill := range []string{
		`INSERT INTO users SELECT ('2' || lpad(to_hex(i), 31, '0'))::uuid, 'i', 's' || i, '', '', '', '', now() FROM generate_series(1, 3000) AS i`,
		`INSERT INTO workspaces (id, name, slug, color_idx, created_by, personal_of, org_issuer, org_id, default_language, theme, created_at, updated_at)
			SELECT ('1' || lpad(to_hex(i), 31, '0'))::uuid, '', 'w' || i, 0, gen_random_uuid(), ('2' || lpad(to_hex(i), 31, '0'))::uuid, 'i', 'o' || i, '', '', now(), now()
			FROM generate_series(1, 3000) AS i`,
		`INSERT INTO members (id, workspace_id, user_id, role, source, issuer_role, created_at)
			SELECT ('4' || lpad(to_hex(i), 31, '0'))::uuid, w.id, w.personal_of, 'admin', 'local', '', now() FROM workspaces AS w, generate_series(1, 1) AS i WHERE w.slug = 'w1'
			UNION ALL SELECT gen_random_uuid(), w.id, w.personal_of, 'admin', 'local', '', now() FROM workspaces AS w WHERE w.slug <> 'w1'`,
		`INSERT INTO invites SELECT gen_random_uuid(), w.id, '', 'viewer', sha256(w.id::text::bytea), w.id, now(), now() + interval '1 day', NULL, NULL FROM workspaces AS w`,
		`INSERT INTO audit_entries SELECT gen_random_uuid(), w.id, now(), 'session', w.id, NULL, '', '', w.id, '', '', '', NULL, NULL FROM workspaces AS w, generate_series(1, 3)`,
		`INSERT INTO idempotent_answers SELECT w.id, sha256(w.id::text::bytea), sha256(w.id::text::bytea), '', now(), now() + interval '1 day' FROM workspaces AS w`,
		`INSERT INTO api_keys (id, workspace_id, chain_id, name, key_type, prefix, suffix, hash, scopes, active, expires_at, allowed_ips, metadata, created_at,
				updated_at, version, lapses_at, ended)
			SELECT ('3' || lpad(to_hex(i), 31, '0'))::uuid, ('1' || lpad(to_hex(CASE WHEN i % 2 = 0 THEN 1 ELSE i % 3000 + 1 END), 31, '0'))::uuid, ('3' || lpad(to_hex(i), 31, '0'))::uuid,
				'key ' || i, 'live', 'op_live', 'x', sha256(i::text::bytea), '[]', i % 5 > 0, now + CASE WHEN i % 100 = 1 THEN interval '1 hour' END, '[]', '{}',
				now + i * interval '1 second', now, 1, now + CASE WHEN i % 100 = 1 THEN interval '1 hour' END, i % 5 = 0
			FROM generate_series(1, 60000) AS i, (SELECT timestamptz '2026-03-01T12:00:00Z' AS now) AS at`,
		`INSERT INTO key_count_changes SELECT workspace_id, gen_random_uuid(), count(*), count(*) FILTER (WHERE ended) FROM api_keys GROUP BY workspace_id`,
		`INSERT INTO usage_counts SELECT 60, timestamptz '2026-03-01T12:00:00Z' + m * interval '1 minute', w.id, w.id, 'valid', 1 FROM workspaces AS w, generate_series(1, 10) AS m`,
		`INSERT INTO page_votes SELECT ('5' || lpad(to_hex(i), 31, '0'))::uuid, now(), '/docs', true, '' FROM generate_series(1, 20000) AS i`,
		`INSERT INTO key_uses SELECT id, now(), '', '' FROM api_keys LIMIT 20000`,
		`VACUUM ANALYZE`,
	} {
		s.as(t, database, fill)
	}
	conn, err := store.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Release)
	return &explainer{t: t, conn: conn}
}

// filled is the id that planned gave the i-th of a kind: 1 of workspaces, 3 of keys.
func filled(kind byte, i uint32) (id keypin.ID) {
	id[0] = kind << 4
	binary.BigEndian.PutUint32(id[12:], i)
	return id
}

func TestNoQueryScansATableAndPagesDoNotSort(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		e := planned(t, s)
		r := &reader{runner: e}
		big, small := filled(1, 1), filled(1, 4)
		for name, read := range queriesOf(t.Context(), r, e, big) {
			if err := read(); err != nil && keypin.CodeOf(err) != keypin.CodeNotFound {
				t.Errorf("%s: %v", name, err)
			}
			if plan := e.take(); plan == "" || strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s:\n%s", name, plan)
			}
		}
		for _, workspace := range []keypin.ID{big, small} {
			for _, status := range []keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll} {
				for _, now := range []time.Time{seedTime, seedTime.Add(2 * time.Hour)} {
					list := &keyList{workspace: workspace, query: keypin.KeyQuery{Page: keypin.Page{Limit: 50}, Status: status, Now: now}}
					page, err := list.read(t.Context(), e)
					plan := e.take()
					if err != nil || workspace == big && page.Total == 0 || len(page.Keys) != min(page.Total, 50) {
						t.Errorf("got %d of %d, %v", len(page.Keys), page.Total, err)
					}
					if strings.Contains(plan, "Seq Scan") || workspace == big && (!strings.Contains(plan, "keys_listed") || !strings.Contains(plan, "keys_lapsing")) {
						t.Errorf("list %s at %v:\n%s", status, now, plan)
					}
					if workspace == big && now.Equal(seedTime) && strings.Contains(plan, "Sort  (") {
						t.Errorf("list %s sorts:\n%s", status, plan)
					}
				}
			}
		}
	})
}

// queriesOf are all the reads of a store, and its other queries that look for rows.
func queriesOf(ctx context.Context, r *reader, e *explainer, id keypin.ID) map[string]func() error {
	page, usage := keypin.Page{Limit: 10}, keypin.UsageQuery{From: seedTime, To: seedTime.Add(time.Hour), Step: keypin.UsageMinute}
	queries := db.New(e)
	return map[string]func() error{
		"KeyByHash":         func() error { _, err := r.KeyByHash(ctx, keypin.KeyHash{}); return err },
		"Key":               func() error { _, err := r.Key(ctx, id, id); return err },
		"User":              func() error { _, err := r.User(ctx, id); return err },
		"UserBySubject":     func() error { _, err := r.UserBySubject(ctx, "i", "s"); return err },
		"Workspace":         func() error { _, err := r.Workspace(ctx, id); return err },
		"PersonalWorkspace": func() error { _, err := r.PersonalWorkspace(ctx, id); return err },
		"OrgWorkspace":      func() error { _, err := r.OrgWorkspace(ctx, "i", "o"); return err },
		"WorkspacesOf":      func() error { _, _, err := r.WorkspacesOf(ctx, id, "i", "o", page); return err },
		"SlugTaken":         func() error { _, err := r.SlugTaken(ctx, "s"); return err },
		"Member":            func() error { _, err := r.Member(ctx, id, id); return err },
		"MemberByID":        func() error { _, err := r.MemberByID(ctx, id, id); return err },
		"Members":           func() error { _, _, err := r.Members(ctx, id, page); return err },
		"CountAdmins":       func() error { _, err := r.CountAdmins(ctx, id); return err },
		"Invite":            func() error { _, err := r.Invite(ctx, id, id); return err },
		"InviteByToken":     func() error { _, err := r.InviteByToken(ctx, [32]byte{}); return err },
		"PendingInvites":    func() error { _, _, err := r.PendingInvites(ctx, id, seedTime, page); return err },
		"AuditEntries":      func() error { _, err := r.AuditEntries(ctx, id, page); return err },
		"PageVotes":         func() error { _, err := r.PageVotes(ctx, keypin.ID{}, 10); return err },
		"DropPageVotes":     func() error { return queries.DropPageVotes(ctx, keypin.MaxPageVotes-100) },
		"CommentPageVote": func() error {
			_, err := queries.CommentPageVote(ctx, db.CommentPageVoteParams{ID: column.ID(id), Page: "p", Comment: "c"})
			return err
		},
		"ChainUsage": func() error { _, err := r.ChainUsage(ctx, id, id, usage); return err },
		"TopKeys":    func() error { _, err := r.TopKeys(ctx, id, usage, 1); return err },
		"LastUse":    func() error { _, err := r.LastUse(ctx, id, id); return err },
		"UpdateKey": func() error {
			_, err := queries.UpdateKey(ctx, updateKeyParams(&keypin.APIKey{ID: id, WorkspaceID: id}))
			return err
		},
		"usage": func() error {
			return sendUsage(ctx, queries, map[keypin.ID]keypin.LastUse{filled(3, 1): {At: seedTime}, filled(3, 2): {At: seedTime}},
				[]keypin.UsageCount{{WorkspaceID: id, ChainID: id, Minute: seedTime, Code: "valid", Count: 1}})
		},
		"judging": func() error {
			return queries.JudgeKeys(ctx, db.JudgeKeysParams{WorkspaceID: [16]byte(id), Most: tidiedAtOnce})
		},
		"expiring": func() error {
			return queries.DeleteExpiredAnswers(ctx, db.DeleteExpiredAnswersParams{Most: expiredAtOnce})
		},
	}
}
