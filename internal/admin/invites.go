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

// AcceptInvite makes the caller a member of the workspace that the token invites to;
// sessions only. Who was removed comes back, and who is in only through an
// organisation that their token does not name gets a membership of their own.
// CodeNotFound for an unknown token; CodeGone for a used, revoked or expired one;
// CodeForbidden when the session tells another e-mail address than the invite's;
// CodeConflict for who is a member already, and the invite stays.
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
		memberID, err := s.admit(ctx, tx, a, invite.Role)
		if err != nil {
			return err
		}
		m, err := tx.MemberByID(ctx, a.workspaceID, memberID)
		if err != nil {
			return err
		}
		member = *m
		before := inviteRecord(invite, a.now)
		invite.AcceptedAt = &a.now
		if err := tx.UpdateInvite(ctx, invite); err != nil {
			return err
		}
		return s.audit(ctx, tx, a, "invite.accept", targetInvite(invite.ID), before, inviteRecord(invite, a.now))
	})
	if err != nil {
		return keypin.Member{}, keypin.Workspace{}, err
	}
	return member, workspace, nil
}

func mayAccept(p *keypin.Principal, invite *keypin.Invite, now time.Time) error {
	if status := invite.Status(now); status != keypin.InvitePending {
		return gone(status)
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
