package admin

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"strings"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Invites lists the workspace's pending invites, oldest first, and counts them.
func (s *Service) Invites(ctx context.Context, call Call, page keypin.Page) ([]keypin.Invite, int, error) {
	a, err := s.readWorkspace(ctx, call)
	if err != nil {
		return nil, 0, err
	}
	return s.store.PendingInvites(ctx, a.workspaceID, a.now, page)
}

// storedInvite is the answer of a creation as it is kept sealed.
type storedInvite struct {
	Invite keypin.Invite
	Token  string
	At     time.Time
}

type inviteInput struct {
	Email string
	Role  keypin.Role
}

// CreateInvite invites an e-mail address for 14 days; admins only.
func (s *Service) CreateInvite(ctx context.Context, call Call, email string, role keypin.Role) (Invited, error) {
	o, err := s.begin(call)
	if err != nil {
		return Invited{}, err
	}
	defer o.end()
	var invited Invited
	in := inviteInput{email, role}
	err = s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		if err := a.mayAdminister(); err != nil {
			return err
		}
		r := request{Operation: "invite.create", Workspace: a.workspaceID, Input: in}
		stored, replayed, err := repeatable(ctx, tx, o, a.now, r, func() (storedInvite, error) {
			return s.createInvite(ctx, tx, a, in)
		})
		invited = Invited{
			Invite: stored.Invite, Token: keypin.NewSecret(stored.Token), At: stored.At, Replayed: replayed,
		}
		return err
	})
	if err != nil {
		return Invited{}, err
	}
	return invited, nil
}

func (s *Service) createInvite(ctx context.Context, tx keypin.Tx, a *access, in inviteInput) (storedInvite, error) {
	id, err := s.newID(a.now)
	if err != nil {
		return storedInvite{}, err
	}
	var random [32]byte
	if _, err := io.ReadFull(s.random, random[:]); err != nil {
		return storedInvite{}, noRandom(err)
	}
	token := base64.RawURLEncoding.EncodeToString(random[:])
	invite := keypin.Invite{
		ID: id, WorkspaceID: a.workspaceID, Email: in.Email, Role: in.Role, TokenHash: sha256.Sum256([]byte(token)),
		InvitedBy: a.call.Principal.UserID, CreatedAt: a.now, ExpiresAt: a.now.Add(keypin.InviteLifetime),
	}
	if err := tx.InsertInvite(ctx, &invite); err != nil {
		return storedInvite{}, err
	}
	err = s.audit(ctx, tx, a, "invite.create", targetInvite(id), nil, inviteRecord(&invite, a.now))
	return storedInvite{Invite: invite, Token: token, At: a.now}, err
}

// gone says why an invite that is not pending cannot be used.
func gone(status keypin.InviteStatus) error {
	switch status {
	case keypin.InviteAccepted:
		return keypin.E(keypin.CodeGone, "The invite was used already.")
	case keypin.InviteRevoked:
		return keypin.E(keypin.CodeGone, "The invite was revoked.")
	default:
		return keypin.E(keypin.CodeGone, "The invite has expired.")
	}
}

// UpdateInvite gives a pending invite another role; admins only. CodeNotFound;
// CodeGone when it is not pending.
func (s *Service) UpdateInvite(ctx context.Context, call Call, inviteID keypin.ID, role keypin.Role) (keypin.Invite, error) {
	return s.changeInvite(ctx, call, inviteID, "invite.update", func(a *access, i *keypin.Invite) (bool, error) {
		if status := i.Status(a.now); status != keypin.InvitePending {
			return false, gone(status)
		}
		differs := i.Role != role
		i.Role = role
		return differs, nil
	})
}

// RevokeInvite takes a pending invite back; admins only. Doing it again changes
// nothing. CodeNotFound; CodeGone when it was used or has expired.
func (s *Service) RevokeInvite(ctx context.Context, call Call, inviteID keypin.ID) (keypin.Invite, error) {
	return s.changeInvite(ctx, call, inviteID, "invite.revoke", func(a *access, i *keypin.Invite) (bool, error) {
		switch status := i.Status(a.now); status {
		case keypin.InvitePending:
			i.RevokedAt = &a.now
			return true, nil
		case keypin.InviteRevoked:
			return false, nil
		default:
			return false, gone(status)
		}
	})
}

