package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"

	"github.com/keypin/keypin/internal/clientaddr"
)

// BaseURL is the scheme and host that the client used, or what is configured, without a
// slash at its end. No part of it is anything but a host's name, an address or a port.
func (a *API) BaseURL(r *http.Request) string {
	if a.PublicURL != "" {
		return a.PublicURL
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if clientaddr.Trusts(a.TrustedProxies, clientaddr.Peer(r)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
		scheme = "https"
	}
	return scheme + "://" + hostOf(r)
}

var (
	hostLabels = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?$`)
	hostPort   = regexp.MustCompile(`^:[0-9]{1,5}$`)
)

// hostOf is the Host that the client asked, as far as it is a name or an address.
// Anything else, which might be a secret in the wrong place, is not sent back: the
// address that the request came to stands in for it.
func hostOf(r *http.Request) string {
	name, port := r.Host, ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 && hostPort.MatchString(name[i:]) {
		name, port = name[:i], name[i:]
	}
	if hostLabels.MatchString(name) && len(name) <= 253 {
		return name + port
	}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")); err == nil && ip.Is6() && ip.Zone() == "" {
		return "[" + ip.String() + "]" + port
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return local.String()
	}
	return "localhost"
}
