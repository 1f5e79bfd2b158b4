package postgres

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

var errLast = errors.New("the last admin stays")

// Two admins demote one another. Each sees two admins and leaves one, so that a snapshot
// alone would leave none.
func TestOfTwoAdminsThatDemoteOneAnotherOneStays(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		store := s.direct(t, s.database(t))
		ctx := t.Context()
		members := make([]*keypin.Member, 2)
		err := store.Tx(ctx, func(tx keypin.Tx) error {
			workspace := &keypin.Workspace{ID: keypin.ID{1}, CreatedBy: keypin.ID{2}, Slug: "one", CreatedAt: seedTime, UpdatedAt: seedTime}
			err := tx.InsertWorkspace(ctx, workspace)
			for i := range members {
				user := &keypin.User{ID: keypin.ID{2, byte(i)}, Issuer: "i", Subject: fmt.Sprint(i), CreatedAt: seedTime}
				members[i] = &keypin.Member{
					ID: keypin.ID{4, byte(i)}, WorkspaceID: workspace.ID, UserID: user.ID, Role: keypin.RoleAdmin, Source: keypin.MemberLocal, CreatedAt: seedTime,
				}
				err = errors.Join(err, tx.InsertUser(ctx, user), tx.InsertMember(ctx, members[i]))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		var meeting sync.WaitGroup // both have read before either writes, the first time
		meeting.Add(2)
		var attempts atomic.Int64
		outcomes := make([]error, 2)
		var group sync.WaitGroup
		for i, member := range members {
			group.Go(func() {
				first := true
				outcomes[i] = store.Tx(ctx, func(tx keypin.Tx) error {
					attempts.Add(1)
					admins, err := tx.CountAdmins(ctx, member.WorkspaceID)
					if err != nil {
						return err
					}
					if first {
						first = false
						meeting.Done()
						meeting.Wait()
					}
					if admins < 2 {
						return errLast
					}
					demoted := *member
					demoted.Role = keypin.RoleViewer
					return tx.UpdateMember(ctx, &demoted)
				})
			})
		}
		group.Wait()
		admins, err := store.CountAdmins(ctx, keypin.ID{1})
		if err != nil || admins != 1 {
			t.Errorf("%d admins are left, %v", admins, err)
		}
		if won, lost := outcomes[0], outcomes[1]; (won == nil) == (lost == nil) || !errors.Is(errors.Join(won, lost), errLast) {
			t.Errorf("got %v and %v, want that one is told of the other", won, lost)
		}
		if attempts.Load() < 3 || store.Stats().SerializedAgain == 0 {
			t.Errorf("%d attempts, %d again: they did not meet", attempts.Load(), store.Stats().SerializedAgain)
		}
	})
}

func TestManyCreateInOneWorkspaceAtOnceAndNoneFails(t *testing.T) {
	const clients, each = 32, 10
	onEvery(t, func(t *testing.T, s *server) {
		database := s.database(t)
		nodes := []*Store{s.direct(t, database), s.direct(t, database)}
		ctx := t.Context()
		seeded(t, nodes[0], 0)
		var group sync.WaitGroup
		for c := range clients {
			group.Go(func() {
				for i := range each {
					key := seedKey(keypin.ID{1}, 1+c*each+i)
					if err := nodes[c%2].Tx(ctx, func(tx keypin.Tx) error { return tx.InsertKey(ctx, key) }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		for _, node := range nodes {
			page, err := node.Keys(ctx, keypin.ID{1}, keypin.KeyQuery{Page: keypin.Page{Limit: 100}, Status: keypin.StatusActive, Now: seedTime})
			if err != nil || page.Total != clients*each || len(page.Keys) != 100 {
				t.Errorf("got %d of %d, %v", len(page.Keys), page.Total, err)
			}
			if again := node.Stats().SerializedAgain; again > 0 {
				t.Errorf("%d attempts were in vain: creates wait for one another", again)
			}
		}
	})
}

func TestVotesAtOnceDoNotHinderOneAnother(t *testing.T) {
	const voters, each = 32, 10
	onEvery(t, func(t *testing.T, s *server) {
		store := s.direct(t, s.database(t))
		ctx := t.Context()
		var group sync.WaitGroup
		for voter := range voters {
			group.Go(func() {
				for i := range each {
					vote := &keypin.PageVote{ID: keypin.ID{1, byte(voter), byte(i)}, At: seedTime, Page: "/docs/errors"}
					if err := store.Tx(ctx, func(tx keypin.Tx) error { return tx.InsertPageVote(ctx, vote) }); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		votes, err := store.PageVotes(ctx, keypin.ID{}, voters*each+1)
		if err != nil || len(votes) != voters*each || store.Stats().SerializedAgain > 0 {
			t.Errorf("%d votes, %v, %d attempts in vain", len(votes), err, store.Stats().SerializedAgain)
		}
	})
}

// A create does not wait for another that is not committed yet.
func TestACreateDoesNotWaitForAnother(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		store := s.direct(t, s.database(t))
		ctx := t.Context()
		seeded(t, store, 0)
		err := store.Tx(ctx, func(tx keypin.Tx) error {
			return errors.Join(tx.InsertKey(ctx, seedKey(keypin.ID{1}, 1)),
				store.Tx(ctx, func(tx keypin.Tx) error { return tx.InsertKey(ctx, seedKey(keypin.ID{1}, 2)) }))
		})
		if err != nil || store.Stats().SerializedAgain > 0 {
			t.Errorf("got %v after %d attempts in vain", err, store.Stats().SerializedAgain)
		}
	})
}

func TestOfManyRotationsOfOneKeyOneSucceeds(t *testing.T) {
	errRotated := errors.New("rotated already")
	onEvery(t, func(t *testing.T, s *server) {
		database := s.database(t)
		nodes := []*Store{s.direct(t, database), s.direct(t, database)}
		ctx := t.Context()
		old := seeded(t, nodes[0], 1)[0]
		var won atomic.Int64
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				err := nodes[i%2].Tx(ctx, func(tx keypin.Tx) error {
					current, err := tx.Key(ctx, old.WorkspaceID, old.ID)
					if err != nil {
						return err
					}
					if current.RotatedTo != nil {
						return errRotated
					}
					next := seedKey(old.WorkspaceID, 100+i)
					next.ChainID, next.RotatedFrom = old.ChainID, &old.ID
					current.RotatedTo, current.RevokeAt = &next.ID, &seedTime
					return errors.Join(tx.UpdateKey(ctx, current), tx.InsertKey(ctx, next))
				})
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, errRotated):
					t.Error(err)
				}
			})
		}
		group.Wait()
		page, err := nodes[0].Keys(ctx, old.WorkspaceID, keypin.KeyQuery{Page: keypin.Page{Limit: 100}, Status: keypin.StatusActive, Now: seedTime})
		if err != nil || won.Load() != 1 || page.Total != 1 {
			t.Errorf("%d rotations succeeded and %d keys are active, %v", won.Load(), page.Total, err)
		}
	})
}

// Nodes that flush at once count the same buckets and touch the same keys.
func TestNodesThatFlushAtOnceLoseNothingAndDoNotFail(t *testing.T) {
	const clients, rounds, keys = 8, 10, 50
	onEvery(t, func(t *testing.T, s *server) {
		database := s.database(t)
		nodes := []*Store{s.direct(t, database), s.direct(t, database)}
		ctx := t.Context()
		all := seeded(t, nodes[0], keys)
		var group sync.WaitGroup
		for c := range clients {
			group.Go(func() {
				for round := range rounds {
					err := nodes[c%2].Tx(ctx, func(tx keypin.Tx) error {
						var counts []keypin.UsageCount
						for i := range all {
							key := all[(i*(c+1))%keys] // in another order each
							at := seedTime.Add(time.Duration(round*clients+c) * time.Second)
							if err := tx.TouchKey(ctx, keypin.LastUse{KeyID: key.ID, At: at, UserAgent: "\xff\x00"}); err != nil {
								return err
							}
							counts = append(counts, keypin.UsageCount{
								WorkspaceID: key.WorkspaceID, ChainID: key.ChainID, Minute: keypin.UsageMinute.Floor(seedTime), Code: "valid", Count: 1,
							})
						}
						return tx.AddUsage(ctx, counts)
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		points, err := nodes[0].WorkspaceUsage(ctx, keypin.ID{1}, keypin.UsageQuery{
			From: keypin.UsageHour.Floor(seedTime), To: keypin.UsageHour.Floor(seedTime).Add(time.Hour), Step: keypin.UsageHour,
		})
		if err != nil || len(points) != 1 || points[0].Counts["valid"] != clients*rounds*keys {
			t.Errorf("got %v, %v", points, err)
		}
		last, err := nodes[1].LastUse(ctx, keypin.ID{1}, all[0].ID)
		if want := seedTime.Add((clients*rounds - 1) * time.Second); err != nil || !last.At.Equal(want) || last.UserAgent != "\uFFFD\uFFFD" {
			t.Errorf("got %v, %v", last, err)
		}
		if again := nodes[0].Stats().SerializedAgain + nodes[1].Stats().SerializedAgain; again > 0 {
			t.Errorf("%d flushes were in vain", again)
		}
	})
}
