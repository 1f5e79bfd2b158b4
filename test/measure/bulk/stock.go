package bulk

import (
	"context"
	"path/filepath"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/test/measure"
)

// Stock fills the workspace of the server's session with n keys. The server is stopped
// for it and started again.
func Stock(ctx context.Context, s *measure.Server, n, rateLimit int) error {
	keys, err := KeysOf(ctx, s)
	if err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return err
	}
	keys.N, keys.RateLimit = n, rateLimit
	if err := Fill(ctx, filepath.Join(s.Dir, "keypin.db"), keys); err != nil {
		return err
	}
	return s.Start(ctx)
}

// KeysOf are keys of the workspace and user of the server's session, none yet.
func KeysOf(ctx context.Context, s *measure.Server) (keys Keys, err error) {
	owner, err := s.Whoami(ctx)
	if err != nil {
		return keys, err
	}
	if keys.Workspace, err = keypin.ParseID(owner.WorkspaceID); err != nil {
		return keys, err
	}
	keys.User, err = keypin.ParseID(owner.UserID)
	return keys, err
}
