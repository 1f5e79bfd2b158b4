package shared

import (
	"regexp"
	"strconv"
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
			if err := l.client.ConfigResetStat(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
			before := l.Stats()
			admitAll(b, l, chain)
			after := l.Stats()
			b.ReportMetric(perScript(b, l), "µs-of-Redis/call")
			b.ReportMetric(float64(after.Calls-before.Calls)/float64(max(after.Admitted-before.Admitted, 1)), "calls/admitted")
			if after.Errors > 0 {
				b.Errorf("%+v", after)
			}
		})
	}
}

// perScript is how long Redis takes for one call of the script, in µs, by its own count.
func perScript(b *testing.B, l *Limiter) float64 {
	info, err := l.client.Info(b.Context(), "commandstats").Result()
	if err != nil {
		b.Fatal(err)
	}
	found := regexp.MustCompile(`cmdstat_evalsha:.*usec_per_call=([\d.]+)`).FindStringSubmatch(info)
	if found == nil {
		b.Fatal("Redis has not run the script")
	}
	took, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return took
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
