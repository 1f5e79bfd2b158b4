// Package clientaddr tells whose request it is: the connection's address, or the one
// that a trusted proxy forwards. Nothing that an untrusted peer sends has a say in it.
package clientaddr

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Peer is the address at the other end of the connection; zero when there is none.
func Peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// Trusts reports whether ip is one of the proxies.
func Trusts(proxies []netip.Prefix, ip netip.Addr) bool {
	return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Of is the address of who sent the request: the connection's, unless the peer is a
// trusted proxy; then the right-most forwarded address that is not one. It is zero,
// which no allowed_ips allows, where the proxies do not tell it: a hop that cannot be
// read, or both headers at once, one of which they only passed on.
func Of(r *http.Request, proxies []netip.Prefix) netip.Addr {
	return Behind(Peer(r), r.Header, proxies)
}

// Behind is Of for a request that came from peer with the header.
func Behind(peer netip.Addr, header http.Header, proxies []netip.Prefix) netip.Addr {
	client := peer
	if !Trusts(proxies, client) {
		return client
	}
	hops, ok := forwardedFor(header)
	if !ok {
		return netip.Addr{}
	}
	for _, hop := range slices.Backward(hops) {
		if client, ok = parseHop(hop); !ok || !Trusts(proxies, client) {
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
