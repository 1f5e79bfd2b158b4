package telemetry

import (
	"maps"
	"net/http"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
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
	decisions     *prometheus.HistogramVec
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
			Name: "keypin_verifications_total", Help: "Checks of keys answered, by door and outcome or error code.",
		}, []string{"door", "code"}),
		decisions: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "keypin_verification_seconds", Help: "Time from a check's headers to its answer, by door.",
			Buckets: []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, 1},
		}, []string{"door"}),
		unknown: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "keypin_unknown_keys_total", Help: "Malformed keys, and keys not found, that were presented, by what they begin with.",
		}, []string{"prefix"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "keypin_build_info", Help: "1, labelled with what is running.",
		ConstLabels: prometheus.Labels{"version": version, "go_version": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(build, m.requests, m.seconds, m.verifications, m.decisions, m.unknown,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Gatherer reads the metrics, for those who export them otherwise.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// ObserveRequest counts an answered request. Route is a pattern and method a known
// one: both become labels, so neither is what a caller sent.
func (m *Metrics) ObserveRequest(route, method string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// Door gives what counts the checks answered at one door (api, verify, forward_auth,
// ext_authz) by outcome or error code. The counters are looked up once, because every
// request of every protected service passes here.
func (m *Metrics) Door(name string) func(code string, took time.Duration) {
	seconds := m.decisions.WithLabelValues(name)
	var adding sync.Mutex
	var known atomic.Pointer[map[string]prometheus.Counter] // by code, of which there are a few dozen
	known.Store(&map[string]prometheus.Counter{})
	add := func(code string) prometheus.Counter {
		adding.Lock()
		defer adding.Unlock()
		more := maps.Clone(*known.Load())
		more[code] = m.verifications.WithLabelValues(name, code)
		known.Store(&more)
		return more[code]
	}
	return func(code string, took time.Duration) {
		counter, ok := (*known.Load())[code]
		if !ok {
			counter = add(code)
		}
		counter.Inc()
		seconds.Observe(took.Seconds())
	}
}

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
