package postgres

import (
	"context"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/column"
	"github.com/keypin/keypin/internal/store/postgres/db"
)

// insert runs a statement that adds a row unless one with the same key is there.
func insert[P any](ctx context.Context, t *tx, statement func(*db.Queries, context.Context, P) (int64, error), arg P) error {
	added, err := count(ctx, &t.reader, statement, arg)
	if err == nil && added == 0 {
		return conflict()
	}
	return err
}

// update runs a statement that changes one row.
func update[P any](ctx context.Context, t *tx, statement func(*db.Queries, context.Context, P) (int64, error), arg P) error {
	changed, err := count(ctx, &t.reader, statement, arg)
	if err == nil && changed == 0 {
		return keypin.NotFound()
	}
	return err
}

// change runs a statement that changes one row and gives something for it.
func change[P, Row any](ctx context.Context, t *tx, statement func(*db.Queries, context.Context, P) ([]Row, error), arg P) error {
	changed, err := many(ctx, &t.reader, statement, arg, func(Row) struct{} { return struct{}{} })
	if err == nil && len(changed) == 0 {
		return keypin.NotFound()
	}
	return err
}

// InsertKey adds a key.
func (t *tx) InsertKey(ctx context.Context, key *keypin.APIKey) error {
	err := insert(ctx, t, (*db.Queries).InsertKey, insertKeyParams(key))
	if err == nil {
		t.count(key.WorkspaceID)
	}
	return err
}

// UpdateKey writes the key's changeable fields, and tells the nodes once it is committed.
func (t *tx) UpdateKey(ctx context.Context, key *keypin.APIKey) error {
	err := change(ctx, t, (*db.Queries).UpdateKey, updateKeyParams(key))
	if err == nil {
		t.count(key.WorkspaceID)
	}
	return err
}

// InsertUser adds a user.
func (t *tx) InsertUser(ctx context.Context, user *keypin.User) error {
	return insert(ctx, t, (*db.Queries).InsertUser, db.InsertUserParams{
		ID:        column.ID(user.ID),
		Issuer:    user.Issuer,
		Subject:   user.Subject,
		Email:     textual(user.Email),
		FirstName: textual(user.FirstName),
		LastName:  textual(user.LastName),
		ImageURL:  textual(user.ImageURL),
		CreatedAt: column.Time(user.CreatedAt),
	})
}

// UpdateUser writes the user's profile.
func (t *tx) UpdateUser(ctx context.Context, user *keypin.User) error {
	return update(ctx, t, (*db.Queries).UpdateUser, db.UpdateUserParams{
		Email:     textual(user.Email),
		FirstName: textual(user.FirstName),
		LastName:  textual(user.LastName),
		ImageURL:  textual(user.ImageURL),
		ID:        column.ID(user.ID),
	})
}

// InsertWorkspace adds a workspace.
func (t *tx) InsertWorkspace(ctx context.Context, workspace *keypin.Workspace) error {
	err := insert(ctx, t, (*db.Queries).InsertWorkspace, db.InsertWorkspaceParams{
		ID:              column.ID(workspace.ID),
		Name:            workspace.Name,
		Slug:            workspace.Slug,
		ColorIdx:        workspace.ColorIdx,
		CreatedBy:       column.ID(workspace.CreatedBy),
		PersonalOf:      (*column.ID)(workspace.PersonalOf),
		OrgIssuer:       workspace.OrgIssuer,
		OrgID:           workspace.OrgID,
		DefaultLanguage: workspace.Settings.DefaultLanguage,
		Theme:           workspace.Settings.Theme,
		CreatedAt:       column.Time(workspace.CreatedAt),
		UpdatedAt:       column.Time(workspace.UpdatedAt),
		DeletedAt:       (*column.Time)(workspace.DeletedAt),
	})
	if keypin.CodeOf(err) != keypin.CodeConflict {
		return err
	}
	taken, lookupErr := t.SlugTaken(ctx, workspace.Slug)
	switch {
	case lookupErr != nil:
		return lookupErr
	case taken:
		return slugTaken()
	}
	return err
}

// UpdateWorkspace writes the workspace's changeable fields. One that is deleted is
// not found.
func (t *tx) UpdateWorkspace(ctx context.Context, workspace *keypin.Workspace) error {
	err := change(ctx, t, (*db.Queries).UpdateWorkspace, db.UpdateWorkspaceParams{
		Name:            workspace.Name,
		Slug:            workspace.Slug,
		ColorIdx:        workspace.ColorIdx,
		DefaultLanguage: workspace.Settings.DefaultLanguage,
		Theme:           workspace.Settings.Theme,
		UpdatedAt:       column.Time(workspace.UpdatedAt),
		DeletedAt:       (*column.Time)(workspace.DeletedAt),
		ID:              column.ID(workspace.ID),
	})
	if keypin.CodeOf(err) != keypin.CodeNotFound || workspace.DeletedAt != nil {
		return err
	}
	if _, lookupErr := t.Workspace(ctx, workspace.ID); lookupErr != nil {
		return lookupErr
	}
	return slugTaken() // there is nothing else that it is refused for
}

