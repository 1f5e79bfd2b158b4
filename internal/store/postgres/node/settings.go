package node

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/keypin/keypin/internal/keypin"
)

const (
	// countedWithin is how lately a node was seen to be counted.
	countedWithin = 5 * time.Second
	// livingWithin is how lately a node was seen for its settings to matter.
	livingWithin = 10 * time.Second
	// forgottenAfter is when a row that nobody updates is deleted.
	forgottenAfter = 24 * time.Hour
)

// difference is a setting in which another node differs.
type difference struct {
	setting string
	other   Row
	must    bool
}

// flag is a difference that was logged.
type flag struct {
	node    keypin.ID
	setting string
}

// compare finds, remembers and logs the settings in which other nodes differ. One that
// either side does not know is no difference: the versions are.
func (n *Node) compare(others []Row) []difference {
	var found []difference
	flagged, names := map[flag]bool{}, map[string]bool{}
	for _, other := range others {
		for _, setting := range slices.Sorted(maps.Keys(n.row.Settings)) {
			theirs, ok := other.Settings[setting]
			if !ok || theirs == n.row.Settings[setting] {
				continue
			}
			f := flag{other.ID, setting}
			flagged[f], names[setting] = true, true
			found = append(found, difference{setting, other, slices.Contains(n.options.MustAgree, setting)})
			if !n.flagged[f] {
				n.options.Logger.Warn("Another node on this database has another value of a setting; give every node the same",
					slog.String("setting", setting), slog.String("node", other.Name), slog.String("version", other.Version))
			}
		}
	}
	n.flagged = flagged
	sorted := slices.Sorted(maps.Keys(names))
	n.disagree.Store(&sorted)
	return found
}
