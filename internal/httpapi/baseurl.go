package httpapi

import (
	"net"
	"net/http"
	"net/netip"
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

// hostOf is the Host that the client asked, as far as it is a name or an address.
// Anything else, which might be a secret in the wrong place, is not sent back: the
// address that the request came to stands in for it.
func hostOf(r *http.Request) string {
	name, port := r.Host, ""
	if i := strings.LastIndexByte(name, ':'); i >= 0 && isPort(name[i+1:]) {
		name, port = name[:i], name[i:]
	}
	if isHostName(name) {
		return r.Host
	}
	if ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")); err == nil && ip.Is6() && ip.Zone() == "" {
		return "[" + ip.String() + "]" + port
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return local.String()
	}
	return "localhost"
}

const (
	digits     = "0123456789"
	hostLetter = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-." + digits
)

// isHostName reports whether name is labels of letters, digits and inner hyphens (RFC 1123,
// section 2.1).
func isHostName(name string) bool {
	if len(name) > 253 || strings.Trim(name, hostLetter) != "" {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func isPort(s string) bool { return s != "" && len(s) <= 5 && strings.Trim(s, digits) == "" }
