package clientaddr_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/keypin/keypin/internal/clientaddr"
)

func TestTheClientsAddressIsTheRightMostThatIsNotATrustedProxy(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		peer   string
		header http.Header
		want   string
	}{
		"no header":                    {"198.51.100.1:5", nil, "198.51.100.1"},
		"untrusted peer":               {"198.51.100.1:5", http.Header{"X-Forwarded-For": {"203.0.113.7"}}, "198.51.100.1"},
		"one hop":                      {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"203.0.113.7"}}, "203.0.113.7"},
		"a spoofed hop to the left":    {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1, 203.0.113.7, 10.2.3.4"}}, "203.0.113.7"},
		"two header lines":             {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1", "203.0.113.7"}}, "203.0.113.7"},
		"all hops trusted":             {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"10.9.9.9, 10.2.3.4"}}, "10.9.9.9"},
		"rubbish ends the walk":        {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"1.1.1.1, rubbish, 10.2.3.4"}}, ""},
		"empty":                        {"10.0.0.1:5", http.Header{"X-Forwarded-For": {""}}, ""},
		"with a port":                  {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"203.0.113.7:99"}}, "203.0.113.7"},
		"IPv6 in brackets with a port": {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"[2001:db8::1]:99"}}, "2001:db8::1"},
		"IPv4 in IPv6":                 {"[::ffff:10.0.0.1]:5", http.Header{"X-Forwarded-For": {"::ffff:203.0.113.7"}}, "203.0.113.7"},
		"Forwarded":                    {"10.0.0.1:5", http.Header{"Forwarded": {`for=1.1.1.1, for="[2001:db8::1]:99";proto=https`}}, "2001:db8::1"},
		"Forwarded without an address": {"10.0.0.1:5", http.Header{"Forwarded": {`for=1.1.1.1, for=_hidden`}}, ""},
		"both headers":                 {"10.0.0.1:5", http.Header{"X-Forwarded-For": {"203.0.113.7"}, "Forwarded": {"for=1.1.1.1"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := clientaddr.Of(&http.Request{RemoteAddr: c.peer, Header: c.header}, trusted)
			if want, _ := netip.ParseAddr(c.want); got != want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
