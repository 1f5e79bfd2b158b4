package admin

import (
	"context"

	"github.com/keypin/keypin/internal/keypin"
)

// SignIn makes the caller of a session out of what its token says. The user is made
// on first sight of (issuer, subject) and their profile is kept current; when there
// is nothing new it is one look-up. What the token does not tell stays as it was.
// CodeUnavailable when the store does not answer.
func (s *Service) SignIn(ctx context.Context, identity keypin.Identity) (*keypin.Principal, error) {
	user, err := s.store.UserBySubject(ctx, identity.Issuer, identity.Subject)
	if keypin.CodeOf(err) == keypin.CodeNotFound {
		user, err = s.firstSight(ctx, identity)
	}
	if err != nil {
		return nil, err
	}
	if _, differs := withProfile(*user, identity); differs {
		err := s.store.Tx(ctx, func(tx keypin.Tx) error {
			stored, err := tx.User(ctx, user.ID)
			if err != nil {
				return err
			}
			next, differs := withProfile(*stored, identity)
			if !differs {
				return nil
			}
			return tx.UpdateUser(ctx, &next)
		})
		if err != nil {
			return nil, err
		}
	}
	return &keypin.Principal{Kind: keypin.AuthSession, UserID: user.ID, Identity: &identity}, nil
}

// firstSight adds the user. Of many first requests at once one adds them and the
// others find them.
func (s *Service) firstSight(ctx context.Context, identity keypin.Identity) (*keypin.User, error) {
	now := s.now()
	id, err := s.newID(now)
	if err != nil {
		return nil, err
	}
	user, _ := withProfile(keypin.User{
		ID: id, Issuer: identity.Issuer, Subject: identity.Subject, CreatedAt: now,
	}, identity)
	err = s.store.Tx(ctx, func(tx keypin.Tx) error { return tx.InsertUser(ctx, &user) })
	if keypin.CodeOf(err) == keypin.CodeConflict {
		return s.store.UserBySubject(ctx, identity.Issuer, identity.Subject)
	}
	if err != nil {
		return nil, err
	}
	return &user, nil
}

// withProfile is user with what identity tells, and whether that is anything new.
func withProfile(user keypin.User, identity keypin.Identity) (keypin.User, bool) {
	old := user
	for _, f := range []struct {
		field *string
		told  string
	}{
		{&user.Email, identity.Email},
		{&user.FirstName, identity.FirstName},
		{&user.LastName, identity.LastName},
		{&user.ImageURL, identity.ImageURL},
	} {
		if f.told != "" {
			*f.field = f.told
		}
	}
	return user, user != old
}
