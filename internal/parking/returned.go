package parking

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// returned is a connection that is back, and on which its request can be read again.
type returned struct {
	net.Conn

	sent    []byte
	arrive  func() // ends the stay in the lot
	release func() // lets another be answered

	// The server serves the requests of a connection one after the other.
	note any // until the first is answered
}

// answerTimeMax is how long an answer may keep another from being begun: a client that
// reads slowly must not hold others up.
const answerTimeMax = time.Second

func newReturned(s *stay) *returned {
	answers := s.lot.answers
	late := time.AfterFunc(answerTimeMax, func() { <-answers })
	release := func() {
		if late.Stop() { // else it has been let go, by this or by the time
			<-answers
		}
	}
	return &returned{Conn: s.conn, sent: s.sent, note: s.note, arrive: sync.OnceFunc(s.lot.exit), release: release}
}

// Read gives what the client had sent already, then what it sends.
func (c *returned) Read(into []byte) (int, error) {
	if len(c.sent) == 0 {
		return c.Conn.Read(into) //nolint:wrapcheck // a pass-through
	}
	n := copy(into, c.sent)
	if c.sent = c.sent[n:]; len(c.sent) == 0 {
		c.sent = nil // so that it can be freed
	}
	return n, nil
}

// CloseWrite lets the server end an answer before it has read all of a request.
func (c *returned) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite() //nolint:wrapcheck // a pass-through
	}
	return nil
}

// Close may come before the request was served.
func (c *returned) Close() error {
	c.arrive()
	c.release()
	return c.Conn.Close() //nolint:wrapcheck // a pass-through
}

// key is that of a returned connection in its context.
type key struct{}

// ConnContext is for http.Server.
func (*Lot) ConnContext(ctx context.Context, conn net.Conn) context.Context {
	if c, ok := conn.(*returned); ok {
		return context.WithValue(ctx, key{}, c)
	}
	return ctx
}

func returnedOf(r *http.Request) *returned {
	c, _ := r.Context().Value(key{}).(*returned)
	return c
}

// Handler makes the note of a request be that of this one, and of none after it.
func (*Lot) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := returnedOf(r); c != nil {
			c.arrive()
			defer func() {
				c.note = nil
				c.release()
			}()
		}
		next.ServeHTTP(w, r)
	})
}

// Note gives what was left with Park if the request was parked, nil otherwise.
func (*Lot) Note(r *http.Request) any {
	if c := returnedOf(r); c != nil {
		return c.note
	}
	return nil
}
