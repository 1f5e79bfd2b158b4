package admin

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"io"
	"strconv"
	"strings"

	"github.com/keypin/keypin/internal/keypin"
)

// Workspaces lists, oldest first, the workspaces that a session is in, and a key with
// workspace:read its own one; and counts them.
func (s *Service) Workspaces(ctx context.Context, call Call, page keypin.Page) ([]keypin.Workspace, int, error) {
	a, err := s.read(ctx, call)
	if err != nil && (call.Workspace != nil || keypin.CodeOf(err) != keypin.CodeWorkspaceForbidden) {
		return nil, 0, err
	}
	// Without a workspace named, a member who was removed from their default one still
	// sees the others.
	if err == nil {
		if err := a.mayReadWorkspace(); err != nil {
			return nil, 0, err
		}
	}
	p := call.Principal
	if p.Key != nil {
		w, err := s.store.Workspace(ctx, p.Key.WorkspaceID)
		if err != nil {
			return nil, 0, err
		}
		if page.Offset > 0 {
			return nil, 1, nil
		}
		return []keypin.Workspace{*w}, 1, nil
	}
	var issuer, orgID string
	if org := tokenOrg(p); org != nil {
		issuer, orgID = p.Identity.Issuer, org.ID
	}
	return s.store.WorkspacesOf(ctx, p.UserID, issuer, orgID, page)
}

// readWorkspace is what every read of a workspace's own things begins with.
func (s *Service) readWorkspace(ctx context.Context, call Call) (*access, error) {
	a, err := s.read(ctx, call)
	if err != nil {
		return nil, err
	}
	if err := a.mayReadWorkspace(); err != nil {
		return nil, err
	}
	return a, nil
}

// Workspace finds the caller's workspace.
func (s *Service) Workspace(ctx context.Context, call Call) (keypin.Workspace, error) {
	a, err := s.readWorkspace(ctx, call)
	if err != nil {
		return keypin.Workspace{}, err
	}
	if a.workspace != nil {
		return *a.workspace, nil
	}
	w, err := s.store.Workspace(ctx, a.workspaceID)
	if keypin.CodeOf(err) == keypin.CodeNotFound {
		return keypin.Workspace{}, workspaceForbidden()
	}
	if err != nil {
		return keypin.Workspace{}, err
	}
	return *w, nil
}

// storedWorkspace is the answer of a creation as it is kept sealed.
type storedWorkspace struct {
	Workspace keypin.Workspace
}

// CreateWorkspace makes a workspace whose admin is the caller; sessions only.
// CodeSlugTaken when the slug that was asked for is taken.
func (s *Service) CreateWorkspace(ctx context.Context, call Call, in NewWorkspace) (CreatedWorkspace, error) {
	if err := s.beforeWorkspaces(ctx, call); err != nil {
		return CreatedWorkspace{}, err
	}
	o, err := s.begin(call)
	if err != nil {
		return CreatedWorkspace{}, err
	}
	defer o.end()
	var stored storedWorkspace
	var replayed bool
	for range attempts {
		err = s.store.Tx(ctx, func(tx keypin.Tx) (err error) {
			a := &access{call: call, now: s.now()}
			r := request{Operation: "workspace.create", Input: in}
			stored, replayed, err = repeatable(ctx, tx, o, a.now, r, func() (storedWorkspace, error) {
				return s.createWorkspace(ctx, tx, a, in)
			})
			return err
		})
		// A slug that we derived can be taken between the look and the commit.
		if in.Slug != "" || keypin.CodeOf(err) != keypin.CodeSlugTaken {
			break
		}
	}
	if err != nil {
		return CreatedWorkspace{}, err
	}
	return CreatedWorkspace{Workspace: stored.Workspace, Replayed: replayed}, nil
}

// beforeWorkspaces authorises what concerns no workspace yet: a session may do it. A
// workspace that is named all the same has to be one of the caller's own.
func (s *Service) beforeWorkspaces(ctx context.Context, call Call) error {
	if call.Workspace != nil {
		if _, err := s.read(ctx, call); err != nil {
			return err
		}
	}
	return sessionOnly(call)
}

func (s *Service) createWorkspace(ctx context.Context, tx keypin.Tx, a *access, in NewWorkspace) (storedWorkspace, error) {
	w := &keypin.Workspace{
		Name: in.Name, Slug: in.Slug, ColorIdx: in.ColorIdx, CreatedBy: a.call.Principal.UserID,
	}
	if err := s.insertWorkspace(ctx, tx, a, w, keypin.SlugOf(in.Name)); err != nil {
		return storedWorkspace{}, err
	}
	return storedWorkspace{Workspace: *w}, s.insertFounder(ctx, tx, a)
}

// insertWorkspace adds w and makes it the one of a. A slug that w lacks is made of base.
func (s *Service) insertWorkspace(ctx context.Context, tx keypin.Tx, a *access, w *keypin.Workspace, base string) error {
	id, err := s.newID(a.now)
	if err != nil {
		return err
	}
	w.ID, w.CreatedAt, w.UpdatedAt = id, a.now, a.now
	if w.Slug == "" {
		if w.Slug, err = s.freeSlug(ctx, tx, base); err != nil {
			return err
		}
	}
	if err := tx.InsertWorkspace(ctx, w); err != nil {
		return err
	}
	a.workspace, a.workspaceID = w, id
	return s.audit(ctx, tx, a, "workspace.create", targetWorkspace(id), nil, workspaceRecord(w))
}

