package postgres

import (
	"testing"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/store/storetest"
)

// ways are how a store is connected to a PostgreSQL.
func (s *server) ways() map[string]storetest.Open {
	return map[string]storetest.Open{
		"Direct": func(t testing.TB) keypin.Store {
			t.Helper()
			return s.direct(t, s.database(t))
		},
		"ThroughPgBouncer": func(t testing.TB) keypin.Store {
			t.Helper()
			return open(t, Options{URL: keypin.NewSecret(s.pooler.URL(s.database(t))), Pooled: true, MaxConnections: 6})
		},
	}
}

func TestTheStoreDoesWhatEveryStoreMustDo(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		for way, open := range s.ways() {
			t.Run(way, func(t *testing.T) { storetest.Exercise(t, open) })
		}
	})
}

func TestWorkspacesSeeNothingOfOneAnother(t *testing.T) {
	onEvery(t, func(t *testing.T, s *server) {
		for way, open := range s.ways() {
			t.Run(way, func(t *testing.T) { storetest.Isolation(t, open) })
		}
	})
}
