package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
)

const testTimeout = 300 * time.Millisecond

// local is a poster that may send to this machine.
func local(t *testing.T, cfg Config) *poster {
	t.Helper()
	cfg.Targets.Insecure = true
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	p := newPoster(cfg.withDefaults())
	t.Cleanup(p.close)
	return p
}

// serveRaw answers each connection by a function, when a request has begun to come.
func serveRaw(t *testing.T, answer func(conn net.Conn)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if _, err := conn.Read(make([]byte, 1)); err == nil {
				answer(conn)
			}
			conn.Close()
		}
	}()
	t.Cleanup(func() { listener.Close(); <-ended })
	return "http://" + listener.Addr().String()
}

func send(t *testing.T, p *poster, url string) (Result, answer) {
	t.Helper()
	a := p.deliver(t.Context(), parcel{url: url, id: "evt_1", at: time.Now(), signature: "v1,x", body: []byte(`{"id":"evt_1"}`)})
	return judge(a), a
}

// The whole way: what a consumer gets can be verified with what Standard Webhooks
// gives to consumers, while secrets rotate with either of them.
func TestRun_consumersCanVerifyWhatTheyGet(t *testing.T) {
	type request struct {
		header http.Header
		body   []byte
	}
	got := make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- request{r.Header.Clone(), body}
	}))
	defer server.Close()
	m := newMemory()
	one := m.endpoint("acme", "whe_1", server.URL)
	m.change(one, func(e *payment.Endpoint) {
		e.OldSecret, e.OldSecretUntil = seal("the secret before this one is also long"), time.Now().Add(time.Hour)
	})
	m.tell(one, "pay_1")
	_, stop := run(t, m, nil, Config{Targets: Targets{Insecure: true}, PublicURL: "https://pay.example", Version: "1.2"})
	defer stop()
	r := <-got
	for _, secret := range []string{"a secret of whe_1 that is long enough", "the secret before this one is also long"} {
		hook, err := standardwebhooks.NewWebhookRaw([]byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		if err := hook.Verify(r.body, r.header); err != nil {
			t.Errorf("with %q: %v", secret, err)
		}
	}
	event := m.row(one, 1).Event
	want, err := object.Encode(object.EventOf(event, "https://pay.example"))
	if err != nil || !bytes.Equal(r.body, want) {
		t.Errorf("the body is\n%s, want\n%s (%v)", r.body, want, err)
	}
	for name, want := range map[string]string{
		"webhook-id": event.ID(), "content-type": "application/json", "user-agent": "Paybuf-Webhook/1.2",
	} {
		if r.header.Get(name) != want {
			t.Errorf("the header %s is %q, want %q", name, r.header.Get(name), want)
		}
	}
	until(t, "it is recorded", 10*time.Second, func() bool { return m.count(one, payment.DeliveryDelivered) == 1 })
}

func TestSign_theOldSecretEndsWithItsTime(t *testing.T) {
	now := time.Now()
	e := payment.Endpoint{
		ID: "whe_1", Secret: seal(strings.Repeat("n", 24)), OldSecret: seal(strings.Repeat("o", 24)), OldSecretUntil: now.Add(time.Minute),
	}
	s, err := newSigner(&keyring{}, e, now)
	if err != nil {
		t.Fatal(err)
	}
	both, _ := s.sign("evt_1", now, []byte("{}"))
	one, _ := s.sign("evt_1", now.Add(time.Minute), []byte("{}"))
	if strings.Count(both, "v1,") != 2 || strings.Count(one, "v1,") != 1 || !strings.Contains(both, " v1,") {
		t.Errorf("the signatures are %q, and later %q", both, one)
	}
	first, _ := s.current.Sign("evt_1", now, []byte("{}"))
	if !strings.HasPrefix(both, first+" ") {
		t.Error("the new secret's signature is not the first")
	}
}