// insertFounder makes the caller the admin of a's new workspace.
func (s *Service) insertFounder(ctx context.Context, tx keypin.Tx, a *access) error {
	id, err := s.newID(a.now)
	if err != nil {
		return err
	}
	return tx.InsertMember(ctx, &keypin.Member{
		ID: id, WorkspaceID: a.workspaceID, UserID: a.call.Principal.UserID,
		Role: keypin.RoleAdmin, Source: keypin.MemberLocal, LastActiveAt: &a.now, CreatedAt: a.now,
	})
}

// freeSlug is base, or base with a small number behind it, or with a random one.
func (s *Service) freeSlug(ctx context.Context, r keypin.Reader, base string) (string, error) {
	const smallNumbers = 5
	for n := 1; n <= smallNumbers; n++ {
		slug := base
		if n > 1 {
			slug = numbered(base, uint64(n))
		}
		taken, err := r.SlugTaken(ctx, slug)
		if err != nil {
			return "", err
		}
		if !taken {
			return slug, nil
		}
	}
	n, err := s.randomNumber()
	if err != nil {
		return "", err
	}
	return numbered(base, n), nil
}

// numbered cuts base so that the number fits behind it.
func numbered(base string, n uint64) string {
	suffix := "-" + strconv.FormatUint(n, 10)
	if longest := keypin.MaxSlug - len(suffix); len(base) > longest {
		base = strings.TrimRight(base[:longest], "-")
	}
	return base + suffix
}

func (s *Service) randomNumber() (uint64, error) {
	var b [8]byte
	if _, err := io.ReadFull(s.random, b[2:]); err != nil {
		return 0, noRandom(err)
	}
	return binary.BigEndian.Uint64(b[:]), nil
}

// personalSlug is random: who may ask whether a slug is free learns of nobody by it.
func (s *Service) personalSlug() (string, error) {
	var b [5]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return "", noRandom(err)
	}
	return "personal-" + strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

// UpdateWorkspace changes the fields that the patch names; admins only. A patch
// without effect changes nothing. CodeSlugTaken.
func (s *Service) UpdateWorkspace(ctx context.Context, call Call, patch WorkspacePatch) (keypin.Workspace, error) {
	var updated keypin.Workspace
	err := s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		if err := a.mayAdminister(); err != nil {
			return err
		}
		before := workspaceRecord(a.workspace)
		w := *a.workspace
		if patch.Name != nil {
			w.Name = *patch.Name
		}
		if patch.Slug != nil {
			w.Slug = *patch.Slug
		}
		if patch.ColorIdx != nil {
			w.ColorIdx = *patch.ColorIdx
		}
		updated = w
		if workspaceRecord(&w) == before {
			return nil
		}
		updated.UpdatedAt = a.now
		if err := tx.UpdateWorkspace(ctx, &updated); err != nil {
			return err
		}
		return s.audit(ctx, tx, a, "workspace.update", targetWorkspace(w.ID), before, workspaceRecord(&w))
	})
	if err != nil {
		return keypin.Workspace{}, err
	}
	return updated, nil
}

// DeleteWorkspace deletes the workspace and revokes every key in it; admins only.
func (s *Service) DeleteWorkspace(ctx context.Context, call Call) (keypin.Workspace, error) {
	var deleted keypin.Workspace
	err := s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		if err := a.mayAdminister(); err != nil {
			return err
		}
		deleted = *a.workspace
		deleted.DeletedAt, deleted.UpdatedAt = &a.now, a.now
		if err := tx.UpdateWorkspace(ctx, &deleted); err != nil {
			return err
		}
		return s.audit(ctx, tx, a, "workspace.delete", targetWorkspace(deleted.ID),
			workspaceRecord(a.workspace), workspaceRecord(&deleted))
	})
	if err != nil {
		return keypin.Workspace{}, err
	}
	if err := s.invalidateWorkspace(ctx, deleted.ID); err != nil {
		return keypin.Workspace{}, err
	}
	return deleted, nil
}

// SlugAvailable reports whether a new workspace could have the slug; sessions, and
// keys with workspace:read.
func (s *Service) SlugAvailable(ctx context.Context, call Call, slug string) (bool, error) {
	if call.Principal.Key != nil || call.Workspace != nil {
		if _, err := s.readWorkspace(ctx, call); err != nil {
			return false, err
		}
	}
	taken, err := s.store.SlugTaken(ctx, slug)
	return !taken && err == nil, err
}

// Settings are the workspace's.
func (s *Service) Settings(ctx context.Context, call Call) (keypin.Settings, error) {
	w, err := s.Workspace(ctx, call)
	return w.Settings, err
}

// UpdateSettings changes the settings that the patch names; admins only. A patch
// without effect changes nothing.
func (s *Service) UpdateSettings(ctx context.Context, call Call, patch SettingsPatch) (keypin.Settings, error) {
	var settings keypin.Settings
	err := s.change(ctx, call, func(tx keypin.Tx, a *access) error {
		if err := a.mayAdminister(); err != nil {
			return err
		}
		settings = a.workspace.Settings
		if patch.DefaultLanguage != nil {
			settings.DefaultLanguage = *patch.DefaultLanguage
		}
		if patch.Theme != nil {
			settings.Theme = *patch.Theme
		}
		if settings == a.workspace.Settings {
			return nil
		}
		w := *a.workspace
		w.Settings, w.UpdatedAt = settings, a.now
		if err := tx.UpdateWorkspace(ctx, &w); err != nil {
			return err
		}
		return s.audit(ctx, tx, a, "workspace.settings.update", targetWorkspace(w.ID),
			settingsRecord(a.workspace.Settings), settingsRecord(settings))
	})
	if err != nil {
		return keypin.Settings{}, err
	}
	return settings, nil
}
