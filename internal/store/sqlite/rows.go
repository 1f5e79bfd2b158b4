package sqlite

import (
	"net/netip"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite/column"
	"github.com/keypin/keypin/internal/store/sqlite/db"
)

func keyOf(row db.APIKey) keypin.APIKey {
	return keypin.APIKey{
		ID:          keypin.ID(row.ID),
		WorkspaceID: keypin.ID(row.WorkspaceID),
		ChainID:     keypin.ID(row.ChainID),
		CreatedBy:   (*keypin.ID)(row.CreatedBy),
		Name:        row.Name,
		Type:        row.KeyType,
		Prefix:      row.Prefix,
		Suffix:      row.Suffix,
		Hash:        keypin.KeyHash(row.Hash),
		Scopes:      row.Scopes,
		Active:      row.Active,
		RevokeAt:    (*time.Time)(row.RevokeAt),
		ExpiresAt:   (*time.Time)(row.ExpiresAt),
		RateLimit:   row.RateLimit,
		AllowedIPs:  row.AllowedIPs,
		Metadata:    row.Metadata,
		RotatedFrom: (*keypin.ID)(row.RotatedFrom),
		RotatedTo:   (*keypin.ID)(row.RotatedTo),
		LastUsedAt:  (*time.Time)(row.LastUsedAt),
		CreatedAt:   time.Time(row.CreatedAt),
		UpdatedAt:   time.Time(row.UpdatedAt),
		Version:     row.Version,
	}
}

// ended reports whether the key was not usable when it was changed last.
func ended(key *keypin.APIKey) bool { return key.State(key.UpdatedAt) != keypin.KeyUsable }

// keyOfWorkspace ends the key of a deleted workspace.
func keyOfWorkspace(row db.KeyByHashRow) keypin.APIKey {
	key := keyOf(row.APIKey)
	if row.WorkspaceDeletedAt != nil {
		key.EndWith(time.Time(*row.WorkspaceDeletedAt))
	}
	return key
}

func insertKeyParams(key *keypin.APIKey) db.InsertKeyParams {
	return db.InsertKeyParams{
		ID:          column.ID(key.ID),
		WorkspaceID: column.ID(key.WorkspaceID),
		ChainID:     column.ID(key.ChainID),
		CreatedBy:   (*column.ID)(key.CreatedBy),
		Name:        key.Name,
		KeyType:     key.Type,
		Prefix:      key.Prefix,
		Suffix:      key.Suffix,
		Hash:        column.Hash(key.Hash),
		Scopes:      key.Scopes,
		Active:      key.Active,
		RevokeAt:    (*column.Time)(key.RevokeAt),
		ExpiresAt:   (*column.Time)(key.ExpiresAt),
		RateLimit:   key.RateLimit,
		AllowedIPs:  key.AllowedIPs,
		Metadata:    key.Metadata,
		RotatedFrom: (*column.ID)(key.RotatedFrom),
		RotatedTo:   (*column.ID)(key.RotatedTo),
		LastUsedAt:  (*column.Time)(key.LastUsedAt),
		CreatedAt:   column.Time(key.CreatedAt),
		UpdatedAt:   column.Time(key.UpdatedAt),
		Version:     key.Version,
		LapsesAt:    (*column.Time)(key.Life().LapsesAt()),
		Ended:       ended(key),
	}
}

func updateKeyParams(key *keypin.APIKey) db.UpdateKeyParams {
	return db.UpdateKeyParams{
		Name:        key.Name,
		Scopes:      key.Scopes,
		Active:      key.Active,
		RevokeAt:    (*column.Time)(key.RevokeAt),
		ExpiresAt:   (*column.Time)(key.ExpiresAt),
		RateLimit:   key.RateLimit,
		AllowedIPs:  key.AllowedIPs,
		Metadata:    key.Metadata,
		RotatedFrom: (*column.ID)(key.RotatedFrom),
		RotatedTo:   (*column.ID)(key.RotatedTo),
		UpdatedAt:   column.Time(key.UpdatedAt),
		Version:     key.Version,
		LapsesAt:    (*column.Time)(key.Life().LapsesAt()),
		Ended:       ended(key),
		WorkspaceID: column.ID(key.WorkspaceID),
		ID:          column.ID(key.ID),
	}
}