func (s *Service) changeInvite(
	ctx context.Context, call Call, inviteID keypin.ID, action string,
	apply func(*access, *keypin.Invite) (differs bool, err error),
) (keypin.Invite, error) {
	var invite keypin.Invite
	err := s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		if err := a.mayAdminister(); err != nil {
			return err
		}
		i, err := tx.Invite(ctx, a.workspaceID, inviteID)
		if err != nil {
			return err
		}
		before := inviteRecord(i, a.now)
		differs, err := apply(a, i)
		if err != nil {
			return err
		}
		invite = *i
		if !differs {
			return nil
		}
		if err := tx.UpdateInvite(ctx, i); err != nil {
			return err
		}
		return s.audit(ctx, tx, a, action, targetInvite(i.ID), before, inviteRecord(i, a.now))
	})
	if err != nil {
		return keypin.Invite{}, err
	}
	return invite, nil
}

// pageOfInvites is how many invites are read at a time.
const pageOfInvites = 100

// revokeInvites revokes the workspace's pending invites that concern somebody. They are
// read before the first is revoked, because that moves the pages.
func (s *Service) revokeInvites(ctx context.Context, tx keypin.Tx, a *access, concerns func(*keypin.Invite) bool) error {
	var revoked []keypin.Invite
	for offset, total := 0, 1; offset < total; offset += pageOfInvites {
		page := keypin.Page{Offset: offset, Limit: pageOfInvites}
		invites, n, err := tx.PendingInvites(ctx, a.workspaceID, a.now, page)
		if err != nil {
			return err
		}
		total = n
		for i := range invites {
			if concerns(&invites[i]) {
				revoked = append(revoked, invites[i])
			}
		}
	}
	for i := range revoked {
		before := inviteRecord(&revoked[i], a.now)
		revoked[i].RevokedAt = &a.now
		if err := tx.UpdateInvite(ctx, &revoked[i]); err != nil {
			return err
		}
		err := s.audit(ctx, tx, a, "invite.revoke", targetInvite(revoked[i].ID), before, inviteRecord(&revoked[i], a.now))
		if err != nil {
			return err
		}
	}
	return nil
}

// revokeInvitesAfter revokes the pending invites to a member who was removed or is an
// admin no more, and those that they made: one of them would undo the change.
func (s *Service) revokeInvitesAfter(ctx context.Context, tx keypin.Tx, a *access, before, after *keypin.Member) error {
	removed := before.RemovedAt == nil && after.RemovedAt != nil
	demoted := before.RemovedAt == nil && before.Role == keypin.RoleAdmin && after.Role != keypin.RoleAdmin
	if !removed && !demoted {
		return nil
	}
	user, err := tx.User(ctx, after.UserID)
	if err != nil {
		return err
	}
	return s.revokeInvites(ctx, tx, a, func(i *keypin.Invite) bool {
		return i.InvitedBy == user.ID || strings.EqualFold(i.Email, user.Email)
	})
}

// AcceptInvite makes the caller a member of the workspace that the token invites to;
// sessions only. Who was removed comes back, and who is in only through an
// organisation that their token does not name gets a membership of their own. The
// other pending invites to the address are revoked.
// CodeNotFound for an unknown token; CodeGone for a used, revoked or expired one, and
// when whoever made it is no admin any more; CodeForbidden when the session tells
// another e-mail address than the invite's, or one that is not verified; CodeConflict
// for who is a member already, and the invite stays.
func (s *Service) AcceptInvite(ctx context.Context, call Call, token keypin.Secret) (keypin.Member, keypin.Workspace, error) {
	if err := sessionOnly(call); err != nil {
		return keypin.Member{}, keypin.Workspace{}, err
	}
	hash := sha256.Sum256([]byte(token.Reveal()))
	var member keypin.Member
	var workspace keypin.Workspace
	err := s.store.Tx(ctx, func(tx keypin.Tx) error {
		a := &access{call: call, now: s.now()}
		invite, err := tx.InviteByToken(ctx, hash)
		if err != nil {
			return err
		}
		if err := mayAccept(call.Principal, invite, a.now); err != nil {
			return err
		}
		if a.workspace, err = tx.Workspace(ctx, invite.WorkspaceID); err != nil {
			return err
		}
		a.workspaceID, workspace = a.workspace.ID, *a.workspace
		if err := stillInvited(ctx, tx, invite); err != nil {
			return err
		}
		memberID, err := s.admit(ctx, tx, a, invite.Role)
		if err != nil {
			return err
		}
		m, err := tx.MemberByID(ctx, a.workspaceID, memberID)
		if err != nil {
			return err
		}
		member = *m
		return s.closeInvite(ctx, tx, a, invite, m)
	})
	if err != nil {
		return keypin.Member{}, keypin.Workspace{}, err
	}
	return member, workspace, nil
}

