package buffer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

// groupMax bounds how many requests go out in one burst.
const groupMax = 512

// errNoStream means that no server took the message: it is certainly not stored.
var errNoStream = errors.New("no JetStream server answers for the stream")

// publisher sends requests that wait at the same time in one burst, with one
// reply inbox for all, so that they share their round trips. Nothing lingers: a
// request that waits alone goes out alone.
type publisher struct {
	nc     *nats.Conn
	inbox  string // prefix of the reply subjects; the rest is a token
	acks   *nats.Subscription
	queue  chan *message
	places chan struct{} // one per request in flight

	mu      sync.Mutex
	token   uint64
	waiting map[uint64]*message
}

// message is one request on its way to the stream.
type message struct {
	subject string
	id      string // by which the stream tells a repetition
	body    []byte
	receipt []byte // journal record to write meanwhile, nil if none
	follows string // sequence that the subject's last message must have, "0" for none, "" for any
	token   uint64
	done    chan ack // holds the one answer, so that its sender never waits
}

// ack is what the stream answered, or why it will not.
type ack struct {
	Sequence  uint64
	Duplicate bool
	taken     bool // not stored: the subject's last message is not the one it must follow
	resent    bool // this sending was not the first
	err       error
}

// streamError is a refusal in the stream's own words.
type streamError struct {
	Code        int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *streamError) Error() string { return fmt.Sprintf("%s (err_code %d)", e.Description, e.Code) }

func newPublisher(nc *nats.Conn, inFlightMax int) (*publisher, error) {
	p := &publisher{
		nc:      nc,
		inbox:   nc.NewInbox() + ".",
		queue:   make(chan *message, inFlightMax),
		places:  make(chan struct{}, inFlightMax),
		waiting: make(map[uint64]*message),
	}
	var err error
	if p.acks, err = nc.Subscribe(p.inbox+"*", p.acknowledge); err != nil {
		return nil, fmt.Errorf("buffer: subscribe to acknowledgements: %w", err)
	}
	return p, nil
}

// run collects whatever waits and publishes it, until ctx ends.
func (p *publisher) run(ctx context.Context) {
	group := make([]*message, 0, groupMax)
	for {
		select {
		case <-ctx.Done():
			_ = p.acks.Unsubscribe() // the connection is about to close anyway
			return
		case first := <-p.queue:
			group = p.collect(append(group[:0], first))
			p.publish(group)
		}
	}
}

func (p *publisher) collect(group []*message) []*message {
	for len(group) < groupMax {
		select {
		case next := <-p.queue:
			group = append(group, next)
		default:
			return group
		}
	}
	return group
}

func (p *publisher) publish(group []*message) {
	for _, m := range group {
		header := nats.Header{messageIDHeader: {m.id}}
		if m.follows != "" {
			header[followsHeader] = []string{m.follows}
		}
		err := p.nc.PublishMsg(&nats.Msg{
			Subject: m.subject,
			Reply:   p.inbox + strconv.FormatUint(m.token, 36),
			Header:  header,
			Data:    m.body,
		})
		if err != nil {
			p.finish(m.token, ack{err: err})
		}
	}
}

// send queues a message and gives the channel of its answer. The caller holds a
// place and calls forget in the end.
func (p *publisher) send(ctx context.Context, m *message) <-chan ack {
	m.done = make(chan ack, 1)
	p.mu.Lock()
	p.token++
	m.token = p.token
	p.waiting[m.token] = m
	p.mu.Unlock()
	select {
	case p.queue <- m:
	case <-ctx.Done():
	}
	return m.done
}

// forget drops a message whose sender no longer waits.
func (p *publisher) forget(m *message) {
	p.mu.Lock()
	delete(p.waiting, m.token)
	p.mu.Unlock()
}

func (p *publisher) finish(token uint64, result ack) {
	p.mu.Lock()
	m := p.waiting[token]
	delete(p.waiting, token)
	p.mu.Unlock()
	if m != nil {
		m.done <- result
	}
}

func (p *publisher) acknowledge(reply *nats.Msg) {
	token, err := strconv.ParseUint(strings.TrimPrefix(reply.Subject, p.inbox), 36, 64)
	if err != nil {
		return // not one of ours
	}
	p.finish(token, parseAck(reply))
}

func parseAck(reply *nats.Msg) ack {
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
