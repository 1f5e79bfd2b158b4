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
	owner, err := s.Whoami(ctx)
	if err != nil {
		return err
	}
	workspace, err := keypin.ParseID(owner.WorkspaceID)
	if err != nil {
		return err
	}
	user, err := keypin.ParseID(owner.UserID)
	if err != nil {
		return err
	}
	if err := s.Stop(); err != nil {
		return err
	}
	keys := Keys{Workspace: workspace, User: user, N: n, RateLimit: rateLimit}
	if err := Fill(ctx, filepath.Join(s.Dir, "keypin.db"), keys); err != nil {
		return err
	}
	return s.Start(ctx)
}
