package node

import (
	"context"
	"encoding/hex"
	"log/slog"
	"strings"

	"github.com/keypin/keypin/internal/keypin"
)

// Channel is what changes are notified on.
const Channel = "keypin_changes"

// heard tells the Follower of a change. The Follower works in memory, and no request
// waits for this.
func (n *Node) heard(payload string) error {
	n.stats.notifications.Add(1)
	ctx := context.Background()
	kind, what, _ := strings.Cut(payload, " ")
	switch kind {
	case "key":
		var hash keypin.KeyHash
		if len(what) == hex.EncodedLen(len(hash)) {
			if _, err := hex.Decode(hash[:], []byte(what)); err == nil {
				return n.options.Follower.InvalidateKeys(ctx, []keypin.KeyHash{hash})
			}
		}
	case "workspace":
		if id, err := keypin.ParseID(what); err == nil {
			return n.options.Follower.InvalidateWorkspace(ctx, id)
		}
	}
	// A newer version's change, or somebody else's word: nothing is known of what changed.
	n.options.Logger.Warn("A notification was not understood; everything that is remembered of keys is forgotten", slog.Int("bytes", len(payload)))
	return n.empty()
}

// empty has the Follower forget everything.
func (n *Node) empty() error {
	n.stats.emptied.Add(1)
	return n.options.Follower.InvalidateAll(context.Background())
}
