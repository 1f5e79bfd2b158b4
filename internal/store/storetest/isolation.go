package storetest

import (
	"reflect"
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// Isolation fills two workspaces with the like and crosses every method of keypin.Tx
// between them: what belongs to the one is not found, listed, counted or changed
// through the other, and not found is answered alike whether the thing exists or not.
func Isolation(t *testing.T, open Open) {
	t.Helper()
	crossings := crossings()
	for method := range reflect.TypeFor[keypin.Tx]().Methods() {
		if crossings[method.Name] == nil {
			t.Errorf("no crossing for the method %s", method.Name)
		}
	}
	for name, crossing := range crossings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open)
			mine, theirs := w.tenant(), w.tenant()
			untouched := w.everythingOf(theirs)
			t.Run("Store", func(t *testing.T) { crossing(t, w, w.store, mine, theirs) })
			t.Run("Tx", func(t *testing.T) {
				w.tx(func(tx keypin.Tx) error {
					crossing(t, w, tx, mine, theirs)
					return nil
				})
			})
			wantEqual(t, untouched, w.everythingOf(theirs))
		})
	}
}

// tenant is a workspace with one thing of each kind.
type tenant struct {
	user      *keypin.User
	workspace *keypin.Workspace
	member    *keypin.Member
	key       *keypin.APIKey
	invite    *keypin.Invite
	audit     *keypin.AuditEntry
	answer    *keypin.IdempotentAnswer
}

func (w *world) tenant() *tenant {
	w.t.Helper()
	user, workspace := w.newUser(), w.newWorkspace()
	workspace.PersonalOf, workspace.CreatedBy = &user.ID, user.ID
	workspace.OrgIssuer, workspace.OrgID = user.Issuer, "org_"+workspace.ID.String()
	x := &tenant{
		user: user, workspace: workspace, member: w.newMember(workspace.ID, user.ID, keypin.RoleAdmin),
		key: w.newKey(workspace.ID), invite: w.newInvite(workspace.ID), audit: w.newAudit(workspace.ID, w.now), answer: w.newAnswer(user.ID),
	}
	x.key.Name, x.key.CreatedBy, x.key.Scopes, x.key.LastUsedAt = "the same", &user.ID, []keypin.Scope{"voices:read"}, &w.now
	w.tx(func(tx keypin.Tx) error {
		ctx := w.t.Context()
		for _, insert := range []func() error{
			func() error { return tx.InsertUser(ctx, x.user) },
			func() error { return tx.InsertWorkspace(ctx, x.workspace) },
			func() error { return tx.InsertMember(ctx, x.member) },
			func() error { return tx.InsertKey(ctx, x.key) },
			func() error { return tx.InsertInvite(ctx, x.invite) },
			func() error { return tx.InsertAudit(ctx, x.audit) },
			func() error { return tx.InsertIdempotentAnswer(ctx, x.answer) },
			func() error { return tx.AddUsage(ctx, []keypin.UsageCount{w.use(x.key, w.now, "valid", 1)}) },
		} {
			if err := insert(); err != nil {
				return err
			}
		}
		return nil
	})
	return x
}

// everythingOf reads all that a tenant has.
func (w *world) everythingOf(x *tenant) []any {
	w.t.Helper()
	ctx, id := w.t.Context(), x.workspace.ID
	var all []any
	keep := func(row any, err error) {
		w.t.Helper()
		if err != nil {
			w.t.Errorf("%T: %v", row, err)
		}
		all = append(all, row)
	}
	user, err := w.store.User(ctx, x.user.ID)
	keep(user, err)
	workspace, err := w.store.Workspace(ctx, id)
	keep(workspace, err)
	members, _, err := w.store.Members(ctx, id, everything)
	keep(members, err)
	keys, err := w.store.Keys(ctx, id, keypin.KeyQuery{Page: everything, Now: w.now})
	keep(keys, err)
	invite, err := w.store.Invite(ctx, id, x.invite.ID)
	keep(invite, err)
	audit, err := w.store.AuditEntries(ctx, id, everything)
	keep(audit, err)
	answer, err := w.answer(x.answer.Caller, x.answer.KeyHash, w.now)
	keep(answer, err)
	return append(all, w.usageOf(x)...)
}

