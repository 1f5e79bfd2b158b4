package shared

import (
	"testing"
	"time"

	"github.com/keypin/keypin/internal/keypin"
	"github.com/keypin/keypin/internal/ratelimit"
	"github.com/keypin/keypin/test/engines"
)

// BenchmarkAdmit compares one hot chain, of which a node holds leases, and many lukewarm
// ones, each asked of Redis, with the limiter of a single node.
func BenchmarkAdmit(b *testing.B) {
	memory := ratelimit.NewMemory(time.Now())
	b.Run("memory", func(b *testing.B) {
		admitAll(b, memory, hot)
	})
	r := startRedis(b, engines.RedisOptions{})
	l := opened(b, optionsFor(r.URL(), time.Now, Allow, 1))
	for name, chain := range map[string]func(int) keypin.ID{"hot": hot, "lukewarm": func(i int) keypin.ID { return chainID(i % 10_000) }} {
		b.Run(name, func(b *testing.B) {
			before := l.Stats()
			admitAll(b, l, chain)
			after := l.Stats()
			b.ReportMetric(float64(after.Calls-before.Calls)/float64(max(after.Admitted-before.Admitted, 1)), "calls/admitted")
			if after.Errors > 0 {
				b.Errorf("%+v", after)
			}
		})
	}
}

// hot is one chain for as long as its limit, a million, is not used up.
func hot(i int) keypin.ID { return chainID(1<<20 + i/400_000) }

func admitAll(b *testing.B, l keypin.Limiter, chain func(i int) keypin.ID) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, _, err := l.Admit(b.Context(), keypin.Admission{Chain: chain(i), Limit: keypin.MaxRateLimit, Cost: 1}, time.Now()); err != nil {
				b.Error(err)
			}
		}
	})
}
