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
		admitAll(b, memory, 1)
	})
	r := startRedis(b, engines.RedisOptions{})
	l := opened(b, optionsFor(r.URL(), time.Now, Allow, 1))
	for name, chains := range map[string]int{"hot": 1, "lukewarm": 10_000} {
		b.Run(name, func(b *testing.B) {
			before := l.Stats()
			admitAll(b, l, chains)
			after := l.Stats()
			b.ReportMetric(float64(after.Calls-before.Calls)/float64(max(after.Admitted-before.Admitted, 1)), "calls/admitted")
			if after.Errors > 0 {
				b.Errorf("%+v", after)
			}
		})
	}
}

func admitAll(b *testing.B, l keypin.Limiter, chains int) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			if _, _, err := l.Admit(b.Context(), keypin.Admission{Chain: chainID(i % chains), Limit: keypin.MaxRateLimit, Cost: 1}, time.Now()); err != nil {
				b.Error(err)
			}
		}
	})
}
