package webhook

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"code.dny.dev/ssrf"

	"github.com/paybuf/paybuf/payment"
)

// inside are addresses that nobody outside may have us send to.
var inside = map[string]string{
	"loopback":              "127.0.0.1",
	"loopback, elsewhere":   "127.99.0.1",
	"loopback of IPv6":      "::1",
	"private, class A":      "10.1.2.3",
	"private, class B":      "172.31.255.254",
	"private, class C":      "192.168.0.10",
	"unique local":          "fd12:3456:789a::1",
	"link-local":            "169.254.1.1",
	"link-local of IPv6":    "fe80::1",
	"carrier's NAT":         "100.64.0.1",
	"carrier's NAT, end":    "100.127.255.255",
	"metadata service":      "169.254.169.254",
	"metadata over IPv6":    "fd00:ec2::254",
	"mapped loopback":       "::ffff:127.0.0.1",
	"mapped private":        "::ffff:10.0.0.1",
	"mapped metadata":       "::ffff:a9fe:a9fe",
	"compatible":            "::127.0.0.1",
	"NAT64":                 "64:ff9b::7f00:1",
	"NAT64 of metadata":     "64:ff9b::a9fe:a9fe",
	"local NAT64":           "64:ff9b:1::a00:1",
	"this network":          "0.0.0.0",
	"this network's host":   "0.1.2.3",
	"unspecified of IPv6":   "::",
	"multicast":             "224.0.0.1",
	"multicast, end":        "239.255.255.255",
	"multicast of IPv6":     "ff02::1",
	"broadcast":             "255.255.255.255",
	"reserved":              "240.0.0.1",
	"documentation 1":       "192.0.2.1",
	"documentation 2":       "198.51.100.1",
	"documentation 3":       "203.0.113.1",
	"documentation of IPv6": "2001:db8::1",
	"newer documentation":   "3fff::1",
	"benchmarks":            "198.18.0.1",
	"IETF protocols":        "192.0.0.8",
	"6to4 of loopback":      "2002:7f00:1::1",
	"6to4 relay":            "192.88.99.1",
	"Teredo":                "2001::1",
	"site-local":            "fec0::1",
	"discard only":          "100::1",
	"segment routing":       "5f00::1",
}

func isProhibited(err error) bool { return errors.Is(err, ssrf.ErrProhibitedIP) }

// The dialer itself refuses, before a connection is begun.
func TestDial_refusesWhatIsInside(t *testing.T) {
	transport := newTransport(Config{}.withDefaults())
	for name, address := range inside {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		conn, err := transport.DialContext(ctx, "tcp", net.JoinHostPort(address, "443"))
		cancel()
		if err == nil {
			conn.Close()
		}
		if !isProhibited(err) {
			t.Errorf("%s, %s: %v", name, address, err)
		}
		a := answer{err: err}
		if judge(a) != ResultForbidden || strings.Contains(describe(judge(a), a), address) {
			t.Errorf("%s is %s, %q", name, judge(a), describe(judge(a), a))
		}
	}
}

func TestCheckURL_refusesWhatIsInside(t *testing.T) {
	for name, address := range inside {
		for _, port := range []string{"", "443", "8443"} {
			host := net.JoinHostPort(address, port)
			if port == "" {
				host = strings.TrimSuffix(host, ":")
			}
			if err := (Targets{}).CheckURL("https://" + host + "/hook"); err == nil {
				t.Errorf("%s, %s is accepted", name, host)
			}
		}
	}
	for _, host := range []string{"localhost", "LOCALHOST:8443", "foo.localhost", "localhost."} {
		if err := (Targets{}).CheckURL("https://" + host); err == nil {
			t.Errorf("%s is accepted", host)
		}
	}
}

