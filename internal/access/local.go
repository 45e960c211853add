package access

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// proxyHeaders are what a proxy adds. One on this machine makes every request
// look local, so a request that has passed one is not.
var proxyHeaders = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via"}

// foreignness says why a request may come from elsewhere than a program on this
// machine, "" if nothing speaks for that. A local peer is not enough: the page
// of a stranger, open in a browser here, reaches loopback too, by its address
// or under a name of its own that resolves to it (DNS rebinding). Such requests
// carry the page's Origin, the stranger's name as Host, or both.
func foreignness(r *http.Request) string {
	if !loopbackPeer(r.RemoteAddr) {
		return "the peer is not on loopback"
	}
	for _, name := range proxyHeaders {
		if len(r.Header.Values(name)) > 0 {
			return "it came through a proxy (" + name + ")"
		}
	}
	if !loopbackHost(r.Host) {
		return "the Host header is not localhost or a loopback address"
	}
	if !sameOrigin(r) {
		return "it was made by a web page of another origin"
	}
	return ""
}

func loopbackPeer(remoteAddr string) bool {
	peer, err := netip.ParseAddrPort(remoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

func loopbackHost(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]") // no port
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Unmap().IsLoopback()
}

// sameOrigin tells that no browser says the request is another origin's. Programs
// that are no browsers send neither header.
func sameOrigin(r *http.Request) bool {
	for _, site := range r.Header.Values("Sec-Fetch-Site") {
		if site != "same-origin" && site != "none" { // none: typed by the user
			return false
		}
	}
	for _, origin := range r.Header.Values("Origin") {
		if origin != "http://"+r.Host && origin != "https://"+r.Host {
			return false
		}
	}
	return true
}