func userOf(row db.User) keypin.User {
	return keypin.User{
		ID:        keypin.ID(row.ID),
		Issuer:    row.Issuer,
		Subject:   row.Subject,
		Email:     row.Email,
		FirstName: row.FirstName,
		LastName:  row.LastName,
		ImageURL:  row.ImageURL,
		CreatedAt: time.Time(row.CreatedAt),
	}
}

func workspaceOf(row db.Workspace) keypin.Workspace {
	return keypin.Workspace{
		ID:         keypin.ID(row.ID),
		Name:       row.Name,
		Slug:       row.Slug,
		ColorIdx:   row.ColorIdx,
		CreatedBy:  keypin.ID(row.CreatedBy),
		PersonalOf: (*keypin.ID)(row.PersonalOf),
		OrgIssuer:  row.OrgIssuer,
		OrgID:      row.OrgID,
		Settings:   keypin.Settings{DefaultLanguage: row.DefaultLanguage, Theme: row.Theme},
		CreatedAt:  time.Time(row.CreatedAt),
		UpdatedAt:  time.Time(row.UpdatedAt),
		DeletedAt:  (*time.Time)(row.DeletedAt),
	}
}

func memberOf(row db.Member) keypin.Member {
	return keypin.Member{
		ID:           keypin.ID(row.ID),
		WorkspaceID:  keypin.ID(row.WorkspaceID),
		UserID:       keypin.ID(row.UserID),
		Role:         row.Role,
		Source:       row.Source,
		IssuerRole:   row.IssuerRole,
		IssuerToldAt: (*time.Time)(row.IssuerToldAt),
		LastActiveAt: (*time.Time)(row.LastActiveAt),
		CreatedAt:    time.Time(row.CreatedAt),
		RemovedAt:    (*time.Time)(row.RemovedAt),
	}
}

func profiledMemberOf(row db.MemberByIDRow) keypin.Member {
	member := memberOf(row.Member)
	member.Email, member.FirstName, member.LastName, member.ImageURL = row.User.Email, row.User.FirstName, row.User.LastName, row.User.ImageURL
	return member
}

func listedMemberOf(row db.MembersRow) keypin.Member { return profiledMemberOf(db.MemberByIDRow(row)) }

func inviteOf(row db.Invite) keypin.Invite {
	return keypin.Invite{
		ID:          keypin.ID(row.ID),
		WorkspaceID: keypin.ID(row.WorkspaceID),
		Email:       row.Email,
		Role:        row.Role,
		TokenHash:   row.TokenHash,
		InvitedBy:   keypin.ID(row.InvitedBy),
		CreatedAt:   time.Time(row.CreatedAt),
		ExpiresAt:   time.Time(row.ExpiresAt),
		AcceptedAt:  (*time.Time)(row.AcceptedAt),
		RevokedAt:   (*time.Time)(row.RevokedAt),
	}
}

func auditEntryOf(row db.AuditEntry) keypin.AuditEntry {
	return keypin.AuditEntry{
		ID:          keypin.ID(row.ID),
		WorkspaceID: keypin.ID(row.WorkspaceID),
		At:          time.Time(row.At),
		ActorKind:   row.ActorKind,
		ActorUserID: keypin.ID(row.ActorUserID),
		ActorKeyID:  (*keypin.ID)(row.ActorKeyID),
		Action:      row.Action,
		TargetKind:  row.TargetKind,
		TargetID:    keypin.ID(row.TargetID),
		Origin:      keypin.Origin{RequestID: row.RequestID, IP: netip.Addr(row.IP), UserAgent: row.UserAgent},
		Before:      bytesOf(row.Before),
		After:       bytesOf(row.After),
	}
}

func idempotentAnswerOf(row db.IdempotentAnswer) keypin.IdempotentAnswer {
	return keypin.IdempotentAnswer{
		Caller:      keypin.ID(row.Caller),
		KeyHash:     row.KeyHash,
		RequestHash: row.RequestHash,
		Sealed:      row.Sealed,
		CreatedAt:   time.Time(row.CreatedAt),
		ExpiresAt:   time.Time(row.ExpiresAt),
	}
}

func bytesOf(text *string) []byte {
	if text == nil {
		return nil
	}
	return []byte(*text)
}

func textOf(b []byte) *string {
	if b == nil {
		return nil
	}
	text := string(b)
	return &text
}
