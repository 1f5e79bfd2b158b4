package telemetry

import (
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what the service does, in a registry of its own. It is safe for
// use by many goroutines.
type Metrics struct {
	registry      *prometheus.Registry
	requests      *prometheus.CounterVec
	seconds       *prometheus.HistogramVec
	verifications *prometheus.CounterVec
	unknown       *prometheus.CounterVec
}

// NewMetrics makes the metrics of a service of the version.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keypin_http_requests_total", Help: "Requests answered, by route pattern, method and status.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "keypin_http_request_seconds", Help: "Time from a request's headers to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		verifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keypin_verifications_total", Help: "Verifications answered, by outcome.",
		}, []string{"code"}),
		unknown: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keypin_unknown_keys_total", Help: "Malformed keys, and keys not found, that were presented, by what they begin with.",
		}, []string{"prefix"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "keypin_build_info", Help: "1, labelled with what is running.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build, m.requests, m.seconds, m.verifications, m.unknown,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// ObserveRequest counts an answered request. Route is a pattern and method a known
// one: both become labels, so neither is what a caller sent.
func (m *Metrics) ObserveRequest(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// ObserveVerification counts an answered verification by its code.
func (m *Metrics) ObserveVerification(code string) { m.verifications.WithLabelValues(code).Inc() }

// CountUnknownKeys gives what counts a key that nobody has by its prefix. Any text may
// be given for one: those that are not among prefixes are counted together, as other.
func (m *Metrics) CountUnknownKeys(prefixes ...string) func(prefix string) {
	known := map[string]prometheus.Counter{}
	for _, prefix := range prefixes {
		known[prefix] = m.unknown.WithLabelValues(prefix)
	}
	other := m.unknown.WithLabelValues("other")
	return func(prefix string) {
		if counter, ok := known[prefix]; ok {
			counter.Inc()
			return
		}
		other.Inc()
	}
}

// WatchUsageDropped shows the counter that read gives. Call it once.
func (m *Metrics) WatchUsageDropped(read func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "keypin_usage_dropped_total", Help: "Uses of keys that usage and last_used_at will not show, because too many waited to be written.",
	}, func() float64 { return float64(read()) }))
}
