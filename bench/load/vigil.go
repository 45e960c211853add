package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// vigilSenders send the payments that the crowd waits for.
	vigilSenders = 32
	// vigilWarmUp is how long all have waited when the window opens.
	vigilWarmUp = 2 * time.Second
	// vigilOverMax is how long after their time the last payments may come to their end.
	vigilOverMax = 20 * time.Second
	waitingPoll  = 50 * time.Millisecond
)

// vigilFormat is an order number: the run, the client and its payment.
const vigilFormat = `V%03dC%05dN%06d`

// vigilBody is a payment that is not to be paid before a time.
const vigilBody = `{"order_number":"%s","amount":1999,"currency":"EUR","payment_method":"tok_visa","not_before":"%s"}`

var errNoID = errors.New("the answer has no id")

// Vigil is a crowd of which each client sends a payment that is due later, waits for its
// outcome, and begins again. So Clients/Ahead payments a second come to their end, evenly.
type Vigil struct {
	Crowd
	Intake string        // host:port where payments are sent
	Ahead  time.Duration // by which a payment is sent before it is due
	Run    int           // tells the order numbers of this run from those of others; below 1000
	Window time.Duration // what is measured, after all have come and some time has passed
}

// Kept is what the crowd saw.
type Kept struct {
	Sent int64 // payments in all
	// Received says when a client had the outcome of each payment whose outcome came in
	// the window, by order number.
	Received map[string]time.Time
	// Waiting is how many waited in the window, in the mean and at least.
	WaitingMean, WaitingMin float64
	Renewed                 int64 // waits that ended without an outcome
}

// Keep carries a vigil out. It calls probe when the window opens and when it closes. An
// error means that a payment was not accepted, a wait was not answered with a payment,
// ctx ended, or probe failed.
func (v Vigil) Keep(ctx context.Context, probe func() error) (*Kept, error) {
	if err := v.check(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{
		vigil: v, head: v.head(), deadline: time.Now().Add(2*v.Ahead + vigilWarmUp + v.Window + vigilOverMax),
		cancel: cancel, due: make(chan *watcher, v.Clients),
	}
	var watching, sending sync.WaitGroup
	watchers := make([]*watcher, v.Clients)
	for i := range watchers {
		watchers[i] = &watcher{number: i, sent: make(chan sentPayment, 1), received: map[string]time.Time{}}
		watching.Go(func() { w.fail(watchers[i].run(ctx, w)) })
	}
	for range vigilSenders {
		sending.Go(func() { w.fail(w.send(ctx)) })
	}
	err := w.measure(ctx, probe)
	w.phase.set(over)
	w.fail(err)
	watching.Wait()
	close(w.due)
	sending.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return w.kept(watchers), nil
}

// check finds a vigil that cannot be kept.
func (v Vigil) check() error {
	if v.Ahead <= 0 || v.Run < 0 || v.Run >= runsMax {
		return fmt.Errorf("run %d, payments due %s ahead: that cannot be", v.Run, v.Ahead)
	}
	return v.Crowd.check()
}

// watch is what the clients of a vigil share.
type watch struct {
	vigil    Vigil
	head     string    // of the crowd's requests
	deadline time.Time // of all connections
	cancel   context.CancelCauseFunc
	phase    phase
	due      chan *watcher // who needs a payment to wait for
	waiting  atomic.Int64
	renewed  atomic.Int64
	seen     []int64 // how many waited, from time to time
}

// fail ends the vigil, if err is one.
func (w *watch) fail(err error) {
	if err != nil {
		w.cancel(err)
	}
}

// measure opens and closes the window, and counts who waits meanwhile.
func (w *watch) measure(ctx context.Context, probe func() error) error {
	if err := Pause(ctx, w.vigil.Ahead+vigilWarmUp); err != nil {
		return err
	}
	if err := probe(); err != nil {
		return err
	}
	w.phase.set(measured)
	for end := time.Now().Add(w.vigil.Window); time.Now().Before(end); {
		w.seen = append(w.seen, w.waiting.Load())
		if err := Pause(ctx, waitingPoll); err != nil {
			return err
		}
	}
	w.phase.set(over)
	return probe()
}

func (w *watch) kept(watchers []*watcher) *Kept {
	kept := &Kept{Received: map[string]time.Time{}, Renewed: w.renewed.Load()}
	for _, each := range watchers {
		kept.Sent += int64(each.times)
		maps.Copy(kept.Received, each.received)
	}
	total, least := int64(0), w.seen[0]
	for _, n := range w.seen {
		total, least = total+n, min(least, n)
	}
	kept.WaitingMean, kept.WaitingMin = float64(total)/float64(len(w.seen)), float64(least)
	return kept
}

// sentPayment is a payment that was accepted.
type sentPayment struct{ order, id string }

// watcher is a client of a vigil.
type watcher struct {
	number   int
	times    int // payments so far
	sent     chan sentPayment
	received map[string]time.Time
}

// run waits for one payment after the other. The clients come one by one, so that their
// payments are due one by one.
func (c *watcher) run(ctx context.Context, w *watch) error {
	if err := Pause(ctx, w.vigil.Ahead*time.Duration(c.number)/time.Duration(w.vigil.Clients)); err != nil {
		return err
	}
	waiting, err := w.vigil.connect(ctx, w.head, w.deadline)
	if err != nil {
		return err
	}
	defer waiting.hangUp()
	defer context.AfterFunc(ctx, waiting.hangUp)() // who waits for an answer gets none any more
	for w.phase.get() != over {
		w.due <- c // there is room for all
		var sent sentPayment
		select {
		case sent = <-c.sent:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		w.waiting.Add(1)
		err := waiting.await(sent.id, &w.renewed)
		received := time.Now()
		w.waiting.Add(-1)
		if err != nil {
			return err
		}
		if w.phase.get() == measured {
			c.received[sent.order] = received
		}
	}
	return nil
}

// await waits until a payment has come to its end.
func (w *waiter) await(id string, renewed *atomic.Int64) error {
	for {
		final, err := w.ask(id)
		if err != nil || final {
			return err
		}
		renewed.Add(1)
	}
}

// send sends payments for whoever needs one.
func (w *watch) send(ctx context.Context) error {
	c, err := dialWith(ctx, w.vigil.Intake, answerBytesMax, w.deadline)
	if err != nil {
		return err
	}
	defer func() { _ = c.conn.Close() }() // nothing is in flight on it
	for client := range w.due {
		order := fmt.Sprintf(vigilFormat, w.vigil.Run, client.number, client.times)
		body := fmt.Sprintf(vigilBody, order, time.Now().Add(w.vigil.Ahead).UTC().Format(time.RFC3339Nano))
		got, err := c.exchange(fmt.Appendf(nil, "POST /v1/payments HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
			w.vigil.Intake, Plan{APIKey: w.vigil.APIKey}.authorization(), len(body), body))
		if err != nil {
			return err
		}
		id, err := idIn(got)
		if err != nil {
			return fmt.Errorf("%w, order %s:\n%s", err, order, got.text)
		}
		client.times++
		client.sent <- sentPayment{order: order, id: id}
	}
	return nil
}

// idIn finds the id of the payment that was accepted.
func idIn(got answer) (string, error) {
	_, rest, found := bytes.Cut(got.text, []byte(`{"id":"`))
	id, _, closed := bytes.Cut(rest, []byte(`"`))
	if got.status != http.StatusAccepted || !found || !closed {
		return "", errNoID
	}
	return string(id), nil
}
