package payertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// OpenHTTP makes a payer that is called at a base URL.
type OpenHTTP func(t *testing.T, baseURL string) Payer

// bytesMax is what a hostile server may get rid of before the payer hangs up: the
// kernel's socket buffers, which are most of it, and the payer's own.
const bytesMax = 32 << 20

// hostile is a server that proves nothing with its answer, whatever was asked.
type hostile struct {
	name   string
	script Script
}

// RunHTTP holds a payer that is called over HTTP to one send per call, bounded
// time, bounded memory, and "unknown" for what proves nothing.
func RunHTTP(t *testing.T, open OpenHTTP) {
	for _, h := range append(hostiles(), foreign()...) {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			provesNothing(t, open, h.script)
		})
	}
	t.Run("refusedConnection", func(t *testing.T) {
		t.Parallel()
		refusedConnection(t, open)
	})
	t.Run("connectionThatDiesInUse", func(t *testing.T) {
		t.Parallel()
		connectionThatDiesInUse(t, open)
	})
	t.Run("endlessAnswers", func(t *testing.T) {
		t.Parallel()
		for name, chunk := range endless() {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				endlessAnswer(t, open, chunk)
			})
		}
	})
}

// hostiles do not speak HTTP properly.
func hostiles() []hostile {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	return []hostile{
		{"closesWithoutAnswer", once("")},
		{"resetsWithoutAnswer", reset},
		{"speaksAnotherProtocol", once("220 mail.example ESMTP ready\r\n")},
		{"garbageStatusLine", once("HTTP/1.1 2OO \x00\x1b[31m\r\n\r\n")},
		{"halfAStatusLine", once("HTTP/1.1 20")},
		{"halfTheHeaders", once(head)},
		{"halfTheBody", once(head + "Content-Length: 500\r\n\r\n{\"status\":")},
		{"brokenChunks", once(head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n")},
		{"noBody", once(head + "Content-Length: 0\r\n\r\n")},
		{"headersByteByByte", trickle(head + "X-Slow: ")},
		{"bodyByteByByte", trickle(head + "\r\n")},
		{"silence", trickle("")},
		// net/http hands the connection over, which no deadline of the request ends.
		{"switchesProtocols", trickle("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")},
	}
}

// foreign answers are proper HTTP that is not the payer's word about a charge.
func foreign() []hostile {
	var all []hostile
	for _, code := range []int{
		http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent, http.StatusMovedPermanently,
		http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect, http.StatusBadRequest,
		http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound,
		http.StatusRequestTimeout, http.StatusConflict, http.StatusGone, http.StatusUnprocessableEntity,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	} {
		page := "<html>" + PaymentMethod + "</html>"
		text := fmt.Sprintf("HTTP/1.1 %d %s\r\nLocation: /elsewhere\r\nContent-Type: text/html\r\nConnection: close\r\n",
			code, http.StatusText(code))
		if code != http.StatusNoContent {
			text += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(page), page)
		} else {
			text += "\r\n"
		}
		all = append(all, hostile{fmt.Sprintf("pageWithStatus%d", code), once(text)})
	}
	return all
}

func provesNothing(t *testing.T, open OpenHTTP, script Script) {
	t.Helper()
	server := NewRawPayer(t, script)
	s := subject{Subject: Subject{Payer: open(t, server.URL)}, t: t}
	request := NewRequest(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), callTimeout, errTestDeadline)
	defer cancel()
	began := time.Now()
	s.want(s.chargeIn(ctx, request), payment.VerdictUnknown)
	if sends := server.Sends.Load(); sends != 1 {
		t.Errorf("one charge was sent %d times", sends)
	}
	again, cancelAgain := context.WithTimeoutCause(t.Context(), callTimeout, errTestDeadline)
	defer cancelAgain()
	s.want(s.lookupFor(again, request.ID, request.Money), payment.VerdictUnknown)
	last, cancelLast := context.WithTimeoutCause(t.Context(), callTimeout, errTestDeadline)
	defer cancelLast()
	s.hostileVoid(last, t, request)
	if took := time.Since(began); took > 3*callTimeout+graceful {
		t.Errorf("three calls took %s, their deadlines were %s each", took, callTimeout)
	}
}

