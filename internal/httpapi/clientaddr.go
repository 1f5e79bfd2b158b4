package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// peerOf is the address at the other end of the connection; zero when there is none.
func peerOf(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

func trusts(proxies []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// clientAddr is the client's address: the connection's, unless the peer is a
// trusted proxy; then the right-most forwarded address that is not one. It is zero,
// which no allowed_ips allows, where the proxies do not tell it: a hop that cannot be
// read, or both headers at once, one of which they only passed on.
func clientAddr(r *http.Request, proxies []netip.Prefix) netip.Addr {
	client := peerOf(r)
	if !trusts(proxies, client) {
		return client
	}
	hops, ok := forwardedFor(r.Header)
	if !ok {
		return netip.Addr{}
	}
	for _, hop := range slices.Backward(hops) {
		if client, ok = parseHop(hop); !ok || !trusts(proxies, client) {
			return client
		}
	}
	return client
}

// forwardedFor lists the hops, nearest last, of X-Forwarded-For or of Forwarded
// (RFC 7239). It is not ok when there are both.
func forwardedFor(h http.Header) (hops []string, ok bool) {
	xff, forwarded := h.Values("X-Forwarded-For"), h.Values("Forwarded")
	switch {
	case len(xff) > 0 && len(forwarded) > 0:
		return nil, false
	case len(xff) > 0:
		return strings.Split(strings.Join(xff, ","), ","), true
	case len(forwarded) == 0:
		return nil, true
	}
	for _, element := range strings.Split(strings.Join(forwarded, ","), ",") {
		hop := ""
		for pair := range strings.SplitSeq(element, ";") {
			name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if strings.EqualFold(name, "for") {
				hop = strings.Trim(value, `"`)
			}
		}
		hops = append(hops, hop)
	}
	return hops, true
}

// parseHop reads an address with or without a port; IPv6 with a port is bracketed.
func parseHop(s string) (netip.Addr, bool) {
	s = strings.TrimSpace(s)
	ip, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		host, _, splitErr := net.SplitHostPort(s)
		if splitErr != nil {
			return netip.Addr{}, false
		}
		if ip, err = netip.ParseAddr(host); err != nil {
			return netip.Addr{}, false
		}
	}
	return ip.Unmap().WithZone(""), true
}

// baseURL is the scheme and host that the client used.
func (a *API) baseURL(r *http.Request) string {
	if a.PublicURL != "" {
		return a.PublicURL
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if trusts(a.TrustedProxies, peerOf(r)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https") {
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
