package parking

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
)

// requestBytesMax limits what is kept of a request. A longer one waits in the server.
const requestBytesMax = 4 << 10

// stay is one parked connection.
type stay struct {
	lot  *Lot
	note any

	// Under the lot's lock until the stay has ended.
	conn  net.Conn    // nil until it has been taken from the server
	sent  []byte      // what the server is to read first
	leave func() bool // ends the wait
	ended bool
}

// Park takes the connection of a request out of the server, if it can be, and says so.
// Then the handler must return and use w and r no more. begin starts the wait: it is
// given what to call when that is over, at any time and from any goroutine, and gives
// what ends it before, which tells whether it came in time: if so, over is not called.
// ok is false if it cannot wait. When it is over the request is served anew, and Note
// then gives note.
func (l *Lot) Park(
	w http.ResponseWriter, r *http.Request, note any, begin func(over func()) (leave func() (inTime bool), ok bool),
) (parked bool) {
	sent := sentBy(r)
	if sent == nil || !l.enter() {
		return false
	}
	s := &stay{lot: l, note: note}
	leave, ok := begin(s.over)
	if !ok {
		l.exit()
		return false
	}
	conn, buffered, err := http.NewResponseController(w).Hijack() // and has no deadline any more
	if err != nil {
		leave()
		l.exit()
		return false
	}
	ahead, _ := buffered.Peek(buffered.Reader.Buffered()) // in memory, so it cannot fail
	sent = append(sent, ahead...)
	if again, ok := conn.(*returned); ok {
		conn, sent = again.Conn, append(sent, again.sent...)
	}
	l.keep(s, conn, sent, leave)
	return true
}

// sentBy gives a request as it may have been sent, nil if the connection cannot be
// handed back with it.
func sentBy(r *http.Request) []byte {
	if r.ProtoMajor != 1 || r.ProtoMinor != 1 || r.TLS != nil || r.Body != http.NoBody ||
		(r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return nil
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Host)
	if err := r.Header.Write(&text); err != nil {
		return nil
	}
	text.WriteString("\r\n")
	if text.Len() > requestBytesMax {
		return nil
	}
	return bytes.Clone(text.Bytes())
}

// keep begins a stay, which may have ended already.
func (l *Lot) keep(s *stay, conn net.Conn, sent []byte, leave func() bool) {
	l.mu.Lock()
	l.since++
	s.conn, s.sent, s.leave = conn, sent, leave
	ended, closed := s.ended, l.isOver
	if !ended && !closed {
		l.parked[s] = struct{}{}
	}
	l.mu.Unlock()
	if ended || (closed && leave()) {
		l.handBack(s)
	}
}

// over ends a stay.
func (s *stay) over() {
	l := s.lot
	l.mu.Lock()
	s.ended = true
	taken := s.conn != nil
	delete(l.parked, s)
	l.mu.Unlock()
	if taken { // else keep sees to it
		l.handBack(s)
	}
}

// giveUp ends a stay of which nobody wants the answer, unless it has ended already.
func (l *Lot) giveUp(s *stay) {
	if !s.leave() {
		return
	}
	l.mu.Lock()
	delete(l.parked, s)
	l.mu.Unlock()
	l.exit()
	_ = s.conn.Close() // its client has gone, or we go
}

// handBack lets the server have a connection, if there still is one.
func (l *Lot) handBack(s *stay) {
	l.mu.Lock()
	closed := l.isOver
	if !closed {
		l.back <- s // it has room: a place in the lot is one there
	}
	l.mu.Unlock()
	if closed {
		l.exit()
		_ = s.conn.Close() // nobody is served any more
	}
}
