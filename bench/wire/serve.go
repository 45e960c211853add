package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Never is the status of an answer that is never given: the connection stays open until
// the client closes it.
const Never = 0

// Handler gives the status of an answer, and what is written as its JSON.
type Handler func(Request) (status int, body any)

// Serve runs a server on a free port of loopback, writes its address to out as one
// line, and serves until in ends: so it never outlives who holds the other end.
func Serve(ctx context.Context, handler Handler, in io.Reader, out io.Writer) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s := &server{handler: handler, open: map[net.Conn]bool{}}
	var accepting sync.WaitGroup
	accepting.Go(func() { s.accept(listener) })
	_, err = fmt.Fprintln(out, listener.Addr())
	if err == nil {
		_, err = io.Copy(io.Discard, in)
	}
	err = errors.Join(err, listener.Close())
	accepting.Wait()
	s.hangUp()
	s.serving.Wait()
	return err
}

// server answers on all connections.
type server struct {
	handler Handler
	serving sync.WaitGroup

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

func (s *server) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil { // closed
			return
		}
		s.serving.Go(func() { s.serve(conn) })
	}
}

// serve answers one request after the other until the client is done. What breaks
// a connection is for its client to see.
func (s *server) serve(conn net.Conn) {
	if !s.enter(conn) {
		return
	}
	defer s.leave(conn)
	reader := bufio.NewReaderSize(conn, lineBytesMax)
	var out []byte
	for {
		r, err := readRequest(reader)
		if err != nil {
			return
		}
		status, body := s.handler(r)
		if status == Never {
			_, _ = io.Copy(io.Discard, reader) // until one of both sides hangs up
			return
		}
		if out, err = appendAnswer(out[:0], status, body); err != nil {
			return
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func (s *server) enter(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = conn.Close() // nothing was read from it
		return false
	}
	s.open[conn] = true
	return true
}

func (s *server) leave(conn net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, conn)
	_ = conn.Close() // all that was answered is written
}

// hangUp ends all connections.
func (s *server) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for conn := range s.open {
		_ = conn.Close() // its reader sees it
	}
}