func TestCheckURL_saysWhatIsWrong(t *testing.T) {
	for text, says := range map[string]string{
		"":                              "https://",
		"example.com/hook":              "https://",
		"http://example.com":            "https://",
		"ftp://example.com":             "https://",
		"https:example.com":             "a host",
		"https:///hook":                 "a host",
		"https://":                      "a host",
		"https://:443":                  "a host",
		"https://user:pass@example.com": "user",
		"https://user@example.com":      "user",
		"https://example.com/#part":     "fragment",
		"https://example.com#":          "fragment",
		"https://example.com:0":         "port",
		"https://example.com:65536":     "port",
		"https://example.com:":          "port",
		"https://exa mple.com":          "read",
		"https://example.com/\x7f":      "read",
		"https://[::1":                  "read",
		"https://[fe80::1%25eth0]/":     "public",
		"https://10.0.0.1":              "public",
		"https://e.com/" + strings.Repeat("x", urlBytesMax): "bytes",
	} {
		err := (Targets{}).CheckURL(text)
		code, detail := payment.CodeOf(err)
		if code != payment.CodeInvalid || !strings.Contains(detail, says) {
			t.Errorf("%.60q: %s %q, want %q", text, code, detail, says)
		}
		if coded, ok := errors.AsType[*payment.Error](err); !ok || len(coded.Fields) != 1 || coded.Fields[0].Pointer != "/url" {
			t.Errorf("%.60q: %+v", text, err)
		}
	}
	for _, text := range []string{
		"https://example.com", "https://example.com:8443/hook?token=a%20b", "https://93.184.216.34/", "https://[2606:2800:220:1::1]:443/",
		"https://xn--bcher-kva.example/", "HTTPS://EXAMPLE.COM",
	} {
		if err := (Targets{}).CheckURL(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestTargets_anOperatorMayAllowMore(t *testing.T) {
	ours := Targets{Allow: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16"), netip.MustParsePrefix("fd00:2::/32")}}
	for url, allowed := range map[string]bool{
		"https://10.2.3.4": true, "https://10.3.0.1": false, "https://[fd00:2::1]": true, "https://[fd00:3::1]": false,
		"https://[::ffff:10.2.3.4]": false, "http://10.2.3.4": false, "https://127.0.0.1": false,
	} {
		if (ours.CheckURL(url) == nil) != allowed {
			t.Errorf("%s is allowed: %v, want %v", url, !allowed, allowed)
		}
	}
	trial := Targets{Insecure: true}
	for url, allowed := range map[string]bool{
		"http://127.0.0.1:9000/": true, "http://[::1]:9000": true, "http://localhost:9000": true, "https://127.0.0.1": true,
		"http://10.0.0.1": false, "http://169.254.169.254/": false, "http://example.com": true, "ftp://127.0.0.1": false,
	} {
		if (trial.CheckURL(url) == nil) != allowed {
			t.Errorf("for a trial %s is allowed: %v, want %v", url, !allowed, allowed)
		}
	}
}

// nameServer answers questions for addresses of IPv4 with the next of a list, and the
// last for ever.
func nameServer(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer, asked := make([]byte, 1500), 0
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			question, isA := questionOf(buffer[:n])
			if question == nil {
				continue
			}
			reply := append([]byte{buffer[0], buffer[1], 0x84, 0, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
			if isA {
				reply[7] = 1                                                            // answers: the name asked for, type A, class IN, 0 s
				reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, net.IPv4len) // RFC 1035, section 4.1.3
				reply = append(reply, netip.MustParseAddr(addresses[min(asked, len(addresses)-1)]).AsSlice()...)
				asked++
			}
			conn.WriteTo(reply, from)
		}
	}()
	t.Cleanup(func() { conn.Close(); <-ended })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// questionOf gives the question of a query, and whether it is for an address of IPv4.
func questionOf(query []byte) (question []byte, isA bool) {
	const header = 12
	end := header
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	end += 5 // the root, type and class
	if end > len(query) {
		return nil, false
	}
	return query[header:end], query[end-4] == 0 && query[end-3] == 1
}

// A name that was public when the endpoint was made may lead inside when it is sent to.
func TestDeliver_aNameThatTurnsInsideIsNotDialled(t *testing.T) {
	var reached atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer server.Close()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	resolver := nameServer(t, "93.184.216.34", "127.0.0.1")
	first, err := resolver.LookupHost(t.Context(), "rebind.example.")
	if err != nil || first[0] != "93.184.216.34" {
		t.Fatalf("the first answer is %v, %v", first, err)
	}
	p := newPoster(Config{Resolver: resolver}.withDefaults())
	t.Cleanup(p.close)
	result, a := send(t, p, "https://rebind.example.:"+port)
	if result != ResultForbidden || !isProhibited(a.err) {
		t.Errorf("it is %s: %v", result, a.err)
	}
	// The same, where the policy is not what stands in the way of http.
	trial := newPoster(Config{
		Resolver: nameServer(t, "169.254.169.254"), Targets: Targets{Insecure: true},
	}.withDefaults())
	t.Cleanup(trial.close)
	if result, a := send(t, trial, "http://metadata.example./latest"); result != ResultForbidden {
		t.Errorf("it is %s: %v", result, a.err)
	}
	// And the stub does resolve: what is allowed is reached.
	open := newPoster(Config{
		Resolver: nameServer(t, "127.0.0.1"), Timeout: 5 * time.Second, Targets: Targets{Insecure: true},
	}.withDefaults())
	t.Cleanup(open.close)
	if result, a := send(t, open, "http://here.example.:"+port); result != ResultDelivered || reached.Load() != 1 {
		t.Errorf("it is %s (%v), reached %d times", result, a.err, reached.Load())
	}
}

func TestDeliver_aURLThatIsNotAllowedAnyMoreIsNotSentTo(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was sent to") }))
	defer server.Close()
	p := newPoster(Config{}.withDefaults())
	t.Cleanup(p.close)
	if result, _ := send(t, p, server.URL); result != ResultForbidden {
		t.Errorf("it is %s", result)
	}
}
