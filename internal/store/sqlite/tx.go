package sqlite

import (
	"context"
	"errors"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite/column"
	"github.com/keypin/keypin/internal/store/sqlite/db"
)

// expiredAtOnce bounds how many expired answers one insert removes.
const expiredAtOnce = 16

var errOver = errors.New("the transaction is over; a Tx must not be kept")

// tx is one change's view of the writing connection, valid while it has its turn.
type tx struct {
	reader
	writer *writer
	// doomed, once set, is what every further call answers, and the change too.
	doomed error
}

var _ keypin.Tx = (*tx)(nil)

func newTx(w *writer) *tx {
	t := &tx{writer: w}
	t.reader = reader{queries: w.queries, enter: t.enter, fail: t.fail}
	return t
}

// enter refuses what comes after the engine may have given the transaction up: it
// would be committed alone. It hides the end of the caller's context, because a
// statement that is interrupted takes the whole group down with it.
func (t *tx) enter(ctx context.Context) (context.Context, error) {
	return context.WithoutCancel(ctx), t.doomed
}

func (t *tx) fail(err error) error {
	translated := translate(err)
	if !harmless(err) {
		t.doomed = translated
	}
	return translated
}

// execute runs a statement whose rows nobody counts.
func execute[P any](ctx context.Context, t *tx, statement func(context.Context, P) error, arg P) error {
	ctx, err := t.enter(ctx)
	if err != nil {
		return err
	}
	if err := statement(ctx, arg); err != nil {
		if conflicting(err) {
			return conflict()
		}
		return t.fail(err)
	}
	return nil
}

// update runs a statement that changes one row.
func update[P any](ctx context.Context, t *tx, statement func(context.Context, P) (int64, error), arg P) error {
	ctx, err := t.enter(ctx)
	if err != nil {
		return err
	}
	rows, err := statement(ctx, arg)
	switch {
	case conflicting(err):
		return conflict()
	case err != nil:
		return t.fail(err)
	case rows == 0:
		return keypin.NotFound()
	}
	return nil
}

// Keys reads from the transaction itself.
func (t *tx) Keys(ctx context.Context, workspace keypin.ID, query keypin.KeyQuery) (keypin.KeyPage, error) {
	ctx, err := t.enter(ctx)
	if err != nil {
		return keypin.KeyPage{}, err
	}
	list := keyList{workspace: workspace, query: query}
	page, err := list.read(ctx, t.queries, t.writer.conn.QueryContext)
	if err != nil {
		return keypin.KeyPage{}, t.fail(err)
	}
	return page, nil
}

// InsertKey adds a key.
func (t *tx) InsertKey(ctx context.Context, key *keypin.APIKey) error {
	return execute(ctx, t, t.queries.InsertKey, insertKeyParams(key))
}

// UpdateKey writes the key's changeable fields.
func (t *tx) UpdateKey(ctx context.Context, key *keypin.APIKey) error {
	return update(ctx, t, t.queries.UpdateKey, updateKeyParams(key))
}

// InsertUser adds a user.
func (t *tx) InsertUser(ctx context.Context, user *keypin.User) error {
	return execute(ctx, t, t.queries.InsertUser, db.InsertUserParams{
		ID:        column.ID(user.ID),
		Issuer:    user.Issuer,
		Subject:   user.Subject,
		Email:     user.Email,
		FirstName: user.FirstName,
		LastName:  user.LastName,
		ImageURL:  user.ImageURL,
		CreatedAt: column.Time(user.CreatedAt),
	})
}

// UpdateUser writes the user's profile.
func (t *tx) UpdateUser(ctx context.Context, user *keypin.User) error {
	return update(ctx, t, t.queries.UpdateUser, db.UpdateUserParams{
		Email:     user.Email,
		FirstName: user.FirstName,
		LastName:  user.LastName,
		ImageURL:  user.ImageURL,
		ID:        column.ID(user.ID),
	})
}

// InsertWorkspace adds a workspace.
func (t *tx) InsertWorkspace(ctx context.Context, workspace *keypin.Workspace) error {
	err := execute(ctx, t, t.queries.InsertWorkspace, db.InsertWorkspaceParams{
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
	err := update(ctx, t, t.queries.UpdateWorkspace, db.UpdateWorkspaceParams{
		Name:            workspace.Name,
		Slug:            workspace.Slug,
		ColorIdx:        workspace.ColorIdx,
		DefaultLanguage: workspace.Settings.DefaultLanguage,
		Theme:           workspace.Settings.Theme,
		UpdatedAt:       column.Time(workspace.UpdatedAt),
		DeletedAt:       (*column.Time)(workspace.DeletedAt),
		ID:              column.ID(workspace.ID),
	})
	if keypin.CodeOf(err) == keypin.CodeConflict { // the slug is all of it that is unique
		return slugTaken()
	}
	return err
}

// InsertMember adds a membership.
func (t *tx) InsertMember(ctx context.Context, member *keypin.Member) error {
	return execute(ctx, t, t.queries.InsertMember, db.InsertMemberParams{
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
	return update(ctx, t, t.queries.UpdateMember, db.UpdateMemberParams{
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
	return execute(ctx, t, t.queries.InsertInvite, db.InsertInviteParams{
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
	return update(ctx, t, t.queries.UpdateInvite, db.UpdateInviteParams{
		Role:        invite.Role,
		AcceptedAt:  (*column.Time)(invite.AcceptedAt),
		RevokedAt:   (*column.Time)(invite.RevokedAt),
		WorkspaceID: column.ID(invite.WorkspaceID),
		ID:          column.ID(invite.ID),
	})
}

// InsertAudit adds an audit row.
func (t *tx) InsertAudit(ctx context.Context, entry *keypin.AuditEntry) error {
	return execute(ctx, t, t.queries.InsertAudit, db.InsertAuditParams{
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
		UserAgent:   entry.Origin.UserAgent,
		Before:      textOf(entry.Before),
		After:       textOf(entry.After),
	})
}

// IdempotentAnswer finds the stored answer.
func (t *tx) IdempotentAnswer(ctx context.Context, caller keypin.ID, keyHash [32]byte, now time.Time) (*keypin.IdempotentAnswer, error) {
	return one(ctx, &t.reader, t.queries.IdempotentAnswer, db.IdempotentAnswerParams{
		Caller: column.ID(caller), KeyHash: keyHash, Now: column.Time(now),
	}, idempotentAnswerOf)
}

// InsertIdempotentAnswer keeps an answer, and removes a few that expired.
func (t *tx) InsertIdempotentAnswer(ctx context.Context, answer *keypin.IdempotentAnswer) error {
	err := execute(ctx, t, t.queries.DeleteExpiredAnswers, db.DeleteExpiredAnswersParams{
		Now: column.Time(answer.CreatedAt), Most: expiredAtOnce,
	})
	if err != nil {
		return err
	}
	err = update(ctx, t, t.queries.InsertIdempotentAnswer, db.InsertIdempotentAnswerParams{
		Caller:      column.ID(answer.Caller),
		KeyHash:     answer.KeyHash,
		RequestHash: answer.RequestHash,
		Sealed:      answer.Sealed,
		CreatedAt:   column.Time(answer.CreatedAt),
		ExpiresAt:   column.Time(answer.ExpiresAt),
	})
	if keypin.CodeOf(err) == keypin.CodeNotFound { // the row that is there has not expired
		return conflict()
	}
	return err
}