func TestDeliver_whatAnAnswerMeans(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := 0
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.Header().Set("Location", "/200")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
	}))
	defer server.Close()
	p := local(t, Config{})
	for status, want := range map[int]Result{
		200: ResultDelivered, 204: ResultDelivered, 301: ResultRedirected, 302: ResultRedirected, 307: ResultRedirected,
		400: ResultRefused, 401: ResultRefused, 404: ResultRefused, 410: ResultGone, 429: ResultThrottled,
		500: ResultFailed, 501: ResultFailed, 502: ResultThrottled, 503: ResultThrottled, 504: ResultThrottled, 599: ResultFailed,
	} {
		result, a := send(t, p, fmt.Sprintf("%s/%d", server.URL, status))
		if result != want || a.status != status || a.retryAfter != 7*time.Second {
			t.Errorf("%d is %s (%+v), want %s", status, result, a, want)
		}
		if text := describe(result, a); (text == "") != (want == ResultDelivered) {
			t.Errorf("%d is described as %q", status, text)
		}
	}
}

func TestDeliver_whatHasNoAnswer(t *testing.T) {
	silent := serveRaw(t, func(conn net.Conn) { io.Copy(io.Discard, conn) })
	garbage := serveRaw(t, func(conn net.Conn) { io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n") })
	closed := serveRaw(t, func(net.Conn) {})
	headers := serveRaw(t, func(conn net.Conn) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
		for range 10_000 {
			if _, err := io.WriteString(conn, "X-More: "+strings.Repeat("x", 100)+"\r\n"); err != nil {
				return
			}
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = nil
	defer untrusted.Close()
	hasty, patient := local(t, Config{Timeout: testTimeout}), local(t, Config{})
	for _, test := range []struct {
		name, url, says string
		want            Result
	}{
		{"never answers", silent, "no answer in time", ResultTimeout},
		{"speaks no HTTP", garbage, "no HTTP", ResultUnreachable},
		{"closes", closed, "lost", ResultUnreachable},
		{"has endless headers", headers, "no HTTP", ResultUnreachable},
		{"is not there", "http://" + listener.Addr().String(), "refused", ResultUnreachable},
		{"has no name", "http://nobody.invalid", "resolved", ResultUnreachable},
		{"is not trusted", untrusted.URL, "certificate", ResultUnreachable},
		{"speaks no TLS", strings.Replace(closed, "http:", "https:", 1), "", ResultUnreachable},
	} {
		p := patient
		if test.want == ResultTimeout {
			p = hasty
		}
		result, a := send(t, p, test.url)
		if result != test.want || !strings.Contains(describe(result, a), test.says) {
			t.Errorf("who %s is %s, %q (%v)", test.name, result, describe(result, a), a.err)
		}
		if strings.Contains(describe(result, a), "127.0.0") {
			t.Errorf("an address is in %q", describe(result, a))
		}
	}
}

// A consumer that drips holds its place until the time-out, not longer.
func TestDeliver_aDripIsCutOff(t *testing.T) {
	drip := func(head string) string {
		return serveRaw(t, func(conn net.Conn) {
			go io.Copy(io.Discard, conn)
			io.WriteString(conn, head)
			tick := time.NewTicker(testTimeout / 30)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(conn, "x"); err != nil {
					return
				}
			}
		})
	}
	p := local(t, Config{Timeout: testTimeout})
	if result, a := send(t, p, drip("HTTP/1.1 200 OK\r\nX-")); result != ResultTimeout {
		t.Errorf("a header that drips is %s (%v)", result, a.err)
	}
	// It has said 2xx: the event was taken.
	if result, a := send(t, p, drip("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")); result != ResultDelivered || !a.slow || a.excerpt == "" {
		t.Errorf("a body that drips is %s (%+v)", result, a)
	}
}

func TestDeliver_aGigabyteIsNotRead(t *testing.T) {
	const gigabyte = 1 << 30
	var written atomic.Int64
	ended := make(chan struct{}, 1)
	url := serveRaw(t, func(conn net.Conn) {
		go io.Copy(io.Discard, conn)
		fmt.Fprintf(conn, "HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n", gigabyte)
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for written.Load() < gigabyte {
			n, err := conn.Write(chunk)
			written.Add(int64(n))
			if err != nil {
				break
			}
		}
		ended <- struct{}{}
	})
	p := local(t, Config{})
	var before, behind runtime.MemStats
	runtime.ReadMemStats(&before)
	result, a := send(t, p, url)
	runtime.ReadMemStats(&behind)
	<-ended
	if result != ResultFailed || len(a.excerpt) != excerptBytesMax {
		t.Errorf("%s with %d bytes of excerpt", result, len(a.excerpt))
	}
	// What the kernel's buffers take is gone, too.
	if n := written.Load(); n > 32<<20 {
		t.Errorf("%d bytes were taken", n)
	}
	if n := behind.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

func TestDeliver_aCompressedAnswerIsNotInflated(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("it asks for %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusBadRequest)
		w.Write([]byte("\x1f\x8b\x00\x01not inflated\xff\x00"))
	}))
	defer server.Close()
	_, a := send(t, local(t, Config{}), server.URL)
	if !strings.Contains(a.excerpt, "not inflated") || !utf8.ValidString(a.excerpt) || strings.ContainsAny(a.excerpt, "\x00\x1f") {
		t.Errorf("the excerpt is %q", a.excerpt)
	}
}

func TestDeliver_usesAConnectionAgain(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	p := local(t, Config{})
	for range 10 {
		if result, a := send(t, p, server.URL); result != ResultDelivered {
			t.Fatalf("%s: %v", result, a.err)
		}
	}
	if connections.Load() != 1 {
		t.Errorf("%d connections for 10 requests", connections.Load())
	}
}

// A proxy would dial in our place, where no address is checked.
func TestDeliver_usesNoProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	p := local(t, Config{Timeout: testTimeout})
	send(t, p, "http://nobody.invalid")
	if p.transport.Proxy != nil {
		t.Error("there is a proxy")
	}
}

func TestDeliver_speaksTLSToWhomItTrusts(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	trust := server.Client().Transport.(*http.Transport).TLSClientConfig
	p := local(t, Config{TLS: &tls.Config{RootCAs: trust.RootCAs, MinVersion: tls.VersionTLS12}})
	if result, a := send(t, p, server.URL); result != ResultDelivered {
		t.Errorf("%s: %v", result, a.err)
	}
}

var _ courier = (*poster)(nil)

func BenchmarkDelivery(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	m := newMemory()
	for i := range 10 {
		m.tellMany(m.endpoint(fmt.Sprintf("tenant-%d", i), fmt.Sprintf("whe_%d", i), server.URL), b.N/10+1)
	}
	ctx, cancel := context.WithCancel(b.Context())
	b.ReportAllocs()
	b.ResetTimer()
	s, stop := run(b, m, nil, Config{Targets: Targets{Insecure: true}, PublicURL: "https://pay.example"})
	for ctx.Err() == nil && s.Stats().Attempts[ResultDelivered] < int64(b.N) {
		pause(ctx, time.Millisecond)
	}
	b.StopTimer()
	cancel()
	stop()
}

// net/http leaves the connection of such an answer to us, and no deadline ends it.
func TestDeliver_switchedProtocolsEndInTime(t *testing.T) {
	hold := make(chan struct{})
	url := serveRaw(t, func(conn net.Conn) {
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		<-hold
	})
	defer close(hold)
	p := local(t, Config{Timeout: testTimeout})
	came := make(chan Result, 1)
	go func() {
		result, _ := send(t, p, url)
		came <- result
	}()
	select {
	case result := <-came:
		if result != ResultRefused {
			t.Errorf("it is %s, want %s", result, ResultRefused)
		}
	case <-time.After(20 * testTimeout):
		t.Fatal("it still waits")
	}
}
