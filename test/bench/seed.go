package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/sqlite" //nolint:depguard // a million keys over HTTP would take an hour
	"github.com/keypin/keypin/test/measure"
)

// seedGroup is how many keys share a commit.
const seedGroup = 5000

// The names that the keys are called by, in turn. One is searched for.
func teams() []string {
	return []string{"checkout", "billing", "search", "deploy", "mobile", "partners", "support", "analytics", "mail", "internal"}
}

// seed fills the workspace of the server's session with n keys, through the store, and
// gives their ids, oldest first. Of ten keys, two are revoked, two are test keys and
// one is read-only. The server is stopped for it and started again.
func (s server) seed(ctx context.Context, n int) ([]keypin.ID, error) {
	owner, err := s.Whoami(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Stop(); err != nil {
		return nil, err
	}
	store, err := sqlite.Open(ctx, sqlite.Options{Path: filepath.Join(s.Dir, "keypin.db")})
	if err != nil {
		return nil, err
	}
	ids, err := fill(ctx, store, owner, n)
	if err := errors.Join(err, store.Close()); err != nil {
		return nil, err
	}
	return ids, s.Start(ctx)
}

func fill(ctx context.Context, store keypin.Store, owner measure.Caller, n int) ([]keypin.ID, error) {
	workspace, err := keypin.ParseID(owner.WorkspaceID)
	if err != nil {
		return nil, err
	}
	user, err := keypin.ParseID(owner.UserID)
	if err != nil {
		return nil, err
	}
	random := bufio.NewReaderSize(rand.Reader, 64<<10)
	first := keypin.Timestamp(time.Now().Add(-time.Duration(n) * time.Second))
	ids := make([]keypin.ID, 0, n)
	for len(ids) < n {
		err := store.Tx(ctx, func(tx keypin.Tx) error {
			for range min(seedGroup, n-len(ids)) {
				key, err := seededKey(len(ids), first, random)
				if err != nil {
					return err
				}
				key.WorkspaceID, key.CreatedBy = workspace, &user
				if err := tx.InsertKey(ctx, key); err != nil {
					return err
				}
				ids = append(ids, key.ID)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// seededKey is the key number i, made i seconds after first.
func seededKey(i int, first time.Time, random io.Reader) (*keypin.APIKey, error) {
	created := first.Add(time.Duration(i) * time.Second)
	id, err := keypin.NewID(created, random)
	if err != nil {
		return nil, err
	}
	key := &keypin.APIKey{
		ID: id, ChainID: id, Name: fmt.Sprintf("%s %07d", teams()[i%10], i), Type: keypin.KeyLive, Prefix: "op_live",
		Suffix: fmt.Sprintf("%06d", i%1_000_000), Scopes: []keypin.Scope{"workflows:read", "voices:read"},
		Active: true, CreatedAt: created, UpdatedAt: created, Version: 1,
		Metadata: map[string]string{"team": teams()[i%10], "environment": "production"},
	}
	if _, err := io.ReadFull(random, key.Hash[:]); err != nil {
		return nil, err
	}
	// Independent of the name, so that each filter meets keys of every kind.
	switch i / 10 % 10 {
	case 0, 1:
		key.RevokeAt, key.Active = &created, false
	case 2, 3:
		key.Type, key.Prefix = keypin.KeyTest, "op_test"
	case 4:
		key.Type, key.Prefix = keypin.KeyReadOnly, "op_read"
	case 5:
		key.Scopes = []keypin.Scope{"workflows:run"}
	}
	return key, nil
}
