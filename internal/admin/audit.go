package admin

import (
	"context"
	"encoding/json"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// target is what an audit row is about.
type target struct {
	kind string
	id   keypin.ID
}

func targetKey(id keypin.ID) target       { return target{"api_key", id} }
func targetWorkspace(id keypin.ID) target { return target{"workspace", id} }
func targetMember(id keypin.ID) target    { return target{"member", id} }
func targetInvite(id keypin.ID) target    { return target{"invite", id} }

// audit writes who did action to t. before and after are records of this file, or
// nil: they name what is public, field by field, so that a secret that is added to a
// domain type is not written by accident.
func (s *Service) audit(ctx context.Context, tx keypin.Tx, a *access, action string, t target, before, after any) error {
	p := a.call.Principal
	id, err := s.newID(a.now)
	if err != nil {
		return err
	}
	e := &keypin.AuditEntry{
		ID: id, WorkspaceID: a.workspaceID, At: a.now,
		ActorKind: p.Kind, ActorUserID: p.UserID,
		Action: action, TargetKind: t.kind, TargetID: t.id, Origin: a.call.Origin,
	}
	if a.key != nil {
		e.ActorKeyID, e.ActorUserID = &a.key.ID, keypin.ID{}
		if a.key.CreatedBy != nil {
			e.ActorUserID = *a.key.CreatedBy
		}
	}
	if e.Before, err = encode(before); err != nil {
		return err
	}
	if e.After, err = encode(after); err != nil {
		return err
	}
	return tx.InsertAudit(ctx, e)
}

func encode(record any) ([]byte, error) {
	if record == nil {
		return nil, nil
	}
	b, err := json.Marshal(record)
	if err != nil {
		return nil, keypin.Wrap(keypin.CodeInternal, "Something went wrong.", err)
	}
	return b, nil
}

type auditKey struct {
	ID          keypin.ID         `json:"id"`
	CreatedBy   *keypin.ID        `json:"created_by"`
	Name        string            `json:"name"`
	Type        keypin.KeyType    `json:"key_type"`
	Prefix      string            `json:"key_prefix"`
	Suffix      string            `json:"key_suffix"`
	Scopes      []keypin.Scope    `json:"scopes"`
	Active      bool              `json:"active"`
	RateLimit   *int              `json:"rate_limit_per_min"`
	RevokedAt   *time.Time        `json:"revoked_at"`
	ExpiresAt   *time.Time        `json:"expires_at"`
	AllowedIPs  []string          `json:"allowed_ips"`
	Metadata    map[string]string `json:"metadata"`
	RotatedFrom *keypin.ID        `json:"rotated_from"`
	RotatedTo   *keypin.ID        `json:"rotated_to"`
}

func keyRecord(k *keypin.APIKey) auditKey {
	ips := make([]string, len(k.AllowedIPs))
	for i, p := range k.AllowedIPs {
		ips[i] = keypin.FormatAddressRange(p)
	}
	return auditKey{
		ID: k.ID, CreatedBy: k.CreatedBy, Name: k.Name, Type: k.Type,
		Prefix: k.Prefix, Suffix: k.Suffix, Scopes: k.Scopes, Active: k.Active,
		RateLimit: k.RateLimit, RevokedAt: k.RevokeAt, ExpiresAt: k.ExpiresAt,
		AllowedIPs: ips, Metadata: k.Metadata,
		RotatedFrom: k.RotatedFrom, RotatedTo: k.RotatedTo,
	}
}

type auditRotation struct {
	Old auditKey `json:"old_key"`
	New auditKey `json:"new_key"`
}

type auditWorkspace struct {
	Name      string     `json:"name"`
	Slug      string     `json:"slug"`
	ColorIdx  int        `json:"color_idx"`
	DeletedAt *time.Time `json:"deleted_at,omitempty"`
}

func workspaceRecord(w *keypin.Workspace) auditWorkspace {
	return auditWorkspace{Name: w.Name, Slug: w.Slug, ColorIdx: w.ColorIdx, DeletedAt: w.DeletedAt}
}

type auditSettings struct {
	DefaultLanguage string `json:"default_language"`
	Theme           string `json:"theme"`
}

func settingsRecord(s keypin.Settings) auditSettings {
	return auditSettings{DefaultLanguage: s.DefaultLanguage, Theme: s.Theme}
}

type auditMember struct {
	UserID    keypin.ID           `json:"user_id"`
	Role      keypin.Role         `json:"role"`
	Source    keypin.MemberSource `json:"source"`
	RemovedAt *time.Time          `json:"removed_at,omitempty"`
}

func memberRecord(m *keypin.Member) auditMember {
	return auditMember{UserID: m.UserID, Role: m.Role, Source: m.Source, RemovedAt: m.RemovedAt}
}

type auditInvite struct {
	Email  string              `json:"email"`
	Role   keypin.Role         `json:"role"`
	Status keypin.InviteStatus `json:"status"`
}

func inviteRecord(i *keypin.Invite, now time.Time) auditInvite {
	return auditInvite{Email: i.Email, Role: i.Role, Status: i.Status(now)}
}
