package otlp

import (
	"errors"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
)

// The protocols that OTEL_EXPORTER_OTLP_PROTOCOL may name.
const (
	protocolHTTP = "http/protobuf"
	protocolGRPC = "grpc"
)

// settings are what the environment says to send, and how: a protocol each, "" = not.
type settings struct{ traces, metrics string }

// faults are what is wrong, each once.
type faults []string

func (f *faults) add(fault string) {
	if !slices.Contains(*f, fault) {
		*f = append(*f, fault)
	}
}

func (f *faults) err() error {
	if len(*f) == 0 {
		return nil
	}
	return errors.New(strings.Join(*f, "\n"))
}

func (s *settings) on() bool { return s.traces != "" || s.metrics != "" }

// read reads the variables that choose between parts of the SDK, and checks those that
// the SDK would ignore in silence when they are wrong, or repeat. The rest the SDK reads
// itself.
func read() (*settings, error) {
	s := &settings{}
	if disabled, _ := strconv.ParseBool(os.Getenv("OTEL_SDK_DISABLED")); disabled {
		return s, nil
	}
	var found faults
	s.traces = signal("TRACES", &found)
	s.metrics = signal("METRICS", &found)
	if len(found) == 0 && !s.on() {
		return s, nil
	}
	for _, which := range []string{"", "TRACES_", "METRICS_"} {
		checkEndpoint("OTEL_EXPORTER_OTLP_"+which+"ENDPOINT", &found)
		checkPairs("OTEL_EXPORTER_OTLP_"+which+"HEADERS", &found)
	}
	checkPairs("OTEL_RESOURCE_ATTRIBUTES", &found)
	checkSampler(&found)
	return s, found.err()
}

// signal is the protocol by which one signal is sent; "" when it is not. Naming an
// endpoint is asking for it.
func signal(which string, found *faults) string {
	name := "OTEL_" + which + "_EXPORTER"
	switch os.Getenv(name) {
	case "none":
		return ""
	case "otlp":
	case "":
		if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" && os.Getenv("OTEL_EXPORTER_OTLP_"+which+"_ENDPOINT") == "" {
			return ""
		}
	default:
		found.add(name + ": must be otlp or none")
		return ""
	}
	for _, name := range []string{"OTEL_EXPORTER_OTLP_" + which + "_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"} {
		switch protocol := os.Getenv(name); protocol {
		case "":
		case protocolHTTP, protocolGRPC:
			return protocol
		default:
			found.add(name + ": must be " + protocolHTTP + " or " + protocolGRPC)
			return ""
		}
	}
	return protocolHTTP
}

func checkEndpoint(name string, found *faults) {
	value := os.Getenv(name)
	if value == "" {
		return
	}
	if u, err := url.Parse(value); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		found.add(name + ": must be a URL such as http://collector:4318 (http/protobuf) or http://collector:4317 (grpc)")
	}
}

// checkPairs checks a list in the form of W3C Baggage.
func checkPairs(name string, found *faults) {
	value := os.Getenv(name)
	if value == "" {
		return
	}
	for pair := range strings.SplitSeq(value, ",") {
		key, text, ok := strings.Cut(pair, "=")
		if _, err := url.PathUnescape(text); !ok || err != nil || strings.TrimSpace(key) == "" {
			found.add(name + ": must be name=value pairs, percent-encoded, separated by commas")
			return
		}
	}
}

func checkSampler(found *faults) {
	switch os.Getenv("OTEL_TRACES_SAMPLER") {
	case "", "always_on", "always_off", "parentbased_always_on", "parentbased_always_off":
		return
	case "traceidratio", "parentbased_traceidratio":
		value := os.Getenv("OTEL_TRACES_SAMPLER_ARG")
		if share, err := strconv.ParseFloat(value, 64); value != "" && (err != nil || !(share >= 0 && share <= 1)) {
			found.add("OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1, the share of traces to keep")
		}
	default:
		found.add(
			"OTEL_TRACES_SAMPLER: must be always_on, always_off, traceidratio, parentbased_always_on, parentbased_always_off or parentbased_traceidratio")
	}
}
