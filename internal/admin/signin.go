package admin

import (
	"context"
	"sync"

	"github.com/keypin/keypin/internal/keypin"
)

// SignIn makes the caller of a session out of what its token says. The user is made
// on first sight of (issuer, subject) and their profile is kept current; a token that
// says what the one before it said costs no look-up. What the token does not tell stays as it was.
// CodeUnavailable when the store does not answer.
func (s *Service) SignIn(ctx context.Context, identity keypin.Identity) (*keypin.Principal, error) {
	told := profileOf(identity)
	if id, ok := s.signedIn.find(told); ok {
		return &keypin.Principal{Kind: keypin.AuthSession, UserID: id, Identity: &identity}, nil
	}
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
	s.signedIn.add(told, user.ID)
	return &keypin.Principal{Kind: keypin.AuthSession, UserID: user.ID, Identity: &identity}, nil
}

// profile is what a token tells of its user.
type profile struct{ issuer, subject, email, firstName, lastName, imageURL string }

func profileOf(i keypin.Identity) profile {
	return profile{i.Issuer, i.Subject, i.Email, i.FirstName, i.LastName, i.ImageURL}
}

// maxSignedIn bounds the profiles that are remembered: a few megabytes.
const maxSignedIn = 1 << 13

// signedIn remembers the profiles that are stored already, and whose they are. A
// user's id never changes and no user is ever deleted, so it cannot be wrong.
type signedIn struct {
	mu     sync.Mutex
	users  map[profile]keypin.ID
	latest map[keypin.ID]profile // of each user: the one in users
}

func (s *signedIn) find(p profile) (keypin.ID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.users[p]
	return id, ok
}

// add remembers a profile. When there are too many, all are looked up once more.
func (s *signedIn) add(p profile, id keypin.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == nil || len(s.users) >= maxSignedIn {
		s.users, s.latest = map[profile]keypin.ID{}, map[keypin.ID]profile{}
	}
	// The profile before it is out of date: a token that tells it has something to write.
	if before, ok := s.latest[id]; ok {
		delete(s.users, before)
	}
	s.users[p], s.latest[id] = id, p
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