// InsertMember adds a membership.
func (t *tx) InsertMember(ctx context.Context, member *keypin.Member) error {
	return insert(ctx, t, (*db.Queries).InsertMember, db.InsertMemberParams{
		ID:           column.ID(member.ID),
		WorkspaceID:  column.ID(member.WorkspaceID),
		UserID:       column.ID(member.UserID),
		Role:         member.Role,
		Source:       member.Source,
		IssuerRole:   member.IssuerRole,
		IssuerToldAt: (*column.Time)(member.IssuerToldAt),
		LastActiveAt: (*column.Time)(member.LastActiveAt),
		CreatedAt:    column.Time(member.CreatedAt),
		RemovedAt:    (*column.Time)(member.RemovedAt),
	})
}

// UpdateMember writes the membership's changeable fields.
func (t *tx) UpdateMember(ctx context.Context, member *keypin.Member) error {
	return update(ctx, t, (*db.Queries).UpdateMember, db.UpdateMemberParams{
		Role:         member.Role,
		Source:       member.Source,
		IssuerRole:   member.IssuerRole,
		IssuerToldAt: (*column.Time)(member.IssuerToldAt),
		LastActiveAt: (*column.Time)(member.LastActiveAt),
		RemovedAt:    (*column.Time)(member.RemovedAt),
		WorkspaceID:  column.ID(member.WorkspaceID),
		ID:           column.ID(member.ID),
	})
}

// InsertInvite adds an invite.
func (t *tx) InsertInvite(ctx context.Context, invite *keypin.Invite) error {
	return insert(ctx, t, (*db.Queries).InsertInvite, db.InsertInviteParams{
		ID:          column.ID(invite.ID),
		WorkspaceID: column.ID(invite.WorkspaceID),
		Email:       invite.Email,
		Role:        invite.Role,
		TokenHash:   invite.TokenHash,
		InvitedBy:   column.ID(invite.InvitedBy),
		CreatedAt:   column.Time(invite.CreatedAt),
		ExpiresAt:   column.Time(invite.ExpiresAt),
		AcceptedAt:  (*column.Time)(invite.AcceptedAt),
		RevokedAt:   (*column.Time)(invite.RevokedAt),
	})
}

// UpdateInvite writes the invite's changeable fields.
func (t *tx) UpdateInvite(ctx context.Context, invite *keypin.Invite) error {
	return update(ctx, t, (*db.Queries).UpdateInvite, db.UpdateInviteParams{
		Role:        invite.Role,
		AcceptedAt:  (*column.Time)(invite.AcceptedAt),
		RevokedAt:   (*column.Time)(invite.RevokedAt),
		WorkspaceID: column.ID(invite.WorkspaceID),
		ID:          column.ID(invite.ID),
	})
}

// InsertAudit adds an audit row.
func (t *tx) InsertAudit(ctx context.Context, entry *keypin.AuditEntry) error {
	return insert(ctx, t, (*db.Queries).InsertAudit, db.InsertAuditParams{
		ID:          column.ID(entry.ID),
		WorkspaceID: column.ID(entry.WorkspaceID),
		At:          column.Time(entry.At),
		ActorKind:   entry.ActorKind,
		ActorUserID: column.ID(entry.ActorUserID),
		ActorKeyID:  (*column.ID)(entry.ActorKeyID),
		Action:      entry.Action,
		TargetKind:  entry.TargetKind,
		TargetID:    column.ID(entry.TargetID),
		RequestID:   entry.Origin.RequestID,
		IP:          column.Addr(entry.Origin.IP),
		UserAgent:   textual(entry.Origin.UserAgent),
		Before:      textOf(entry.Before),
		After:       textOf(entry.After),
	})
}

// IdempotentAnswer finds the stored answer.
func (t *tx) IdempotentAnswer(ctx context.Context, caller keypin.ID, keyHash [32]byte, now time.Time) (*keypin.IdempotentAnswer, error) {
	return one(ctx, &t.reader, (*db.Queries).IdempotentAnswer, db.IdempotentAnswerParams{
		Caller: column.ID(caller), KeyHash: keyHash, Now: column.Time(now),
	}, idempotentAnswerOf)
}

// InsertIdempotentAnswer keeps an answer. A few that expired are removed after the
// commit: looking for them inside would make transactions fail that keep others.
func (t *tx) InsertIdempotentAnswer(ctx context.Context, answer *keypin.IdempotentAnswer) error {
	err := insert(ctx, t, (*db.Queries).InsertIdempotentAnswer, db.InsertIdempotentAnswerParams{
		Caller:      column.ID(answer.Caller),
		KeyHash:     answer.KeyHash,
		RequestHash: answer.RequestHash,
		Sealed:      answer.Sealed,
		CreatedAt:   column.Time(answer.CreatedAt),
		ExpiresAt:   column.Time(answer.ExpiresAt),
	})
	if err == nil {
		t.answered = answer.CreatedAt
	}
	return err
}
