package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/paybuf/paybuf/payment"
)

const (
	// changedSubject is that of announcements. No stream keeps it: whoever does not
	// listen at that moment never hears of them.
	changedSubject = "paybuf.changed"
	// announcedListsMax is how many calls of Announce may wait for the connection.
	announcedListsMax = 256
	// Of what came and was not handled yet. 8 MiB are about 150,000 changes.
	heardMessagesMax = 4096
	heardBytesMax    = 8 << 20
)

// announcer tells all processes of changes. It runs beside those who make them, so
// that a connection that is slow is not felt by them.
type announcer struct {
	nc    *nats.Conn
	log   *slog.Logger
	lists chan []payment.Change

	sent, dropped, heard, unreadable atomic.Int64
	listener                         atomic.Pointer[nats.Subscription]
}

func newAnnouncer(nc *nats.Conn, log *slog.Logger) *announcer {
	return &announcer{nc: nc, log: log, lists: make(chan []payment.Change, announcedListsMax)}
}

// Announcements counts changes since the start.
type Announcements struct {
	Sent    int64
	Dropped int64 // never sent: the connection was away, or too slow
	Heard   int64 // of all processes, this one included
	// MissedMessages were not handled: they came faster than that, or could not be read.
	MissedMessages int64
}

// Announce tells the listeners of all processes of changes, which are the buffer's
// from then on. It never waits, and promises nothing: without a connection they are
// dropped.
func (b *Buffer) Announce(changes []payment.Change) {
	select {
	case b.announcer.lists <- changes:
	default:
		b.announcer.dropped.Add(int64(len(changes)))
	}
}

// Changes calls handle with what is announced from now on, one call after the other,
// until stop is called. What handle keeps of a list must be copies. If handle is too
// slow, or the connection is lost, changes are missed.
func (b *Buffer) Changes(handle func([]payment.Change)) (stop func(), err error) {
	a := b.announcer
	var changes []payment.Change
	listener, err := b.nc.Subscribe(changedSubject, func(m *nats.Msg) {
		var err error
		if changes, err = decodeChanges(changes[:0], m.Data); err != nil {
			a.unreadable.Add(1)
			a.log.Debug("announcement", slog.Any("error", err)) // the release beside may speak another form
			return
		}
		a.heard.Add(int64(len(changes)))
		handle(changes)
	})
	if err != nil {
		return nil, fmt.Errorf("listen to announcements: %w", err)
	}
	if err := listener.SetPendingLimits(heardMessagesMax, heardBytesMax); err != nil {
		return nil, errors.Join(fmt.Errorf("listen to announcements: %w", err), listener.Unsubscribe())
	}
	a.listener.Store(listener)
	return func() { _ = listener.Unsubscribe() }, nil // its error is that the connection is closed
}

// Connected tells whether announcements can come and go at the moment.
func (b *Buffer) Connected() bool { return b.nc.IsConnected() }

// Announcements gives the counts.
func (b *Buffer) Announcements() Announcements {
	a := b.announcer
	counts := Announcements{Sent: a.sent.Load(), Dropped: a.dropped.Load(), Heard: a.heard.Load(), MissedMessages: a.unreadable.Load()}
	if listener := a.listener.Load(); listener != nil {
		if dropped, err := listener.Dropped(); err == nil { // else it has been stopped
			counts.MissedMessages += int64(dropped)
		}
	}
	return counts
}

// run publishes until ctx ends, and then what waits still.
func (a *announcer) run(ctx context.Context) {
	for {
		select {
		case changes := <-a.lists:
			a.publish(changes)
		case <-ctx.Done():
			for len(a.lists) > 0 {
				a.publish(<-a.lists)
			}
			return
		}
	}
}

func (a *announcer) publish(changes []payment.Change) {
	bytesMax := int(min(a.nc.MaxPayload(), announcementBytesMax))
	for len(changes) > 0 {
		message, encoded := encodeChanges(changes, bytesMax)
		// A connection that is being made again has no buffer: an error at once.
		if err := a.nc.Publish(changedSubject, message); err != nil {
			a.dropped.Add(int64(encoded))
		} else {
			a.sent.Add(int64(encoded))
		}
		changes = changes[encoded:]
	}
}
