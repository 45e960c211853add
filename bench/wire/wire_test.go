package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open serves a handler until close is called, and gives its address.
func open(t *testing.T, handler Handler) (address string, closes func()) {
	t.Helper()
	in, hold := io.Pipe()
	told, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(context.Background(), handler, in, out) }()
	line, err := bufio.NewReader(told).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), func() {
		_ = hold.Close()
		if err := <-ended; err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestServe_givesTheHandlerTheRequestAndTheClientItsAnswer(t *testing.T) {
	address, closes := open(t, func(r Request) (int, any) {
		if r.Route() != "POST /a" || r.Target.Query().Get("b") != "c" || string(r.Body) != "body" ||
			r.Header("Webhook-Id") != "evt_1" || r.Header("webhook") != "" {
			t.Errorf("%s %s %q, %q", r.Route(), r.Target, r.Body, r.head)
		}
		return http.StatusNoContent, nil
	})
	defer closes()
	conn := dial(t, address)
	if _, err := io.WriteString(conn, "POST /a?b=c HTTP/1.1\r\nHost: x\r\nwebhook-id:  evt_1 \r\nContent-Length: 4\r\n\r\nbody"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusNoContent {
		t.Fatalf("%v, %v", response, err)
	}
	_ = response.Body.Close()
}

func TestServe_neverAnswersWhereItIsToldSoAndStillEnds(t *testing.T) {
	asked := make(chan struct{}, 1)
	address, closes := open(t, func(Request) (int, any) { asked <- struct{}{}; return Never, nil })
	conn := dial(t, address)
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	closes()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("it answered with %d bytes, %v", n, err)
	}
}

func TestReadRequest_refusesWhatItCannotServe(t *testing.T) {
	for name, text := range map[string]string{
		"another version":   "GET /tally HTTP/1.0\r\n\r\n",
		"no request":        "hello\r\n\r\n",
		"a bad target":      "GET %zz HTTP/1.1\r\n\r\n",
		"too many lines":    "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", linesMax+1) + "\r\n",
		"too long a line":   "GET /" + strings.Repeat("a", lineBytesMax) + " HTTP/1.1\r\n\r\n",
		"too large a body":  "POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n",
		"a negative length": "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"half a line":       "GET / HT",
		"half a header":     "GET / HTTP/1.1\r\nHost: x\r\n",
		"half a body":       "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n1234",
	} {
		_, err := readRequest(bufio.NewReaderSize(strings.NewReader(text), lineBytesMax))
		if err == nil || errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readRequest(bufio.NewReader(strings.NewReader(""))); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
}
