package admin

import (
	"context"
	"errors"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// errUnsettled says that the caller's workspace or membership has first to be
// written down. It never leaves the package.
var errUnsettled = errors.New("the caller's workspace is not settled yet")

// resolve finds the caller's workspace and place in it, by reading only.
// errUnsettled when settle has something to write first; CodeWorkspaceForbidden for a
// workspace that does not exist as for one that the caller is not in.
func (s *Service) resolve(ctx context.Context, r keypin.Reader, call Call, now time.Time) (*access, error) {
	p := call.Principal
	a := &access{call: call, now: now}
	if p.Key != nil {
		if call.Workspace != nil && *call.Workspace != p.Key.WorkspaceID {
			return nil, workspaceForbidden()
		}
		a.key, a.workspaceID = p.Key, p.Key.WorkspaceID
		return a, nil
	}
	w, err := findWorkspace(ctx, r, call)
	if err != nil {
		return nil, err
	}
	if w == nil {
		return nil, errUnsettled
	}
	m, err := findMember(ctx, r, w.ID, p.UserID)
	if err != nil {
		return nil, err
	}
	if org := orgOf(p, w); org != nil && (m == nil || tells(p, org, m)) {
		return nil, errUnsettled
	}
	if !holds(p, w, m) {
		return nil, workspaceForbidden()
	}
	a.workspace, a.workspaceID, a.member = w, w.ID, m
	return a, nil
}

// findWorkspace finds the workspace that a session is about: the named one, the one
// of the token's organisation, or the user's own. It is nil when one of the latter
// two is not there yet.
func findWorkspace(ctx context.Context, r keypin.Reader, call Call) (*keypin.Workspace, error) {
	p := call.Principal
	if call.Workspace != nil {
		w, err := r.Workspace(ctx, *call.Workspace)
		if keypin.CodeOf(err) == keypin.CodeNotFound {
			return nil, workspaceForbidden()
		}
		return w, err
	}
	var w *keypin.Workspace
	var err error
	if org := tokenOrg(p); org != nil {
		w, err = r.OrgWorkspace(ctx, p.Identity.Issuer, org.ID)
	} else {
		w, err = r.PersonalWorkspace(ctx, p.UserID)
	}
	if keypin.CodeOf(err) == keypin.CodeNotFound {
		return nil, nil
	}
	return w, err
}

// findMember finds a membership, a removed one too; nil when there is none.
func findMember(ctx context.Context, r keypin.Reader, workspace, user keypin.ID) (*keypin.Member, error) {
	m, err := r.Member(ctx, workspace, user)
	if keypin.CodeOf(err) == keypin.CodeNotFound {
		return nil, nil
	}
	return m, err
}

func tokenOrg(p *keypin.Principal) *keypin.Org {
	if p.Identity == nil {
		return nil
	}
	return p.Identity.Org
}

// orgOf is the token's organisation if w is the workspace bound to it.
func orgOf(p *keypin.Principal, w *keypin.Workspace) *keypin.Org {
	org := tokenOrg(p)
	if org == nil || w.OrgID == "" || w.OrgID != org.ID || w.OrgIssuer != p.Identity.Issuer {
		return nil
	}
	return org
}

// holds reports whether a membership counts for this session: one that comes from
// an issuer's organisation does only for tokens that name it, so that who left it
// there is out here.
func holds(p *keypin.Principal, w *keypin.Workspace, m *keypin.Member) bool {
	if m == nil || m.RemovedAt != nil {
		return false
	}
	return m.Source != keypin.MemberIssuer || orgOf(p, w) != nil
}

// tells reports whether the token tells another role than its issuer told before. A
// token that was issued before the last word on the role, the issuer's or an admin's
// here, tells nothing. An iat has no fractions of a second, so of two in one second
// neither is taken to be newer.
func tells(p *keypin.Principal, org *keypin.Org, m *keypin.Member) bool {
	return m.IssuerRole != org.Role && (m.IssuerToldAt == nil ||
		p.Identity.IssuedAt.Truncate(time.Second).After(m.IssuerToldAt.Truncate(time.Second)))
}

// settle writes what resolve missed: the organisation's or the user's own workspace,
// the membership of an organisation, or the role that its issuer tells now.
func (s *Service) settle(ctx context.Context, call Call) error {
	var err error
	for range attempts {
		err = s.store.Tx(ctx, func(tx keypin.Tx) error { return s.settleIn(ctx, tx, call) })
		// A conflict means that another first request was quicker: read what it wrote.
		if c := keypin.CodeOf(err); c != keypin.CodeConflict && c != keypin.CodeSlugTaken {
			return err
		}
	}
	return busy(err)
}

func (s *Service) settleIn(ctx context.Context, tx keypin.Tx, call Call) error {
	p := call.Principal
	a := &access{call: call, now: s.now()}
	w, err := findWorkspace(ctx, tx, call)
	if err != nil {
		return err
	}
	if w == nil {
		if w, err = s.firstWorkspace(ctx, tx, a); err != nil {
			return err
		}
	}
	a.workspace, a.workspaceID = w, w.ID
	org := orgOf(p, w)
	if org == nil {
		return nil
	}
	m, err := findMember(ctx, tx, w.ID, p.UserID)
	switch {
	case err != nil:
		return err
	case m == nil:
		return s.joinOrg(ctx, tx, a, org)
	case tells(p, org, m):
		return s.followIssuer(ctx, tx, a, m, org)
	}
	return nil
}

// firstWorkspace makes the organisation's workspace, still without members, or the
// user's own one.
func (s *Service) firstWorkspace(ctx context.Context, tx keypin.Tx, a *access) (*keypin.Workspace, error) {
	p := a.call.Principal
	if org := tokenOrg(p); org != nil {
		w := &keypin.Workspace{
			Name: orgName(org), CreatedBy: p.UserID,
			OrgIssuer: p.Identity.Issuer, OrgID: org.ID,
		}
		base := org.Slug
		if _, err := keypin.ParseSlug(base); err != nil {
			base = keypin.SlugOf(w.Name)
		}
		return w, s.insertWorkspace(ctx, tx, a, w, base)
	}
	user := p.UserID
	w := &keypin.Workspace{Name: "Personal workspace", CreatedBy: user, PersonalOf: &user}
	base, err := s.personalSlug()
	if err != nil {
		return nil, err
	}
	if err := s.insertWorkspace(ctx, tx, a, w, base); err != nil {
		return nil, err
	}
	return w, s.insertFounder(ctx, tx, a)
}

func orgName(org *keypin.Org) string {
	for _, candidate := range []string{org.Name, org.Slug} {
		if name, err := keypin.ParseWorkspaceName(candidate); err == nil {
			return name
		}
	}
	return "Workspace"
}

// joinOrg is the first sight of an organisation's member.
func (s *Service) joinOrg(ctx context.Context, tx keypin.Tx, a *access, org *keypin.Org) error {
	id, err := s.newID(a.now)
	if err != nil {
		return err
	}
	m := &keypin.Member{
		ID: id, WorkspaceID: a.workspaceID, UserID: a.call.Principal.UserID,
		Role: org.Role, Source: keypin.MemberIssuer, IssuerRole: org.Role, IssuerToldAt: issuedAt(a.call.Principal),
		LastActiveAt: &a.now, CreatedAt: a.now,
	}
	if err := tx.InsertMember(ctx, m); err != nil {
		return err
	}
	return s.audit(ctx, tx, a, "member.join", targetMember(m.ID), nil, memberRecord(m))
}

func issuedAt(p *keypin.Principal) *time.Time { return timestamp(&p.Identity.IssuedAt) }

// followIssuer takes over the role that the issuer tells now. It brings a removed
// member back. The role of a member who was invited here stays: of theirs only is
// noted what the issuer told, so that removing them holds until that changes. So it is
// for a removed one of whom the issuer had told nothing: a first word is no change.
func (s *Service) followIssuer(ctx context.Context, tx keypin.Tx, a *access, m *keypin.Member, org *keypin.Org) error {
	before := *m
	m.IssuerRole, m.IssuerToldAt = org.Role, issuedAt(a.call.Principal)
	if m.RemovedAt != nil && before.IssuerRole == "" || m.RemovedAt == nil && m.Source == keypin.MemberLocal {
		return tx.UpdateMember(ctx, m)
	}
	action := "member.update"
	if m.RemovedAt != nil {
		action = "member.join"
	}
	m.Role, m.Source, m.RemovedAt = org.Role, keypin.MemberIssuer, nil
	if err := tx.UpdateMember(ctx, m); err != nil {
		return err
	}
	if err := s.audit(ctx, tx, a, action, targetMember(m.ID), memberRecord(&before), memberRecord(m)); err != nil {
		return err
	}
	return s.revokeInvitesAfter(ctx, tx, a, &before, m)
}
