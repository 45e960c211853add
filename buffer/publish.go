package buffer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/internal/fault"
)

const (
	resendAfter   = time.Second            // without an answer, with the same id
	refusedPause  = 100 * time.Millisecond // after "no server", which comes at once
	overduePeriod = 50 * time.Millisecond  // between looks for what got no answer
)

var (
	// errNoStream means that no server took the message: it is certainly not stored.
	errNoStream   = errors.New("no JetStream server answers for the stream")
	errPutTimeout = errors.New("the stream did not answer in time")
	errNoPlace    = errors.New("too many requests wait for the stream")
	errClosed     = errors.New("the buffer is closed")
)

// publisher sends messages that wait at the same time in one burst, with one
// reply inbox for all, while the journal syncs their receipts in one group. So
// they share their round trips and nothing lingers: what waits alone goes out
// alone. It also sends again what got no answer, for all messages at once, so
// that none needs a timer of its own.
type publisher struct {
	nc       *nats.Conn
	journal  *journal.Journal // nil if there is none
	patience time.Duration    // until a sending ends without an answer
	inbox    string           // prefix of the reply subjects; the rest is a token
	acks     *nats.Subscription
	wake     chan struct{} // holds a token whenever something began to wait
	outgoing nats.Msg      // the message being published; only run uses it

	// slots hold what is in flight. A token tells a slot and which use of it, so
	// that a late answer never finds another message.
	slots []atomic.Pointer[sending]

	mu     sync.Mutex
	queue  []*sending // to be sent
	spare  []*sending // an earlier queue, emptied
	free   []uint64   // slots
	uses   uint64     // of all slots
	closed bool
}

// ack is what the stream answered, or why it will not.
type ack struct {
	Sequence  uint64
	Duplicate bool
	taken     bool // not stored: the subject's last message is not the one it must follow
	err       error
}

// streamError is a refusal in the stream's own words.
type streamError struct {
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *streamError) Error() string { return fmt.Sprintf("%s (err_code %d)", e.Description, e.Code) }

func newPublisher(nc *nats.Conn, j *journal.Journal, cfg Config) (*publisher, error) {
	p := &publisher{
		nc:       nc,
		journal:  j,
		patience: cfg.PutTimeout,
		inbox:    nc.NewInbox() + ".",
		wake:     make(chan struct{}, 1),
		outgoing: nats.Msg{Header: nats.Header{messageIDHeader: {""}}},
		slots:    make([]atomic.Pointer[sending], cfg.InFlightMax),
		free:     make([]uint64, 0, cfg.InFlightMax),
	}
	for slot := range p.slots {
		p.free = append(p.free, uint64(slot))
	}
	var err error
	if p.acks, err = nc.Subscribe(p.inbox+"*", p.acknowledge); err != nil {
		return nil, fmt.Errorf("buffer: subscribe to acknowledgements: %w", err)
	}
	return p, nil
}

// send lets a message go out. The error is errNoPlace or errClosed, and nothing
// has been sent then.
func (p *publisher) send(m message) (*sending, error) {
	now := time.Now()
	s := &sending{
		message: m, deadline: now.Add(p.patience), resendAt: now.Add(resendAfter),
		kept: p.journal == nil || m.receipt == nil, done: make(chan struct{}),
	}
	keeps := !s.kept // who reads it later must hold the lock
	fault.At(fault.BufferSending)
	if err := p.enqueue(s); err != nil {
		return nil, err
	}
	if keeps {
		kept := func(err error) {
			fault.At(fault.BufferSynced)
			p.release(s, s.keep(refusalOf(err)))
		}
		if err := p.journal.Enqueue(m.receipt, kept); err != nil {
			kept(err)
		}
	}
	return s, nil
}

func (p *publisher) enqueue(s *sending) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errClosed
	case len(p.free) == 0:
		return errNoPlace
	}
	slot := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	s.token = p.uses*uint64(len(p.slots)) + slot
	p.uses++
	p.slots[slot].Store(s)
	p.wait(s)
	return nil
}

// wait queues a sending. The caller holds mu.
func (p *publisher) wait(s *sending) {
	p.queue = append(p.queue, s)
	if len(p.queue) == 1 {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// release frees the slot of a sending that has just ended.
func (p *publisher) release(s *sending, ended bool) {
	if !ended {
		return
	}
	slot := s.token % uint64(len(p.slots))
	p.slots[slot].Store(nil)
	p.mu.Lock()
	p.free = append(p.free, slot)
	p.mu.Unlock()
}

// run publishes whatever waits, until ctx ends.
func (p *publisher) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			_ = p.acks.Unsubscribe() // the connection is about to close anyway
			return
		case <-p.wake:
			p.publishWaiting()
		}
	}
}

