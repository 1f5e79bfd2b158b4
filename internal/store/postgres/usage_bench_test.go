package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/keypin/keypin/internal/keypin"
)

// BenchmarkAddUsage stores the uses of 1,024 keys, as one transaction of a flush does: by
// minute, hour and day, in new minutes each time. Beside it stands a bare insert of as many
// rows as a flush has keys. The server does not wait for its disk.
func BenchmarkAddUsage(b *testing.B) {
	const keys = 1 << 10
	for _, s := range servers {
		b.Run(s.name+"/bare", func(b *testing.B) {
			conn, err := pgx.Connect(b.Context(), s.URL(s.empty(b)))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close(b.Context())
			if _, err := conn.Exec(b.Context(), "CREATE TABLE uses (bucket timestamptz, chain integer, count bigint, PRIMARY KEY (bucket, chain))"); err != nil {
				b.Fatal(err)
			}
			at := seedTime
			for b.Loop() {
				at = at.Add(time.Minute)
				if _, err := conn.Exec(b.Context(), "INSERT INTO uses SELECT $1, n, 1 FROM generate_series(1, $2::integer) n", at, keys); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/keys, "µs/key")
		})
		b.Run(s.name+"/usage", func(b *testing.B) {
			store := s.direct(b, s.migrated(b))
			seed := seeded(b, store, keys)
			counts := make([]keypin.UsageCount, keys)
			at := seedTime
			for b.Loop() {
				at = at.Add(time.Minute)
				for i, k := range seed {
					counts[i] = keypin.UsageCount{WorkspaceID: k.WorkspaceID, ChainID: k.ChainID, Minute: at, Code: "valid", Count: 1}
				}
				if err := store.Tx(b.Context(), func(tx keypin.Tx) error { return tx.AddUsage(b.Context(), counts) }); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/keys, "µs/key")
		})
	}
}
