package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite/db"
)

// explainer runs queries and keeps the engine's plan of each.
type explainer struct {
	t    *testing.T
	pool *sql.DB
	plan []string
}

var _ db.DBTX = (*explainer)(nil)

func (e *explainer) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	e.explain(ctx, text, args)
	return e.pool.ExecContext(ctx, text, args...)
}

func (e *explainer) PrepareContext(ctx context.Context, text string) (*sql.Stmt, error) {
	return e.pool.PrepareContext(ctx, text)
}

func (e *explainer) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	e.explain(ctx, text, args)
	return e.pool.QueryContext(ctx, text, args...)
}

func (e *explainer) QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row {
	e.explain(ctx, text, args)
	return e.pool.QueryRowContext(ctx, text, args...)
}

func (e *explainer) explain(ctx context.Context, text string, args []any) {
	e.t.Helper()
	rows, err := e.pool.QueryContext(ctx, "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		e.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			e.t.Fatal(err)
		}
		e.plan = append(e.plan, detail)
	}
	if err := rows.Err(); err != nil {
		e.t.Fatal(err)
	}
}

// take gives the plans since the last take.
func (e *explainer) take() []string {
	plan := e.plan
	e.plan = nil
	return plan
}

// scans reports whether the plan reads a whole table or index. A page is not a table:
// it holds at most the rows that are asked for.
func scans(plan []string) bool {
	for _, detail := range plan {
		if strings.HasPrefix(detail, "SCAN") && detail != "SCAN page" &&
			!strings.HasPrefix(detail, "SCAN (subquery") && !strings.HasPrefix(detail, "SCAN json_each") {
			return true
		}
	}
	return false
}

func sorts(plan []string) bool { return strings.Contains(strings.Join(plan, "\n"), "TEMP B-TREE") }

