package outbound

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	patience = 10 * time.Second
	ok       = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
)

// host gives each request the same answer and perhaps closes the connection then.
type host struct {
	url    *url.URL
	conns  atomic.Int64
	answer string
	closes bool
}

func newHost(t *testing.T, answer string, closes bool) *host {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{url: &url.URL{Scheme: "http", Host: listener.Addr().String(), Path: "/"}, answer: answer, closes: closes}
	var workers sync.WaitGroup
	workers.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			h.conns.Add(1)
			workers.Go(func() { h.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close() // the test is over
		workers.Wait()
	})
	return h
}

func (h *host) serve(conn net.Conn) {
	defer conn.Close() // nobody to tell
	reader := bufio.NewReader(conn)
	for {
		if _, err := http.ReadRequest(reader); err != nil {
			return
		}
		if _, err := io.WriteString(conn, h.answer); err != nil || h.closes {
			return
		}
	}
}

func (h *host) lanes(t *testing.T) *Lanes {
	t.Helper()
	lanes := NewLanes(h.url, 2, nil)
	t.Cleanup(lanes.CloseIdleConnections)
	return lanes
}

// ask makes one call and gives the answer's status and body.
func (h *host) ask(t *testing.T, lanes *Lanes) (int, string, error) {
	t.Helper()
	return h.askIn(t.Context(), lanes)
}

func (h *host) askIn(ctx context.Context, lanes *Lanes) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	response, err := lanes.RoundTrip((&http.Request{Method: http.MethodPost, URL: h.url, Header: http.Header{}}).WithContext(ctx))
	if err != nil {
		return 0, "", err
	}
	body, err := ReadAnswer(response.Body)
	return response.StatusCode, string(body), errors.Join(err, response.Body.Close())
}

func (h *host) wantOK(t *testing.T, lanes *Lanes) {
	t.Helper()
	if status, body, err := h.ask(t, lanes); err != nil || status != http.StatusOK || body != "ok" {
		t.Fatalf("answered %d, %q: %v", status, body, err)
	}
}

func TestLanes_useAConnectionAgain(t *testing.T) {
	h := newHost(t, ok, false)
	lanes := h.lanes(t)
	for range 5 {
		h.wantOK(t, lanes)
	}
	if conns := h.conns.Load(); conns != 1 {
		t.Errorf("%d connections for one call after the other", conns)
	}
}

// A call on a connection that ended meanwhile would be one whose outcome nobody knows,
// and what was said without a question would be taken for the next answer.
func TestLanes_doNotUseAConnectionThatEndedOrSpokeWhileIdle(t *testing.T) {
	for name, h := range map[string]*host{
		"closed":                      newHost(t, ok, true),
		"closed as it says":           newHost(t, strings.Replace(ok, "\r\n", "\r\nConnection: close\r\n", 1), false),
		"a second answer":             newHost(t, ok+ok, false),
		"half of a second answer":     newHost(t, ok+"HTTP/1.1 408 Request", false),
		"a body until the connection": newHost(t, "HTTP/1.1 200 OK\r\n\r\nok", true),
	} {
		t.Run(name, func(t *testing.T) {
			lanes := h.lanes(t)
			for calls := int64(1); calls <= 3; calls++ {
				h.wantOK(t, lanes)
				awaitNoise(t, lanes)
				if conns := h.conns.Load(); conns != calls {
					t.Fatalf("%d calls made %d connections", calls, conns)
				}
			}
		})
	}
}

// awaitNoise waits until no idle connection could be used.
func awaitNoise(t *testing.T, lanes *Lanes) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if len(lanes.pool.idle) == 0 || !isQuiet(lanes.pool.idle[0].conn) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the connection stays quiet")
		}
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
}

func TestLanes_passInterimAnswersOver(t *testing.T) {
	h := newHost(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"+ok, false)
	lanes := h.lanes(t)
	for range 3 {
		h.wantOK(t, lanes)
	}
	if conns := h.conns.Load(); conns != 1 {
		t.Errorf("%d connections", conns)
	}
}

func TestLanes_limitTheHeaderAndNotTheBody(t *testing.T) {
	header := func(bytes int) string {
		return strings.Replace(ok, "\r\n", "\r\nX-Much: "+strings.Repeat("x", bytes)+"\r\n", 1)
	}
	h := newHost(t, header(headerBytesMax-1000), false)
	h.wantOK(t, h.lanes(t))

	long := newHost(t, strings.Replace(ok, "2\r\n\r\nok", "60000\r\n\r\n"+strings.Repeat("x", 60000), 1), false)
	if _, body, err := long.ask(t, long.lanes(t)); err != nil || len(body) != 60000 {
		t.Errorf("of 60,000 bytes %d came: %v", len(body), err)
	}
	for name, answer := range map[string]string{
		"one header": header(2 * headerBytesMax), "many answers": strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", headerBytesMax) + ok,
	} {
		much := newHost(t, answer, false)
		if _, _, err := much.ask(t, much.lanes(t)); !errors.Is(err, errHeaderTooLarge) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

func TestLanes_aCallThatIsCutOffTakesItsConnectionAlong(t *testing.T) {
	for name, answer := range map[string]string{"no answer": "", "half a body": strings.Replace(ok, "2\r\n", "20\r\n", 1)} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, answer, false)
			lanes := h.lanes(t)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, _, err := h.askIn(ctx, lanes); err == nil {
				t.Error("it was answered")
			}
			if len(lanes.pool.idle) != 0 || len(lanes.pool.places) != 0 {
				t.Errorf("%d connections idle, %d places are taken", len(lanes.pool.idle), len(lanes.pool.places))
			}
		})
	}
}

func TestLanes_closeWhatHasIdledTooLong(t *testing.T) {
	h := newHost(t, ok, false)
	lanes := h.lanes(t)
	h.wantOK(t, lanes)
	lanes.pool.idle[0].idleSince = time.Now().Add(-idleTimeout)
	h.wantOK(t, lanes)
	if conns := h.conns.Load(); conns != 2 {
		t.Errorf("%d connections, want a second instead of the old one", conns)
	}
	lanes.pool.expire()
	if len(lanes.pool.idle) != 1 || lanes.pool.expiry == nil {
		t.Error("a young connection was closed, or nobody will")
	}
	lanes.pool.idle[0].idleSince = time.Now().Add(-idleTimeout)
	lanes.pool.expire()
	if len(lanes.pool.idle) != 0 || lanes.pool.expiry != nil {
		t.Error("an old connection idles on")
	}
}

func TestLanes_keepNothingOnceClosed(t *testing.T) {
	h := newHost(t, ok, false)
	lanes := h.lanes(t)
	h.wantOK(t, lanes)
	lanes.CloseIdleConnections()
	h.wantOK(t, lanes)
	if len(lanes.pool.idle) != 0 || len(lanes.pool.places) != 0 {
		t.Errorf("%d connections idle, %d places are taken", len(lanes.pool.idle), len(lanes.pool.places))
	}
}

// A TLS connection carries more than answers: session tickets come after the handshake.
func TestLanes_useATLSConnectionAgain(t *testing.T) {
	var conns atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok") // it fails below
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			conns.Add(1)
		}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	lanes := NewLanes(address, 2, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	t.Cleanup(lanes.CloseIdleConnections)
	h := &host{url: address}
	for range 5 {
		h.wantOK(t, lanes)
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections for one call after the other", conns.Load())
	}
}
