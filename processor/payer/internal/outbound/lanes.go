package outbound

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"time"
)

var errHeaderTooLarge = fmt.Errorf("the answer's header has more than %d bytes", headerBytesMax)

// Lanes is an http.RoundTripper to one host that makes a call in the goroutine of
// its caller, which http.Transport hands over twice (ADR 0024). What goes over a
// connection is written and read by net/http. It sends once: no error makes it
// try another connection. It is safe for concurrent use.
type Lanes struct {
	address string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	pool    pool
}

// NewLanes makes lanes to the host of base, http or https, at most so many at
// once, all of which may idle. A call beyond waits for its turn, so it needs a
// deadline; there is no other. trust replaces the system's if it is not nil.
func NewLanes(base *url.URL, connections int, trust *tls.Config) *Lanes {
	dialer := &net.Dialer{KeepAlive: keepAlive} // the call's deadline bounds the dial
	l := &Lanes{dial: dialer.DialContext, pool: pool{places: make(chan struct{}, connections)}}
	port := "80"
	if base.Scheme == "https" {
		port = "443"
		l.dial = (&tls.Dialer{NetDialer: dialer, Config: trust}).DialContext
	}
	if base.Port() != "" {
		port = base.Port()
	}
	l.address = net.JoinHostPort(base.Hostname(), port)
	return l
}

// RoundTrip implements http.RoundTripper. The host of the request's URL must be
// that of the lanes. Of the hooks of httptrace it calls GotConn and WroteRequest.
func (l *Lanes) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	lane, err := l.take(ctx)
	if err != nil {
		return nil, err
	}
	lane.begin(ctx)
	response, err := lane.exchange(request)
	if err != nil {
		l.pool.drop(lane)
		return nil, err
	}
	response.Body = &answer{
		body: response.Body, lane: lane, pool: &l.pool,
		isLast: response.Close || response.StatusCode == http.StatusSwitchingProtocols,
	}
	return response, nil
}

// CloseIdleConnections closes what idles, and what will idle after calls under way.
func (l *Lanes) CloseIdleConnections() { l.pool.close() }

// take gives a lane that idles, or a new one.
func (l *Lanes) take(ctx context.Context) (*lane, error) {
	if err := l.pool.enter(ctx); err != nil {
		return nil, fmt.Errorf("wait for a connection: %w", err)
	}
	if idle := l.pool.take(); idle != nil {
		return idle, nil
	}
	conn, err := l.dial(ctx, "tcp", l.address)
	if err != nil {
		l.pool.leave()
		return nil, err
	}
	made := &lane{conn: conn}
	made.reader, made.writer = bufio.NewReader(made), bufio.NewWriter(conn)
	return made, nil
}

// lane is one connection.
type lane struct {
	conn      net.Conn
	reader    *bufio.Reader // of the lane, for the limit
	writer    *bufio.Writer
	leftBytes int         // that may be read before the header's end; after it no limit
	inHeader  bool        // leftBytes counts
	end       func() bool // ends the watch over a call; false if it was cut off
	idleSince time.Time
}

// begin has the end of ctx cut the call off, whatever it waits for.
func (l *lane) begin(ctx context.Context) {
	l.end = context.AfterFunc(ctx, func() { _ = l.conn.SetDeadline(time.Unix(1, 0)) }) // it is closed, then
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: l.conn, Reused: !l.idleSince.IsZero()})
	}
}

func (l *lane) exchange(request *http.Request) (*http.Response, error) {
	if err := request.Write(l.writer); err != nil {
		return nil, err
	}
	if err := l.writer.Flush(); err != nil {
		return nil, err
	}
	if trace := httptrace.ContextClientTrace(request.Context()); trace != nil && trace.WroteRequest != nil {
		trace.WroteRequest(httptrace.WroteRequestInfo{})
	}
	l.inHeader, l.leftBytes = true, headerBytesMax+l.reader.Size() // it reads ahead
	for {
		response, err := http.ReadResponse(l.reader, request)
		if err != nil {
			return nil, err
		}
		isInterim := response.StatusCode < http.StatusOK && response.StatusCode != http.StatusSwitchingProtocols
		if !isInterim { // RFC 9110, section 15.2; the limit is for all of them
			l.inHeader = false
			return response, nil
		}
	}
}

// Read implements io.Reader, with a limit as long as the header lasts.
func (l *lane) Read(into []byte) (int, error) {
	if !l.inHeader {
		return l.conn.Read(into)
	}
	if l.leftBytes <= 0 {
		return 0, errHeaderTooLarge
	}
	n, err := l.conn.Read(into[:min(len(into), l.leftBytes)])
	l.leftBytes -= n
	return n, err
}

// answer is a body that gives its lane back when it is closed.
type answer struct {
	body    io.Reader
	lane    *lane
	pool    *pool
	isLast  bool // the connection must not be used again
	isWhole bool
}

// Read implements io.Reader.
func (a *answer) Read(into []byte) (int, error) {
	n, err := a.body.Read(into)
	a.isWhole = a.isWhole || errors.Is(err, io.EOF)
	return n, err
}

// Close implements io.Closer. Bytes beyond the answer would be taken for the next.
func (a *answer) Close() error {
	lane := a.lane
	if lane == nil {
		return nil // closed before
	}
	a.lane = nil
	if a.isLast || !a.isWhole || lane.reader.Buffered() > 0 || !lane.end() {
		a.pool.drop(lane)
		return nil
	}
	a.pool.give(lane)
	return nil
}