// closeInvite marks the invite as accepted by m, and revokes what must not be accepted
// after it: the others to its address, and those of who is an admin no more by it.
func (s *Service) closeInvite(ctx context.Context, tx keypin.Tx, a *access, invite *keypin.Invite, m *keypin.Member) error {
	before := inviteRecord(invite, a.now)
	invite.AcceptedAt = &a.now
	if err := tx.UpdateInvite(ctx, invite); err != nil {
		return err
	}
	err := s.audit(ctx, tx, a, "invite.accept", targetInvite(invite.ID), before, inviteRecord(invite, a.now))
	if err != nil {
		return err
	}
	return s.revokeInvites(ctx, tx, a, func(i *keypin.Invite) bool {
		return strings.EqualFold(i.Email, invite.Email) || i.InvitedBy == m.UserID && m.Role != keypin.RoleAdmin
	})
}

// stillInvited refuses an invite whose maker could not make it now.
func stillInvited(ctx context.Context, tx keypin.Tx, invite *keypin.Invite) error {
	m, err := findMember(ctx, tx, invite.WorkspaceID, invite.InvitedBy)
	if err != nil {
		return err
	}
	if m == nil || m.RemovedAt != nil || m.Role != keypin.RoleAdmin {
		return keypin.E(keypin.CodeGone, "Whoever made the invite is no admin of the workspace any more; ask an admin for a new one.")
	}
	return nil
}

func mayAccept(p *keypin.Principal, invite *keypin.Invite, now time.Time) error {
	if status := invite.Status(now); status != keypin.InvitePending {
		return gone(status)
	}
	if p.Identity != nil && p.Identity.EmailUnverified {
		return forbidden("Your e-mail address is not verified; verify it at your sign-in service first, sign in again, then accept the invite.")
	}
	if p.Identity != nil && p.Identity.Email != "" && !strings.EqualFold(p.Identity.Email, invite.Email) {
		return forbidden("The invite is for another e-mail address.")
	}
	return nil
}

// admit makes the caller a member of a's workspace by invitation, which no issuer's
// organisation has a say in.
func (s *Service) admit(ctx context.Context, tx keypin.Tx, a *access, role keypin.Role) (keypin.ID, error) {
	p := a.call.Principal
	m, err := findMember(ctx, tx, a.workspaceID, p.UserID)
	if err != nil {
		return keypin.ID{}, err
	}
	if m == nil {
		id, err := s.newID(a.now)
		if err != nil {
			return keypin.ID{}, err
		}
		return id, tx.InsertMember(ctx, &keypin.Member{
			ID: id, WorkspaceID: a.workspaceID, UserID: p.UserID, Role: role,
			Source: keypin.MemberLocal, LastActiveAt: &a.now, CreatedAt: a.now,
		})
	}
	if holds(p, a.workspace, m) {
		return keypin.ID{}, keypin.E(keypin.CodeConflict, "You are a member of this workspace already.")
	}
	if m.RemovedAt == nil && role != keypin.RoleAdmin {
		if err := lastAdmin(ctx, tx, m); err != nil {
			return keypin.ID{}, err
		}
	}
	m.Role, m.Source, m.RemovedAt, m.LastActiveAt = role, keypin.MemberLocal, nil, &a.now
	return m.ID, tx.UpdateMember(ctx, m)
}
