package telemetry

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// figure is one number of what a Watch function shows.
type figure[T any] struct {
	name, help string
	kind       prometheus.ValueType
	labels     []string // name and value, at most one pair
	value      func(*T) float64
}

// watched shows the figures of one T, all of one reading, so that they fit together.
type watched[T any] struct {
	read    func() T
	figures []figure[T]
	descs   []*prometheus.Desc // one for each figure
}

func watch[T any](m *Metrics, read func() T, figures ...figure[T]) {
	w := &watched[T]{read: read, figures: figures}
	for _, f := range figures {
		labels := prometheus.Labels{}
		if len(f.labels) == 2 {
			labels[f.labels[0]] = f.labels[1]
		}
		w.descs = append(w.descs, prometheus.NewDesc(f.name, f.help, nil, labels))
	}
	m.registry.MustRegister(w)
}

// Describe implements prometheus.Collector.
func (w *watched[T]) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range w.descs {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (w *watched[T]) Collect(metrics chan<- prometheus.Metric) {
	t := w.read()
	for i, f := range w.figures {
		metrics <- prometheus.MustNewConstMetric(w.descs[i], f.kind, f.value(&t))
	}
}

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

// Cache says how the cache of keys fares.
type Cache struct {
	Keys, Missing int
	Bytes         uint64
	Loads, Stale  uint64
}

// WatchCache shows what read gives. Call it once.
func (m *Metrics) WatchCache(read func() Cache) {
	watch(m, read,
		figure[Cache]{"keypin_cache_keys", "Keys in the cache.", gauge, nil, func(c *Cache) float64 { return float64(c.Keys) }},
		figure[Cache]{"keypin_cache_bytes", "What the keys in the cache take, about.", gauge, nil, func(c *Cache) float64 { return float64(c.Bytes) }},
		figure[Cache]{"keypin_cache_unknown", "Hashes that the cache knows to belong to no key.", gauge, nil, func(c *Cache) float64 { return float64(c.Missing) }},
		figure[Cache]{"keypin_cache_loads_total", "Look-ups of keys in the database, because the cache did not know or could not be trusted.", counter, nil,
			func(c *Cache) float64 { return float64(c.Loads) }},
		figure[Cache]{"keypin_cache_stale_answers_total", "Checks answered by what the cache held while the database was down; see cache.serve_stale.", counter, nil,
			func(c *Cache) float64 { return float64(c.Stale) }},
	)
}

// WatchUsageDropped shows the counter that read gives. Call it once.
func (m *Metrics) WatchUsageDropped(read func() uint64) {
	watch(m, read, figure[uint64]{
		"keypin_usage_dropped_total", "Uses of keys that usage and last_used_at will not show, because too many waited to be written.",
		counter, nil, func(n *uint64) float64 { return float64(*n) },
	})
}

// WatchUsageWaiting shows the number that read gives. Call it once.
func (m *Metrics) WatchUsageWaiting(read func() int) {
	watch(m, read, figure[int]{
		"keypin_usage_waiting", "Minutes of keys whose uses wait to be written to the database; 65,536 at most.",
		gauge, nil, func(n *int) float64 { return float64(*n) },
	})
}

// WatchFreshness shows how long ago the cache was proven fresh. Call it once.
func (m *Metrics) WatchFreshness(age func() time.Duration) {
	watch(m, age, figure[time.Duration]{
		"keypin_freshness_age_seconds", "Seconds since the cache was proven to know every change; beyond 1, checks ask the database.",
		gauge, nil, func(d *time.Duration) float64 { return d.Seconds() },
	})
}

// Nodes says what a node knows of the others, and how its listening connection fares.
type Nodes struct {
	Seen          int      // alive, this one included
	Disagree      []string // the settings in which a living node differs
	Reconnects    uint64
	Notifications uint64
	Pings         uint64
}

// WatchNodes shows what read gives. Settings are all that may stand in Disagree, so that
// each has its number whether or not nodes disagree. Call it once.
func (m *Metrics) WatchNodes(settings []string, read func() Nodes) {
	figures := []figure[Nodes]{
		{"keypin_nodes_seen", "Nodes of this database that were alive a moment ago, this one included.", gauge, nil, func(n *Nodes) float64 { return float64(n.Seen) }},
		{"keypin_listener_reconnects_total", "Times that the connection that listens for changes was lost and made anew; the cache is emptied each time.", counter, nil,
			func(n *Nodes) float64 { return float64(n.Reconnects) }},
		{"keypin_listener_notifications_total", "Changes heard from the database, this node's own included.", counter, nil,
			func(n *Nodes) float64 { return float64(n.Notifications) }},
		{"keypin_listener_pings_total", "Pings of the database that proved the cache fresh.", counter, nil, func(n *Nodes) float64 { return float64(n.Pings) }},
	}
	for _, setting := range settings {
		figures = append(figures, figure[Nodes]{"keypin_nodes_disagree", "1 while a living node differs from this one in the setting.", gauge,
			[]string{"setting", setting}, func(n *Nodes) float64 {
				if slices.Contains(n.Disagree, setting) {
					return 1
				}
				return 0
			}})
	}
	watch(m, read, figures...)
}

// Limiter says how the shared limiter fares.
type Limiter struct {
	// The buckets of chains by who decides about them now: Redis, or one of the ways to
	// go on without it.
	Redis, Local, Deny, Allow int

	Calls  uint64 // of Redis
	Errors uint64 // calls that failed
	Losses uint64 // times that Redis came back without what it had counted
	// The admissions that were leased, and what became of them. What was taken and is
	// none of the others is still held.
	Taken, Spent, Returned, Lapsed uint64
}

// WatchLimiter shows what read gives. Call it once.
func (m *Metrics) WatchLimiter(read func() Limiter) {
	buckets := func(mode string, value func(*Limiter) float64) figure[Limiter] {
		return figure[Limiter]{"keypin_limiter_buckets", "Parts of the rate limits, of 256, by who decides about them: redis, or local, deny or allow without it.", gauge, []string{"mode", mode}, value}
	}
	units := func(state string, value func(*Limiter) float64) figure[Limiter] {
		return figure[Limiter]{"keypin_limiter_lease_units_total", "Admissions leased from Redis (taken), and what became of them: spent, returned or lapsed.", counter, []string{"state", state}, value}
	}
	watch(m, read,
		buckets("redis", func(l *Limiter) float64 { return float64(l.Redis) }),
		buckets("local", func(l *Limiter) float64 { return float64(l.Local) }),
		buckets("deny", func(l *Limiter) float64 { return float64(l.Deny) }),
		buckets("allow", func(l *Limiter) float64 { return float64(l.Allow) }),
		figure[Limiter]{"keypin_limiter_calls_total", "Calls of Redis.", counter, nil, func(l *Limiter) float64 { return float64(l.Calls) }},
		figure[Limiter]{"keypin_limiter_errors_total", "Calls of Redis that failed.", counter, nil, func(l *Limiter) float64 { return float64(l.Errors) }},
		figure[Limiter]{"keypin_limiter_losses_total", "Times that a part of Redis, of 256, had lost what it counted: emptied, restarted, failed over.", counter, nil, func(l *Limiter) float64 { return float64(l.Losses) }},
		units("taken", func(l *Limiter) float64 { return float64(l.Taken) }),
		units("spent", func(l *Limiter) float64 { return float64(l.Spent) }),
		units("returned", func(l *Limiter) float64 { return float64(l.Returned) }),
		units("lapsed", func(l *Limiter) float64 { return float64(l.Lapsed) }),
	)
}

// Database says how the pool of connections fares.
type Database struct {
	Max, InUse, Idle int
	Waits            uint64        // times that a connection had to be waited for
	Waited           time.Duration // in all of them
	Retries          uint64        // of transactions that another one was in the way of
}

// WatchDatabase shows what read gives. Call it once.
func (m *Metrics) WatchDatabase(read func() Database) {
	connections := func(state string, value func(*Database) float64) figure[Database] {
		return figure[Database]{"keypin_db_connections", "Connections to the database, by state: in_use or idle.", gauge, []string{"state", state}, value}
	}
	watch(m, read,
		figure[Database]{"keypin_db_connections_max", "Connections to the database that there may be; see database_connections.", gauge, nil, func(d *Database) float64 { return float64(d.Max) }},
		connections("in_use", func(d *Database) float64 { return float64(d.InUse) }),
		connections("idle", func(d *Database) float64 { return float64(d.Idle) }),
		figure[Database]{"keypin_db_waits_total", "Times that a connection had to be waited for.", counter, nil, func(d *Database) float64 { return float64(d.Waits) }},
		figure[Database]{"keypin_db_wait_seconds_total", "Time spent waiting for connections.", counter, nil, func(d *Database) float64 { return d.Waited.Seconds() }},
		figure[Database]{"keypin_db_retries_total", "Transactions begun again, because another one was in their way.", counter, nil, func(d *Database) float64 { return float64(d.Retries) }},
	)
}