// crossing tries a method as mine on what is theirs. It is run with the store and
// inside a transaction; a method that changes something does so in the latter.
type crossing func(t *testing.T, w *world, r keypin.Reader, mine, theirs *tenant)

func crossings() map[string]crossing {
	all := map[string]crossing{}
	for _, some := range []map[string]crossing{keyCrossings(), peopleCrossings(), listCrossings(), usageCrossings(), insertCrossings(), updateCrossings()} {
		for name, crossing := range some {
			all[name] = crossing
		}
	}
	return all
}

func keyCrossings() map[string]crossing {
	return map[string]crossing{
		"KeyByHash": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) { // of any workspace, and it says of which
			wantFound(t, mine.key)(r.KeyByHash(t.Context(), mine.key.Hash))
			wantFound(t, theirs.key)(r.KeyByHash(t.Context(), theirs.key.Hash))
		},
		"Key": func(t *testing.T, w *world, r keypin.Reader, mine, theirs *tenant) {
			wantNotFound(t, none(r.Key(t.Context(), mine.workspace.ID, theirs.key.ID)))
			wantNotFound(t, none(r.Key(t.Context(), mine.workspace.ID, w.id())))
			wantNotFound(t, none(r.Key(t.Context(), keypin.ID{}, theirs.key.ID)))
		},
		"Keys": func(t *testing.T, w *world, r keypin.Reader, mine, theirs *tenant) {
			var queries []keypin.KeyQuery
			for _, sort := range keypin.KeySorts() {
				queries = append(queries, keypin.KeyQuery{Sort: sort})
			}
			queries = append(queries, []keypin.KeyQuery{
				{}, {Text: "same"}, {Text: "%"}, {Text: theirs.key.Suffix}, {Type: keypin.KeyLive}, {Scope: "voices:read"},
				{CreatedBy: &mine.user.ID}, {CreatedBy: &theirs.user.ID},
				{Text: "same", Type: keypin.KeyLive, Scope: "voices:read", CreatedBy: &theirs.user.ID, Sort: keypin.SortName},
			}...)
			for _, query := range queries {
				for _, status := range []keypin.KeyStatus{"", keypin.StatusActive, keypin.StatusRevoked, keypin.StatusAll} {
					query.Page, query.Status, query.Now = everything, status, w.now
					page, err := r.Keys(t.Context(), mine.workspace.ID, query)
					wantCode(t, "", err)
					wantPage(t, []keypin.APIKey{*mine.key}, query, page)
				}
			}
		},
	}
}

func peopleCrossings() map[string]crossing {
	return map[string]crossing{
		"User": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) { // of any issuer
			wantFound(t, theirs.user)(r.User(t.Context(), theirs.user.ID))
			wantNotFound(t, none(r.User(t.Context(), mine.workspace.ID)))
		},
		"UserBySubject": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) {
			wantFound(t, mine.user)(r.UserBySubject(t.Context(), mine.user.Issuer, mine.user.Subject))
			wantNotFound(t, none(r.UserBySubject(t.Context(), "https://other.example", theirs.user.Subject)))
		},
		"Workspace": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) {
			wantFound(t, mine.workspace)(r.Workspace(t.Context(), mine.workspace.ID))
			wantNotFound(t, none(r.Workspace(t.Context(), theirs.user.ID)))
		},
		"PersonalWorkspace": func(t *testing.T, _ *world, r keypin.Reader, mine, _ *tenant) {
			wantFound(t, mine.workspace)(r.PersonalWorkspace(t.Context(), mine.user.ID))
		},
		"OrgWorkspace": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) {
			wantFound(t, mine.workspace)(r.OrgWorkspace(t.Context(), mine.workspace.OrgIssuer, mine.workspace.OrgID))
			wantNotFound(t, none(r.OrgWorkspace(t.Context(), "https://other.example", theirs.workspace.OrgID)))
		},
		"SlugTaken": func(t *testing.T, _ *world, r keypin.Reader, _, theirs *tenant) { // slugs are everybody's
			taken, err := r.SlugTaken(t.Context(), theirs.workspace.Slug)
			wantCode(t, "", err)
			wantEqual(t, true, taken)
		},
		"Member": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) {
			wantNotFound(t, none(r.Member(t.Context(), mine.workspace.ID, theirs.user.ID)))
			wantNotFound(t, none(r.Member(t.Context(), theirs.workspace.ID, mine.user.ID)))
		},
		"MemberByID": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) {
			wantNotFound(t, none(r.MemberByID(t.Context(), mine.workspace.ID, theirs.member.ID)))
		},
		"Invite": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) {
			wantNotFound(t, none(r.Invite(t.Context(), mine.workspace.ID, theirs.invite.ID)))
		},
		"InviteByToken": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) { // of any workspace, and it says of which
			wantFound(t, mine.invite)(r.InviteByToken(t.Context(), mine.invite.TokenHash))
			wantFound(t, theirs.invite)(r.InviteByToken(t.Context(), theirs.invite.TokenHash))
		},
		"IdempotentAnswer": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant) {
			wantNotFound(t, none(tx.IdempotentAnswer(t.Context(), mine.user.ID, theirs.answer.KeyHash, w.now)))
		}),
	}
}