// planned opens a database with n keys, every fifth suspended and every seventh
// lapsing, and gives its reader with an explainer.
func planned(t *testing.T, n int) (*explainer, *reader, []keypin.APIKey) {
	t.Helper()
	store, err := Open(t.Context(), Options{Path: filepath.Join(t.TempDir(), "keypin.db"), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	now := time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)
	workspace := &keypin.Workspace{ID: keypin.ID{1}, CreatedBy: keypin.ID{2}, Slug: "one", CreatedAt: now, UpdatedAt: now}
	keys := make([]keypin.APIKey, n)
	err = store.Tx(t.Context(), func(tx keypin.Tx) error {
		if err := tx.InsertWorkspace(t.Context(), workspace); err != nil {
			return err
		}
		for i := range keys {
			id := keypin.ID{3, byte(i >> 16), byte(i >> 8), byte(i)}
			keys[i] = keypin.APIKey{
				ID: id, WorkspaceID: workspace.ID, ChainID: id, Type: keypin.KeyLive, Hash: keypin.KeyHash{byte(i), byte(i >> 8), byte(i >> 16)},
				Active: i%5 > 0, CreatedAt: now, UpdatedAt: now, Version: 1,
			}
			if i%7 == 0 {
				lapses := now.Add(time.Duration(i%2) * time.Hour)
				keys[i].ExpiresAt = &lapses
			}
			if err := tx.InsertKey(t.Context(), &keys[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	e := &explainer{t: t, pool: store.reading}
	return e, &reader{queries: db.New(e), enter: store.enter, fail: store.fail}, keys
}

func TestKeysAreFoundByAnIndexAtAnySize(t *testing.T) {
	for _, n := range []int{1, 600} {
		t.Run(fmt.Sprintf("keys=%d", n), func(t *testing.T) {
			e, r, keys := planned(t, n)
			want := func(name, index string) {
				t.Helper()
				plan := e.take()
				t.Logf("%s:\n  %s", name, strings.Join(plan, "\n  "))
				if scans(plan) || sorts(plan) || !strings.Contains(strings.Join(plan, "\n"), index) {
					t.Errorf("%s does not find by %s alone", name, index)
				}
			}
			if _, err := r.KeyByHash(t.Context(), keys[0].Hash); err != nil {
				t.Fatal(err)
			}
			want("by hash", "SEARCH api_keys USING INDEX sqlite_autoindex_api_keys_2 (hash=?)")
			if _, err := r.Key(t.Context(), keys[0].WorkspaceID, keys[0].ID); err != nil {
				t.Fatal(err)
			}
			want("by workspace and id", "SEARCH api_keys USING INDEX sqlite_autoindex_api_keys_1 (id=?)")

			for _, status := range []keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll} {
				for _, offset := range []int{0, n - 1} {
					list := &keyList{workspace: keys[0].WorkspaceID, query: keypin.KeyQuery{
						Page: keypin.Page{Offset: offset, Limit: 50}, Status: status, Now: keys[0].CreatedAt,
					}}
					if _, err := list.read(t.Context(), r.queries, e.pool.QueryContext); err != nil {
						t.Fatal(err)
					}
					want("counts", "SEARCH api_keys USING COVERING INDEX keys_lapsing (workspace_id=? AND ended=? AND lapses_at<?)")
					if _, err := list.page(t.Context(), e.QueryContext, n); err != nil {
						t.Fatal(err)
					}
					want(fmt.Sprintf("list %s from %d", status, offset), "SEARCH api_keys USING COVERING INDEX keys_listed (workspace_id=? AND ended=?)")
				}
			}
		})
	}
}

func TestACorrectedListSortsOnlyWhatItCorrects(t *testing.T) {
	e, r, keys := planned(t, 600)
	for _, status := range []keypin.KeyStatus{keypin.StatusActive, keypin.StatusRevoked} {
		for _, now := range []time.Time{keys[0].CreatedAt.Add(-time.Minute), keys[0].CreatedAt.Add(2 * time.Hour)} {
			list := &keyList{workspace: keys[0].WorkspaceID, query: keypin.KeyQuery{Page: keypin.Page{Limit: 50}, Status: status, Now: now}}
			if _, err := list.read(t.Context(), r.queries, e.QueryContext); err != nil {
				t.Fatal(err)
			}
			plan := strings.Join(e.take(), "\n")
			sorting := strings.Count(plan, "TEMP B-TREE")
			if scans(strings.Split(plan, "\n")) || sorting > 1 || sorting == 1 && !strings.Contains(plan, "RIGHT\nSEARCH api_keys USING INDEX keys_lapsing") {
				t.Errorf("%s at %v:\n%s", status, now, plan)
			}
		}
	}
}

func TestNoReadScansATable(t *testing.T) {
	e, r, keys := planned(t, 10)
	ctx, id, page := t.Context(), keys[0].ID, keypin.Page{Limit: 10}
	for name, read := range map[string]func() error{
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
		"PendingInvites":    func() error { _, _, err := r.PendingInvites(ctx, id, time.Now(), page); return err },
		"AuditEntries":      func() error { _, err := r.AuditEntries(ctx, id, page); return err },
		"ChainUsage":        func() error { _, err := r.ChainUsage(ctx, id, id, keypin.UsageQuery{}); return err },
		"TopKeys":           func() error { _, err := r.TopKeys(ctx, id, keypin.UsageQuery{}, 1); return err },
		"LastUse":           func() error { _, err := r.LastUse(ctx, id, id); return err },
		"filtered keys": func() error {
			list := &keyList{workspace: keys[0].WorkspaceID, query: keypin.KeyQuery{
				Page: page, Now: time.Now(), Text: "a", Type: keypin.KeyLive, Scope: "a:b", CreatedBy: &id, Sort: keypin.SortName,
			}}
			_, err := list.read(ctx, r.queries, e.QueryContext)
			return err
		},
	} {
		if err := read(); err != nil && keypin.CodeOf(err) != keypin.CodeNotFound {
			t.Errorf("%s: %v", name, err)
		}
		if plan := e.take(); len(plan) == 0 || scans(plan) {
			t.Errorf("%s:\n%s", name, strings.Join(plan, "\n"))
		}
	}
}
