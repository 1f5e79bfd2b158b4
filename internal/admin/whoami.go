package admin

import (
	"context"
	"slices"
)

// WhoAmI tells the caller who they are and where they act. A key needs no scope for it.
func (s *Service) WhoAmI(ctx context.Context, call Call) (WhoAmI, error) {
	a, err := s.read(ctx, call)
	if err != nil {
		return WhoAmI{}, err
	}
	who := WhoAmI{
		Kind: call.Principal.Kind, UserID: call.Principal.UserID, WorkspaceID: a.workspaceID, Role: a.role(),
	}
	if a.key != nil {
		who.KeyID = &a.key.ID
		who.Scopes = slices.Sorted(slices.Values(a.key.Scopes))
	}
	return who, nil
}