func listCrossings() map[string]crossing {
	return map[string]crossing{
		"WorkspacesOf": func(t *testing.T, _ *world, r keypin.Reader, mine, theirs *tenant) {
			got, total, err := r.WorkspacesOf(t.Context(), mine.user.ID, theirs.workspace.OrgIssuer, theirs.workspace.OrgID, everything)
			wantCode(t, "", err)
			wantEqual(t, []keypin.Workspace{*mine.workspace}, got)
			wantEqual(t, 1, total)
		},
		"Members": func(t *testing.T, _ *world, r keypin.Reader, mine, _ *tenant) {
			got, total, err := r.Members(t.Context(), mine.workspace.ID, everything)
			wantCode(t, "", err)
			wantEqual(t, []keypin.Member{*profiled(mine.member, mine.user)}, got)
			wantEqual(t, 1, total)
		},
		"CountAdmins": func(t *testing.T, _ *world, r keypin.Reader, mine, _ *tenant) {
			admins, err := r.CountAdmins(t.Context(), mine.workspace.ID)
			wantCode(t, "", err)
			wantEqual(t, 1, admins)
		},
		"PendingInvites": func(t *testing.T, w *world, r keypin.Reader, mine, _ *tenant) {
			got, total, err := r.PendingInvites(t.Context(), mine.workspace.ID, w.now, everything)
			wantCode(t, "", err)
			wantEqual(t, []keypin.Invite{*mine.invite}, got)
			wantEqual(t, 1, total)
		},
		"AuditEntries": func(t *testing.T, _ *world, r keypin.Reader, mine, _ *tenant) {
			got, err := r.AuditEntries(t.Context(), mine.workspace.ID, everything)
			wantCode(t, "", err)
			wantEqual(t, []keypin.AuditEntry{*mine.audit}, got)
		},
		// Votes are of no workspace; what they hold tells of none.
		"PageVotes": func(t *testing.T, _ *world, r keypin.Reader, _, _ *tenant) {
			wantCode(t, "", none(r.PageVotes(t.Context(), keypin.ID{}, 10)))
		},
	}
}

// inTx is a crossing of a method that only a Tx has.
func inTx(try func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant)) crossing {
	return func(t *testing.T, w *world, r keypin.Reader, mine, theirs *tenant) {
		t.Helper()
		if tx, ok := r.(keypin.Tx); ok {
			try(t, w, tx, mine, theirs)
		}
	}
}

