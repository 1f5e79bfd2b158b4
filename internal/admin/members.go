package admin

import (
	"context"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Members lists the workspace's members, oldest first, then its pending invites,
// oldest first; and counts both together.
func (s *Service) Members(ctx context.Context, call Call, page keypin.Page) ([]MemberEntry, int, error) {
	a, err := s.readWorkspace(ctx, call)
	if err != nil {
		return nil, 0, err
	}
	members, memberTotal, err := s.store.Members(ctx, a.workspaceID, page)
	if err != nil {
		return nil, 0, err
	}
	entries := make([]MemberEntry, 0, page.Limit)
	for i := range members {
		entries = append(entries, MemberEntry{Member: &members[i]})
	}
	rest := page.Limit - len(members)
	invites, inviteTotal, err := s.store.PendingInvites(ctx, a.workspaceID, a.now, keypin.Page{
		Offset: max(0, page.Offset-memberTotal), Limit: max(1, rest), // one row at least, for the count
	})
	if err != nil {
		return nil, 0, err
	}
	for i := range invites[:min(rest, len(invites))] {
		entries = append(entries, MemberEntry{Invite: &invites[i]})
	}
	return entries, memberTotal + inviteTotal, nil
}

// lastAdmin refuses to take the role from the only admin that a workspace has.
func lastAdmin(ctx context.Context, tx keypin.Tx, m *keypin.Member) error {
	if m.Role != keypin.RoleAdmin {
		return nil
	}
	n, err := tx.CountAdmins(ctx, m.WorkspaceID)
	if err != nil {
		return err
	}
	if n <= 1 {
		return keypin.E(keypin.CodeConflict, "A workspace needs an admin; make another member one first.")
	}
	return nil
}

// mayLoseAdmin refuses to take the role from the only admin that a workspace has, and
// from the user whose own workspace it is.
func (a *access) mayLoseAdmin(ctx context.Context, tx keypin.Tx, m *keypin.Member) error {
	if owner := a.workspace.PersonalOf; owner != nil && *owner == m.UserID {
		return keypin.E(keypin.CodeConflict, "A personal workspace keeps its owner as an admin.")
	}
	return lastAdmin(ctx, tx, m)
}

// changedHere notes that the member's role was changed or taken at now, so that only
// a token that was issued later tells another one.
func changedHere(m *keypin.Member, now time.Time) {
	if m.IssuerToldAt == nil || m.IssuerToldAt.Before(now) {
		m.IssuerToldAt = &now
	}
}

// UpdateMember gives a member another role; admins only. The pending invites of one who
// is an admin no more are revoked. CodeNotFound; CodeConflict when it would take the
// role from the last admin, or from the owner of a personal workspace.
func (s *Service) UpdateMember(ctx context.Context, call Call, memberID keypin.ID, role keypin.Role) (keypin.Member, error) {
	return s.changeMember(ctx, call, memberID, "member.update", func(tx keypin.Tx, a *access, m *keypin.Member) (bool, error) {
		if m.Role == role {
			return false, nil
		}
		if err := a.mayLoseAdmin(ctx, tx, m); err != nil {
			return false, err
		}
		m.Role = role
		return true, nil
	})
}

// RemoveMember takes a member out of the workspace; admins only. The keys that they
// created stay; the pending invites to them, and those that they made, are revoked.
// CodeNotFound; CodeConflict when it would remove the last admin, or the owner of a
// personal workspace.
func (s *Service) RemoveMember(ctx context.Context, call Call, memberID keypin.ID) (keypin.Member, error) {
	return s.changeMember(ctx, call, memberID, "member.remove", func(tx keypin.Tx, a *access, m *keypin.Member) (bool, error) {
		if err := a.mayLoseAdmin(ctx, tx, m); err != nil {
			return false, err
		}
		m.RemovedAt = &a.now
		return true, nil
	})
}

func (s *Service) changeMember(
	ctx context.Context, call Call, memberID keypin.ID, action string,
	apply func(keypin.Tx, *access, *keypin.Member) (differs bool, err error),
) (keypin.Member, error) {
	var member keypin.Member
	err := s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		if err := a.mayAdminister(); err != nil {
			return err
		}
		m, err := tx.MemberByID(ctx, a.workspaceID, memberID)
		if err != nil {
			return err
		}
		before := *m
		differs, err := apply(tx, a, m)
		if err != nil {
			return err
		}
		if differs {
			changedHere(m, a.now)
		}
		member = *m
		if !differs {
			return nil
		}
		if err := tx.UpdateMember(ctx, m); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, a, action, targetMember(m.ID), memberRecord(&before), memberRecord(m)); err != nil {
			return err
		}
		return s.revokeInvitesAfter(ctx, tx, a, &before, m)
	})
	if err != nil {
		return keypin.Member{}, err
	}
	return member, nil
}
