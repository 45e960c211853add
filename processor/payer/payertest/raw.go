package payertest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// RawPayer is a server that reads requests as it should and then does what its
// script does with the connection.
type RawPayer struct {
	URL   string
	Sends atomic.Int64 // requests that were read whole
	Conns atomic.Int64 // connections that were made

	script  Script
	open    sync.Map // of net.Conn: what to close in the end
	workers sync.WaitGroup
}

// Script handles the n-th request of a connection, n from 1, and tells whether
// the connection goes on.
type Script func(conn net.Conn, request *http.Request, n int) (goOn bool)

// NewRawPayer starts a server on loopback that ends with the test.
func NewRawPayer(t *testing.T, script Script) *RawPayer {
	t.Helper()
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &RawPayer{URL: "http://" + listener.Addr().String(), script: script}
	p.workers.Go(func() { p.accept(listener) })
	t.Cleanup(func() {
		_ = listener.Close() // the test is over
		p.open.Range(func(conn, _ any) bool {
			_ = conn.(net.Conn).Close() //nolint:forcetypeassert // only these are stored
			return true
		})
		p.workers.Wait()
	})
	return p
}

func (p *RawPayer) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		p.Conns.Add(1)
		p.open.Store(conn, nil)
		p.workers.Go(func() { p.serve(conn) })
	}
}

func (p *RawPayer) serve(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // nobody to tell
	defer p.open.Delete(conn)
	reader := bufio.NewReader(conn)
	for n := 1; ; n++ {
		request, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, request.Body); err != nil {
			return
		}
		p.Sends.Add(1)
		if !p.script(conn, request, n) {
			return
		}
	}
}