func insertCrossings() map[string]crossing {
	return map[string]crossing{
		"InsertKey": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant) {
			sameID, sameHash := w.newKey(mine.workspace.ID), w.newKey(mine.workspace.ID)
			sameID.ID, sameHash.Hash = theirs.key.ID, theirs.key.Hash
			wantCode(t, keypin.CodeConflict, tx.InsertKey(t.Context(), sameID))
			wantCode(t, keypin.CodeConflict, tx.InsertKey(t.Context(), sameHash))
		}),
		"InsertUser": inTx(func(t *testing.T, w *world, tx keypin.Tx, _, theirs *tenant) {
			twin := w.newUser()
			twin.Issuer, twin.Subject = theirs.user.Issuer, theirs.user.Subject
			wantCode(t, keypin.CodeConflict, tx.InsertUser(t.Context(), twin))
		}),
		"InsertWorkspace": inTx(func(t *testing.T, w *world, tx keypin.Tx, _, theirs *tenant) {
			own, org := w.newWorkspace(), w.newWorkspace()
			own.PersonalOf = theirs.workspace.PersonalOf
			org.OrgIssuer, org.OrgID = theirs.workspace.OrgIssuer, theirs.workspace.OrgID
			wantCode(t, keypin.CodeConflict, tx.InsertWorkspace(t.Context(), own))
			wantCode(t, keypin.CodeConflict, tx.InsertWorkspace(t.Context(), org))
		}),
		"InsertMember": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant) {
			wantCode(t, "", tx.InsertMember(t.Context(), w.newMember(mine.workspace.ID, theirs.user.ID, keypin.RoleViewer)))
			wantCode(t, keypin.CodeConflict, tx.InsertMember(t.Context(), w.newMember(theirs.workspace.ID, theirs.user.ID, keypin.RoleViewer)))
		}),
		"InsertInvite": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, _ *tenant) {
			wantCode(t, "", tx.InsertInvite(t.Context(), w.newInvite(mine.workspace.ID)))
		}),
		"InsertAudit": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, _ *tenant) {
			wantCode(t, "", tx.InsertAudit(t.Context(), w.newAudit(mine.workspace.ID, w.now)))
		}),
		"InsertPageVote": inTx(func(t *testing.T, w *world, tx keypin.Tx, _, _ *tenant) {
			wantCode(t, "", tx.InsertPageVote(t.Context(), w.newVote("/docs/scopes", true)))
		}),
		"DropPageVotes": inTx(func(t *testing.T, _ *world, tx keypin.Tx, _, _ *tenant) {
			wantCode(t, "", tx.DropPageVotes(t.Context(), 0))
		}),
		"InsertIdempotentAnswer": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant) {
			same := w.newAnswer(mine.user.ID)
			same.KeyHash = theirs.answer.KeyHash
			wantCode(t, "", tx.InsertIdempotentAnswer(t.Context(), same))
		}),
	}
}

func updateCrossings() map[string]crossing {
	return map[string]crossing{
		"UpdateKey": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant) {
			stolen := *theirs.key
			stolen.WorkspaceID, stolen.Name, stolen.Active, stolen.RevokeAt = mine.workspace.ID, "stolen", false, &w.now
			wantNotFound(t, tx.UpdateKey(t.Context(), &stolen))
		}),
		"TouchKey": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, _ *tenant) {
			wantCode(t, "", tx.TouchKey(t.Context(), keypin.LastUse{KeyID: mine.key.ID, At: w.after(time.Hour)}))
		}),
		"UpdateUser": inTx(func(t *testing.T, _ *world, tx keypin.Tx, mine, _ *tenant) {
			changed := *mine.user
			changed.Email = "changed@example.com"
			wantCode(t, "", tx.UpdateUser(t.Context(), &changed))
		}),
		"UpdateWorkspace": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant) {
			changed := *mine.workspace
			changed.Slug = theirs.workspace.Slug
			wantCode(t, keypin.CodeSlugTaken, tx.UpdateWorkspace(t.Context(), &changed))
			changed.Slug, changed.DeletedAt = mine.workspace.Slug, &w.now
			wantCode(t, "", tx.UpdateWorkspace(t.Context(), &changed))
		}),
		"UpdateMember": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant) {
			stolen := *theirs.member
			stolen.WorkspaceID, stolen.Role, stolen.RemovedAt = mine.workspace.ID, keypin.RoleViewer, &w.now
			wantNotFound(t, tx.UpdateMember(t.Context(), &stolen))
		}),
		"UpdateInvite": inTx(func(t *testing.T, w *world, tx keypin.Tx, mine, theirs *tenant) {
			stolen := *theirs.invite
			stolen.WorkspaceID, stolen.Role, stolen.RevokedAt = mine.workspace.ID, keypin.RoleAdmin, &w.now
			wantNotFound(t, tx.UpdateInvite(t.Context(), &stolen))
		}),
		"CommentPageVote": inTx(func(t *testing.T, _ *world, tx keypin.Tx, _, theirs *tenant) {
			wantNotFound(t, tx.CommentPageVote(t.Context(), theirs.workspace.ID, "/docs/scopes", "not a vote's id"))
		}),
	}
}
