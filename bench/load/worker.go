package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

var (
	repeatMark   = []byte(`"duplicate":true`)
	acceptedMark = []byte(`"status":202`) // of an item

	errOrdersOut = errors.New("the order numbers ran out")
)

// worker is what one connection does and sees.
type worker struct {
	plan    Plan
	client  *client
	orders  *orders
	request *request
	seen    Result
	err     error // of its work, once that has ended
}

// connect gives a worker per connection. They close their connections when they
// have done their work.
func connect(ctx context.Context, plan Plan, deadline time.Time) ([]worker, error) {
	if err := plan.check(); err != nil {
		return nil, err
	}
	workers := make([]worker, plan.Connections)
	for i := range workers {
		client, err := dial(ctx, plan, deadline)
		if err != nil {
			for _, w := range workers[:i] {
				w.close()
			}
			return nil, err
		}
		workers[i] = worker{
			plan: plan, client: client, request: newRequest(plan, i),
			orders: newOrders(plan, uint64(i)),
		}
	}
	return workers, nil
}

func (w *worker) close() { _ = w.client.conn.Close() } // nothing is in flight on it

// work sends until the run is over.
func (w *worker) work(phase *phase) error {
	defer w.close()
	for {
		started := time.Now()
		got, repeats, err := w.send()
		if err != nil {
			return err
		}
		switch phase.get() {
		case measured:
			w.seen.Latency.Add(time.Since(started))
			w.judge(got, repeats)
		case over:
			return nil
		}
	}
}

// send sends the next request and waits for its answer.
func (w *worker) send() (got answer, repeats bool, err error) {
	if w.orders.placed+w.plan.items() > countsMax {
		return answer{}, false, errOrdersOut
	}
	first, repeats := w.orders.next()
	got, err = w.client.exchange(w.request.of(first))
	return got, repeats, err
}

// judge holds an answer against what was sent.
func (w *worker) judge(got answer, repeats bool) {
	items := w.plan.items()
	refused, misjudged := 0, 0
	called := bytes.Count(got.text, repeatMark)
	switch {
	case got.status != http.StatusAccepted:
		refused = items
	case w.plan.Batch > 1 && bytes.Count(got.text, acceptedMark) != items:
		refused = max(1, items-bytes.Count(got.text, acceptedMark))
	case !w.plan.CountsRepeats:
	case w.plan.Batch > 1:
		misjudged = called
	case (called > 0) != repeats:
		misjudged = 1
	}
	w.seen.Payments += int64(items)
	w.seen.Refused += int64(refused)
	w.seen.Misjudged += int64(misjudged)
	if repeats {
		w.seen.Repeats++
	}
	if refused+misjudged > 0 && w.seen.FirstWrong == "" {
		w.seen.FirstWrong = string(got.text)
	}
}

// errWrong says what was not as it should be; nil if nothing.
func (r *Result) errWrong() error {
	if r.Refused+r.Misjudged == 0 {
		return nil
	}
	return fmt.Errorf("%d payments were refused and %d taken for repeated, such as in\n%s", r.Refused, r.Misjudged, r.FirstWrong)
}
