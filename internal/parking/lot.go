// Package parking takes connections out of net/http while their requests wait for
// something, and gives them back when that has come.
//
// A connection that the server serves costs two goroutines, two buffers and the
// request; a parked one costs itself and the bytes of its request. The package
// promises that a request which was parked is served anew, as if it had come in only
// then, or that its connection is closed; that what the client sent after it is served
// after it; and that neither those that wait nor those that come back at once are more
// than a limit. It is the only package that hijacks connections of clients.
package parking

import (
	"context"
	"net"
	"sync"
	"time"
)

// Config has a working zero value.
type Config struct {
	// ConnectionsMax is how many may be out of the server at once; 20,000 if 0.
	ConnectionsMax int
	// AnswersMax is how many that have come back are answered at once; 128 if 0.
	AnswersMax int
	// LookEvery is how often it is looked whether clients have left; 5 s if 0.
	LookEvery time.Duration
}

const (
	connectionsMaxDefault = 20_000
	answersMaxDefault     = 128
	lookEveryDefault      = 5 * time.Second
)

func (c Config) withDefaults() Config {
	if c.ConnectionsMax == 0 {
		c.ConnectionsMax = connectionsMaxDefault
	}
	if c.AnswersMax == 0 {
		c.AnswersMax = answersMaxDefault
	}
	if c.LookEvery == 0 {
		c.LookEvery = lookEveryDefault
	}
	return c
}

// Lot is where connections are parked. It is a net.Listener, too, of connections that
// come back: an http.Server serves it besides its own listener, with the lot's
// ConnContext, and with a handler that has passed through Handler. It is safe for
// concurrent use.
type Lot struct {
	cfg Config

	back    chan *stay    // whose wait is over; it has room for all
	answers chan struct{} // holds one for each that is being answered
	emptied chan struct{} // was told that nobody is left
	closed  chan struct{}

	mu        sync.Mutex
	parked    map[*stay]struct{}
	count     int       // parked, about to be, or not with the handler yet
	since     int       // parked since memory was given back
	collected time.Time // when that was
	refuses   bool
	isOver    bool // closed is closed
}

// New makes a lot.
func New(cfg Config) *Lot {
	cfg = cfg.withDefaults()
	return &Lot{
		cfg:     cfg,
		back:    make(chan *stay, cfg.ConnectionsMax),
		answers: make(chan struct{}, cfg.AnswersMax),
		emptied: make(chan struct{}, 1),
		closed:  make(chan struct{}),
		parked:  map[*stay]struct{}{},
	}
}

// Accept gives the server a connection whose wait is over. The error is net.ErrClosed.
func (l *Lot) Accept() (net.Conn, error) {
	select {
	case l.answers <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	select {
	case s := <-l.back:
		return newReturned(s), nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Drain refuses whoever comes, and waits until the handler has all that were parked, or
// ctx ends. Whoever ends the waits does so before, and shuts the server down after: it
// answers what the handler has, and drops what it has only read.
func (l *Lot) Drain(ctx context.Context) error {
	l.mu.Lock()
	l.refuses = true
	l.mu.Unlock()
	for {
		if l.Stats().Connections == 0 {
			return nil
		}
		select {
		case <-l.emptied:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Close closes the connections that are parked or on the way back.
func (l *Lot) Close() error {
	l.mu.Lock()
	if l.isOver {
		l.mu.Unlock()
		return nil
	}
	l.refuses, l.isOver = true, true
	close(l.closed)
	parked := make([]*stay, 0, len(l.parked))
	for s := range l.parked {
		parked = append(parked, s)
	}
	l.mu.Unlock()
	for _, s := range parked {
		l.giveUp(s)
	}
	for {
		select {
		case s := <-l.back:
			l.exit()
			_ = s.conn.Close() // nobody is served any more
		default:
			return nil
		}
	}
}

// Addr is no address: nobody can connect to a lot.
func (*Lot) Addr() net.Addr { return nowhere{} }

type nowhere struct{}

func (nowhere) Network() string { return "parking" }
func (nowhere) String() string  { return "parking" }

// Stats is what is in the lot.
type Stats struct {
	Connections int // that are out of the server
}

// Stats gives the counts.
func (l *Lot) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{Connections: l.count}
}

// enter takes a place, if there is one.
func (l *Lot) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuses || l.count >= l.cfg.ConnectionsMax {
		return false
	}
	l.count++
	return true
}

func (l *Lot) exit() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count--; l.count > 0 {
		return
	}
	select {
	case l.emptied <- struct{}{}:
	default:
	}
}