// refusedConnection: nobody listens, so nothing was sent. A look-up that could
// not be made still proves nothing about the charge.
func refusedConnection(t *testing.T, open OpenHTTP) {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s := subject{Subject: Subject{Payer: open(t, "http://"+address)}, t: t}
	request := NewRequest(t)
	s.want(s.charge(request), payment.VerdictNotCharged)
	s.want(s.lookup(request), payment.VerdictUnknown)
	s.hostileVoid(t.Context(), t, request)
}

// connectionThatDiesInUse: a kept connection ends after it took a request, the
// case in which net/http sends a POST with an Idempotency-Key again by itself.
func connectionThatDiesInUse(t *testing.T, open OpenHTTP) {
	t.Helper()
	server := NewRawPayer(t, func(conn net.Conn, _ *http.Request, n int) bool {
		if n > 1 {
			return false
		}
		_, err := io.WriteString(conn, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
		return err == nil
	})
	s := subject{Subject: Subject{Payer: open(t, server.URL)}, t: t}
	s.want(s.charge(NewRequest(t)), payment.VerdictUnknown)
	s.want(s.charge(NewRequest(t)), payment.VerdictUnknown)
	if conns := server.Conns.Load(); conns != 1 {
		t.Fatalf("%d connections, want the first to be used again", conns)
	}
	if sends := server.Sends.Load(); sends != 2 {
		t.Errorf("two charges were sent %d times", sends)
	}
}

// endless gives beginnings of answers, and what is repeated after them.
func endless() map[string][2]string {
	const head = "HTTP/1.1 200 OK\r\n"
	return map[string][2]string{
		"body":          {head + "\r\n", strings.Repeat("x", 4096)},
		"json":          {head + "Content-Type: application/json\r\n\r\n", strings.Repeat("[", 4096)},
		"headers":       {head, "X-More: " + strings.Repeat("x", 4096) + "\r\n"},
		"statusLine":    {"HTTP/1.1 200 ", strings.Repeat("x", 4096)},
		"informational": {"", strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 64)},
	}
}

// endlessAnswer counts what the server got rid of before the payer hung up.
func endlessAnswer(t *testing.T, open OpenHTTP, chunk [2]string) {
	t.Helper()
	var written atomic.Int64
	hungUp := make(chan struct{}, 2)
	server := NewRawPayer(t, func(conn net.Conn, _ *http.Request, _ int) bool {
		defer func() { hungUp <- struct{}{} }()
		for text := chunk[0] + chunk[1]; written.Load() < bytesMax; text = chunk[1] {
			n, err := io.WriteString(conn, text)
			written.Add(int64(n))
			if err != nil {
				return false
			}
		}
		return false
	})
	s := subject{Subject: Subject{Payer: open(t, server.URL)}, t: t}
	ctx, cancel := context.WithTimeoutCause(t.Context(), patience, errTestDeadline)
	defer cancel()
	s.want(s.chargeIn(ctx, NewRequest(t)), payment.VerdictUnknown)
	select {
	case <-hungUp:
	case <-ctx.Done():
		t.Fatal("the payer did not hang up")
	}
	if written.Load() >= bytesMax {
		t.Errorf("the payer took %d bytes", written.Load())
	}
}

// once answers with a text and closes.
func once(text string) Script {
	return func(conn net.Conn, _ *http.Request, _ int) bool {
		_, _ = io.WriteString(conn, text) // the payer may have left
		return false
	}
}

func reset(conn net.Conn, _ *http.Request, _ int) bool {
	if tcp, isTCP := conn.(*net.TCPConn); isTCP {
		_ = tcp.SetLinger(0) // it closes either way
	}
	return false
}

// trickle answers with a text and then a byte at a time, until the payer leaves.
func trickle(text string) Script {
	return func(conn net.Conn, _ *http.Request, _ int) bool {
		_, err := io.WriteString(conn, text)
		if text == "" {
			_, _ = io.Copy(io.Discard, conn) // it ends when the payer leaves
			return false
		}
		tick := time.NewTicker(pause)
		defer tick.Stop()
		for err == nil {
			<-tick.C
			_, err = io.WriteString(conn, "x")
		}
		return false
	}
}