// watch ends what had its time and lets what was not answered go out again, until
// ctx ends. All that is in flight then ends with an error. It never touches the
// connection, which may block.
func (p *publisher) watch(ctx context.Context) {
	look := time.NewTicker(overduePeriod)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			p.close()
			return
		case now := <-look.C:
			p.lookAt(now)
		}
	}
}

// publishWaiting steps aside once before it takes what waits, so that whoever can
// run comes along; otherwise bursts would have half the size.
func (p *publisher) publishWaiting() {
	runtime.Gosched()
	p.mu.Lock()
	group := p.queue
	p.queue, p.spare = p.spare[:0], nil
	p.mu.Unlock()
	for _, s := range group {
		p.publish(s)
	}
	clear(group)
	p.mu.Lock()
	p.spare = group
	p.mu.Unlock()
}

func (p *publisher) publish(s *sending) {
	if s.over() {
		return // the journal refused it, or its time was over before its turn
	}
	m := &p.outgoing
	m.Subject, m.Reply, m.Data = s.subject, p.inbox+strconv.FormatUint(s.token, 36), s.body
	m.Header[messageIDHeader][0] = s.id
	delete(m.Header, followsHeader)
	if s.follows != "" {
		m.Header[followsHeader] = []string{s.follows}
	}
	if err := p.nc.PublishMsg(m); err != nil {
		p.release(s, s.hear(ack{err: err}, time.Now()))
	}
	fault.At(fault.BufferPublished)
}

func (p *publisher) lookAt(now time.Time) {
	for slot := range p.slots {
		s := p.slots[slot].Load()
		if s == nil {
			continue
		}
		again, ended := s.overdue(now)
		p.release(s, ended)
		if again {
			p.mu.Lock()
			p.wait(s)
			p.mu.Unlock()
		}
	}
}

// close lets nothing in any more and ends what waits.
func (p *publisher) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	for slot := range p.slots {
		if s := p.slots[slot].Load(); s != nil {
			p.release(s, s.giveUp(errClosed))
		}
	}
}

func (p *publisher) acknowledge(reply *nats.Msg) {
	token, err := strconv.ParseUint(strings.TrimPrefix(reply.Subject, p.inbox), 36, 64)
	if err != nil {
		return // not one of ours
	}
	s := p.slots[token%uint64(len(p.slots))].Load()
	if s == nil || s.token != token {
		return // ended before
	}
	fault.At(fault.BufferAcknowledged)
	p.release(s, s.hear(parseAck(reply), time.Now()))
}

func parseAck(reply *nats.Msg) ack {
	if stored, ok := parseStored(reply.Data); ok {
		return stored
	}
	if len(reply.Data) == 0 && reply.Header.Get("Status") == "503" {
		return ack{err: errNoStream}
	}
	var wire struct {
		Sequence  uint64       `json:"seq"`
		Duplicate bool         `json:"duplicate"`
		Error     *streamError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &wire); err != nil {
		return ack{err: fmt.Errorf("unreadable acknowledgement: %w", err)}
	}
	if wire.Error != nil {
		if wire.Error.Code == codeWrongLastSequence {
			return ack{taken: true}
		}
		return ack{err: wire.Error}
	}
	if wire.Sequence == 0 {
		return ack{err: errors.New("acknowledgement without a sequence")}
	}
	return ack{Sequence: wire.Sequence, Duplicate: wire.Duplicate}
}

var (
	ackStart    = []byte(`{"stream":"`)
	ackSequence = []byte(`","seq":`)
)

// parseStored reads what all but a few answers look like, {"stream":"S","seq":1},
// and leaves every other form to the JSON decoder, which takes ten times as long.
func parseStored(data []byte) (ack, bool) {
	rest, ok := bytes.CutPrefix(data, ackStart)
	if !ok {
		return ack{}, false
	}
	_, rest, ok = bytes.Cut(rest, ackSequence)
	if !ok {
		return ack{}, false
	}
	digits, ok := bytes.CutSuffix(rest, []byte{'}'})
	if !ok {
		return ack{}, false
	}
	sequence, err := strconv.ParseUint(string(digits), 10, 64)
	return ack{Sequence: sequence}, err == nil && sequence > 0
}
