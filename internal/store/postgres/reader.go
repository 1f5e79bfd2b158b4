package postgres

import (
	"context"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/postgres/column"
	"github.com/keypin/keypin/internal/store/postgres/db"
)

// runner runs queries where a reader reads: on a connection of the pool, or in a
// transaction. Its errors are the port's.
type runner interface {
	run(ctx context.Context, read func(context.Context, *db.Queries) error) error
}

// reader is keypin.Reader without Keys.
type reader struct {
	runner
	// doubts says that a query may reach another server than the one that was connected to.
	doubts bool
}

// one runs a query that gives one row, and converts that.
func one[P, Row, T any](ctx context.Context, r *reader, query func(*db.Queries, context.Context, P) (Row, error), arg P, convert func(Row) T) (*T, error) {
	var result T
	err := r.run(ctx, func(ctx context.Context, queries *db.Queries) error {
		row, err := query(queries, ctx, arg)
		if err == nil {
			result = convert(row)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &result, nil
}

// many runs a query that gives rows, and converts each.
func many[P, Row, T any](ctx context.Context, r *reader, query func(*db.Queries, context.Context, P) ([]Row, error), arg P, convert func(Row) T) ([]T, error) {
	var results []T
	err := r.run(ctx, func(ctx context.Context, queries *db.Queries) error {
		rows, err := query(queries, ctx, arg)
		results = make([]T, len(rows))
		for i, row := range rows {
			results[i] = convert(row)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return results, nil
}

// count runs a query that gives one number.
func count[P any](ctx context.Context, r *reader, query func(*db.Queries, context.Context, P) (int64, error), arg P) (int, error) {
	n, err := one(ctx, r, query, arg, func(n int64) int { return int(n) })
	if err != nil {
		return 0, err
	}
	return *n, nil
}

// KeyByHash finds a key of any workspace.
func (r *reader) KeyByHash(ctx context.Context, hash keypin.KeyHash) (*keypin.APIKey, error) {
	key, _, err := r.keyByHash(ctx, hash)
	return key, err
}

// keyByHash tells also the timeline of the server that was read from.
func (r *reader) keyByHash(ctx context.Context, hash keypin.KeyHash) (_ *keypin.APIKey, timeline string, err error) {
	row, err := one(ctx, r, (*db.Queries).KeyByHash, column.Hash(hash), func(row db.KeyByHashRow) db.KeyByHashRow { return row })
	switch {
	case keypin.CodeOf(err) == keypin.CodeNotFound && r.doubts: // a replica may not have it yet
		if doubt := r.run(ctx, refuseReplica); doubt != nil {
			return nil, "", doubt
		}
		return nil, "", err
	case err != nil:
		return nil, "", err
	case row.Timeline == "":
		return nil, "", unavailable(errReplica)
	}
	key := keyOfWorkspace(*row)
	return &key, row.Timeline, nil
}

// refuseReplica asks whether the server is a replica, which is an error.
func refuseReplica(ctx context.Context, queries *db.Queries) error {
	replica, err := queries.Replica(ctx)
	if err == nil && replica {
		return errReplica
	}
	return err
}

// Key finds a key of the workspace.
func (r *reader) Key(ctx context.Context, workspace, id keypin.ID) (*keypin.APIKey, error) {
	return one(ctx, r, (*db.Queries).Key, db.KeyParams{WorkspaceID: column.ID(workspace), ID: column.ID(id)}, keyOf)
}

// User finds a user of any issuer.
func (r *reader) User(ctx context.Context, id keypin.ID) (*keypin.User, error) {
	return one(ctx, r, (*db.Queries).User, column.ID(id), userOf)
}

// UserBySubject finds the user whom issuer calls subject.
func (r *reader) UserBySubject(ctx context.Context, issuer, subject string) (*keypin.User, error) {
	return one(ctx, r, (*db.Queries).UserBySubject, db.UserBySubjectParams{Issuer: issuer, Subject: subject}, userOf)
}

// Workspace finds a workspace that is not deleted.
func (r *reader) Workspace(ctx context.Context, id keypin.ID) (*keypin.Workspace, error) {
	return one(ctx, r, (*db.Queries).Workspace, column.ID(id), workspaceOf)
}

// PersonalWorkspace finds the user's own one.
func (r *reader) PersonalWorkspace(ctx context.Context, user keypin.ID) (*keypin.Workspace, error) {
	id := column.ID(user)
	return one(ctx, r, (*db.Queries).PersonalWorkspace, &id, workspaceOf)
}

// OrgWorkspace finds the one bound to the issuer's organisation.
func (r *reader) OrgWorkspace(ctx context.Context, issuer, orgID string) (*keypin.Workspace, error) {
	return one(ctx, r, (*db.Queries).OrgWorkspace, db.OrgWorkspaceParams{OrgIssuer: issuer, OrgID: orgID}, workspaceOf)
}

// WorkspacesOf lists the user's workspaces, and counts them.
func (r *reader) WorkspacesOf(ctx context.Context, user keypin.ID, orgIssuer, orgID string, page keypin.Page) ([]keypin.Workspace, int, error) {
	total, err := count(ctx, r, (*db.Queries).CountWorkspacesOf, db.CountWorkspacesOfParams{
		UserID: column.ID(user), OrgIssuer: orgIssuer, OrgID: orgID,
	})
	if err != nil {
		return nil, 0, err
	}
	workspaces, err := many(ctx, r, (*db.Queries).WorkspacesOf, db.WorkspacesOfParams{
		UserID: column.ID(user), OrgIssuer: orgIssuer, OrgID: orgID, Skip: int64(page.Offset), Rows: int64(page.Limit),
	}, workspaceOf)
	return workspaces, total, err
}

// SlugTaken reports whether a workspace that is not deleted has the slug.
func (r *reader) SlugTaken(ctx context.Context, slug string) (bool, error) {
	n, err := count(ctx, r, (*db.Queries).CountSlug, slug)
	return n > 0, err
}

// Member finds a user's membership, a removed one too.
func (r *reader) Member(ctx context.Context, workspace, user keypin.ID) (*keypin.Member, error) {
	return one(ctx, r, (*db.Queries).Member, db.MemberParams{WorkspaceID: column.ID(workspace), UserID: column.ID(user)}, memberOf)
}

// MemberByID finds a membership that is not removed.
func (r *reader) MemberByID(ctx context.Context, workspace, id keypin.ID) (*keypin.Member, error) {
	return one(ctx, r, (*db.Queries).MemberByID, db.MemberByIDParams{WorkspaceID: column.ID(workspace), ID: column.ID(id)}, profiledMemberOf)
}

// Members lists the memberships that are not removed, and counts them.
func (r *reader) Members(ctx context.Context, workspace keypin.ID, page keypin.Page) ([]keypin.Member, int, error) {
	total, err := count(ctx, r, (*db.Queries).CountMembers, column.ID(workspace))
	if err != nil {
		return nil, 0, err
	}
	members, err := many(ctx, r, (*db.Queries).Members, db.MembersParams{
		WorkspaceID: column.ID(workspace), Skip: int64(page.Offset), Rows: int64(page.Limit),
	}, listedMemberOf)
	return members, total, err
}

// CountAdmins counts the admins that are not removed.
func (r *reader) CountAdmins(ctx context.Context, workspace keypin.ID) (int, error) {
	return count(ctx, r, (*db.Queries).CountAdmins, column.ID(workspace))
}

// Invite finds an invite of the workspace.
func (r *reader) Invite(ctx context.Context, workspace, id keypin.ID) (*keypin.Invite, error) {
	return one(ctx, r, (*db.Queries).Invite, db.InviteParams{WorkspaceID: column.ID(workspace), ID: column.ID(id)}, inviteOf)
}

// InviteByToken finds an invite of any workspace that is not deleted.
func (r *reader) InviteByToken(ctx context.Context, tokenHash [32]byte) (*keypin.Invite, error) {
	return one(ctx, r, (*db.Queries).InviteByToken, column.Hash(tokenHash), inviteOf)
}

// PendingInvites lists the invites that are pending at now, and counts them.
func (r *reader) PendingInvites(ctx context.Context, workspace keypin.ID, now time.Time, page keypin.Page) ([]keypin.Invite, int, error) {
	total, err := count(ctx, r, (*db.Queries).CountPendingInvites, db.CountPendingInvitesParams{
		WorkspaceID: column.ID(workspace), Now: column.Time(now),
	})
	if err != nil {
		return nil, 0, err
	}
	invites, err := many(ctx, r, (*db.Queries).PendingInvites, db.PendingInvitesParams{
		WorkspaceID: column.ID(workspace), Now: column.Time(now), Skip: int64(page.Offset), Rows: int64(page.Limit),
	}, inviteOf)
	return invites, total, err
}

// AuditEntries lists the workspace's audit rows, newest first.
func (r *reader) AuditEntries(ctx context.Context, workspace keypin.ID, page keypin.Page) ([]keypin.AuditEntry, error) {
	return many(ctx, r, (*db.Queries).AuditEntries, db.AuditEntriesParams{
		WorkspaceID: column.ID(workspace), Skip: int64(page.Offset), Rows: int64(page.Limit),
	}, auditEntryOf)
}
