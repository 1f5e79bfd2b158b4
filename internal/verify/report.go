package verify

import (
	"context"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

// reportWithin bounds how old a reported use may be. What is older counts as that old:
// a wrong clock at the edge must not move usage about.
const reportWithin = time.Hour

// Reported is what a cache at the edge decided about one key.
type Reported struct {
	Hash keypin.KeyHash
	Use  // without its ids
}

// Report counts what was decided elsewhere. Keys that are not there, and outcomes that
// are none, are passed over. An error is CodeUnavailable, and then nothing was counted.
func (s *Service) Report(ctx context.Context, reported []Reported) error {
	uses := make([]Use, 0, len(reported))
	for _, r := range reported {
		found, err := s.options.Keys.Find(ctx, r.Hash)
		if err != nil {
			return unavailable(err)
		}
		if found.Key == nil || r.Count == 0 {
			continue
		}
		use := r.Use
		use.KeyID, use.ChainID, use.WorkspaceID = found.Key.ID, found.Key.ChainID, found.Key.WorkspaceID
		if oldest := found.At.Add(-reportWithin); use.At.Before(oldest) {
			use.At = oldest
		}
		if use.At.After(found.At) {
			use.At = found.At
		}
		uses = append(uses, use)
	}
	if s.options.Usage != nil {
		for _, use := range uses {
			s.options.Usage.Note(use)
		}
	}
	return nil
}
