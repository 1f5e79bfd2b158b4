package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
)

// listener hears what the store tells all nodes.
type listener struct {
	t    *testing.T
	conn *pgx.Conn
}

func (s *server) listener(t *testing.T, database string) *listener {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL(database))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), "LISTEN keypin_changes"); err != nil {
		t.Fatal(err)
	}
	return &listener{t, conn}
}

// want wants just these payloads of what was committed so far: they come before the
// answer to a query.
func (l *listener) want(what string, payloads ...string) {
	l.t.Helper()
	if _, err := l.conn.Exec(l.t.Context(), "NOTIFY keypin_changes, 'the end'"); err != nil {
		l.t.Fatal(err)
	}
	var got []string
	for {
		n, err := l.conn.WaitForNotification(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		if n.Payload == "the end" {
			break
		}
		got = append(got, n.Payload)
	}
	slices.Sort(got)
	slices.Sort(payloads)
	if !slices.Equal(got, payloads) {
		l.t.Errorf("%s told %v, want %v", what, got, payloads)
	}
}

func TestEveryChangeOfAKeyIsToldWithItsCommitAndNothingElse(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		for way, open := range s.ways() {
			t.Run(way, func(t *testing.T) {
				store := open(t).(*Store)
				l := s.listener(t, store.pool.Config().ConnConfig.Database)
				ctx := t.Context()
				keys := seeded(t, store, 3)
				told := func(key *keypin.APIKey) string { return "key " + hex.EncodeToString(key.Hash[:]) }
				tx := func(change func(tx keypin.Tx) error) {
					t.Helper()
					if err := store.Tx(ctx, change); err != nil {
						t.Fatal(err)
					}
				}
				l.want("creating")
				tx(func(tx keypin.Tx) error { return tx.UpdateKey(ctx, keys[0]) })
				l.want("one change", told(keys[0]))
				tx(func(tx keypin.Tx) error { return errors.Join(tx.UpdateKey(ctx, keys[0]), tx.UpdateKey(ctx, keys[2])) })
				l.want("two changes", told(keys[0]), told(keys[2]))

				boom := errors.New("boom")
				if err := store.Tx(ctx, func(tx keypin.Tx) error { return errors.Join(tx.UpdateKey(ctx, keys[0]), boom) }); !errors.Is(err, boom) {
					t.Error(err)
				}
				l.want("a change that failed")
				stranger := *keys[1]
				stranger.WorkspaceID = keypin.ID{9}
				if err := store.Tx(ctx, func(tx keypin.Tx) error { return tx.UpdateKey(ctx, &stranger) }); keypin.CodeOf(err) != keypin.CodeNotFound {
					t.Error(err)
				}
				l.want("a change of nothing")
				tx(func(tx keypin.Tx) error {
					return errors.Join(tx.TouchKey(ctx, keypin.LastUse{KeyID: keys[0].ID, At: seedTime}),
						tx.AddUsage(ctx, []keypin.UsageCount{{WorkspaceID: keys[0].WorkspaceID, ChainID: keys[0].ID, Minute: seedTime, Code: "valid", Count: 1}}))
				})
				l.want("a use")

				workspace, err := store.Workspace(ctx, keys[0].WorkspaceID)
				if err != nil {
					t.Fatal(err)
				}
				workspace.Name = "renamed"
				tx(func(tx keypin.Tx) error { return tx.UpdateWorkspace(ctx, workspace) })
				l.want("renaming a workspace")
				workspace.DeletedAt = &seedTime
				tx(func(tx keypin.Tx) error { return tx.UpdateWorkspace(ctx, workspace) })
				l.want("deleting a workspace", "workspace "+workspace.ID.String())
			})
		}
	})
}
