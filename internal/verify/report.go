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
// are none, are passed over. An error is CodeUnavailable, and then the rest was not
// counted.
func (s *Service) Report(ctx context.Context, reported Reported) error {
	found, err := s.options.Keys.Find(ctx, reported.Hash)
	if err != nil {
		return unavailable(err)
	}
	if found.Key == nil || s.options.Usage == nil || reported.Count == 0 {
		return nil
	}
	use := reported.Use
	use.KeyID, use.ChainID, use.WorkspaceID = found.Key.ID, found.Key.ChainID, found.Key.WorkspaceID
	if oldest := found.At.Add(-reportWithin); use.At.Before(oldest) {
		use.At = oldest
	}
	if use.At.After(found.At) {
		use.At = found.At
	}
	s.options.Usage.Note(use)
	return nil
}
