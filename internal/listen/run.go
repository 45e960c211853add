package listen

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// paymentsAtOnce is how many payments' events are under way at the same time.
const paymentsAtOnce = 8

// Feed is where events come from; *client.Client is one.
type Feed interface {
	Pages(ctx context.Context, opts client.FeedOptions) iter.Seq2[client.FeedPage, error]
}

// Run forwards events until the context ends, which is no error, and writes a summary
// then. It ends before if the API refuses, if it does not answer at all, or if the cursor
// cannot be kept.
func Run(ctx context.Context, feed Feed, opts Options) error {
	made := opts.Secret == ""
	if made {
		opts.Secret = newSecret()
	}
	l, err := newListener(opts)
	if err != nil {
		return err
	}
	defer l.forward.http.CloseIdleConnections()
	if made {
		l.report.secret(opts.Secret)
	}
	return l.run(ctx, feed)
}

// listener is one run of Run.
type listener struct {
	opts    Options
	forward *forwarder
	report  *report
	pauses  []time.Duration
	begun   bool   // the API has answered
	cursor  string // behind all that was forwarded or skipped
}

func newListener(opts Options) (*listener, error) {
	after, err := readCursor(opts.CursorFile)
	if err != nil {
		return nil, err
	}
	webhook, err := client.NewWebhook(opts.Secret)
	if err != nil {
		return nil, err
	}
	return &listener{
		opts:    opts,
		forward: newForwarder(opts.ForwardTo, webhook, paymentsAtOnce),
		report:  &report{out: opts.Stdout},
		pauses:  pauses,
		cursor:  cmp.Or(after, opts.After),
	}, nil
}

func (l *listener) run(ctx context.Context, feed Feed) error {
	err := l.follow(ctx, feed)
	if l.begun {
		l.report.summary(l.cursor)
	}
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// follow goes from page to page. Once the API has answered, an outage is waited out.
func (l *listener) follow(ctx context.Context, feed Feed) error {
	for page, err := range feed.Pages(ctx, client.FeedOptions{After: l.cursor}) {
		switch {
		case err != nil && l.begun && ctx.Err() == nil && errors.Is(err, client.ErrNoAnswer):
			continue // what asks for pages says so to whoever wants to know
		case err != nil:
			return err
		case !l.begun:
			l.begun = true
			l.report.begin(l.opts.ForwardTo, page.NextCursor)
		}
		l.page(ctx, page.Events)
		if ctx.Err() != nil {
			return context.Cause(ctx) // some of the page may not have been forwarded
		}
		if err := l.keep(page.NextCursor); err != nil {
			return err
		}
	}
	return nil
}

func (l *listener) keep(cursor string) error {
	if cursor == l.cursor {
		return nil
	}
	l.cursor = cursor
	return keepCursor(l.opts.CursorFile, cursor)
}

// page forwards events, those of several payments at the same time.
func (l *listener) page(ctx context.Context, events []client.Event) {
	queues := make(chan []client.Event)
	var lanes sync.WaitGroup
	for range min(paymentsAtOnce, len(events)) {
		lanes.Go(func() {
			for queue := range queues {
				for _, event := range queue {
					l.bring(ctx, event)
				}
			}
		})
	}
	for _, queue := range byPayment(events) {
		queues <- queue
	}
	close(queues)
	lanes.Wait()
}

// byPayment divides events into those of each payment, in their order.
func byPayment(events []client.Event) [][]client.Event {
	var queues [][]client.Event
	places := map[payment.ID]int{}
	for _, event := range events {
		place, known := places[event.PaymentID]
		if !known {
			place = len(queues)
			places[event.PaymentID] = place
			queues = append(queues, nil)
		}
		queues[place] = append(queues[place], event)
	}
	return queues
}

// bring forwards one event, again if it is not taken, until it is skipped or the context
// ends.
func (l *listener) bring(ctx context.Context, event client.Event) {
	if len(l.opts.Types) > 0 && !slices.Contains(l.opts.Types, event.Type) {
		l.report.leftOut()
		return
	}
	for try := 0; ctx.Err() == nil; try++ {
		got := l.forward.send(ctx, event)
		switch {
		case ctx.Err() != nil && !got.taken():
			return
		case got.taken():
			l.report.forwarded(event, got)
			return
		case try == len(l.pauses):
			l.report.skipped(event, got, try+1)
			return
		}
		l.report.again(event, got, l.pauses[try])
		if !rest(ctx, l.pauses[try]) {
			return
		}
	}
}
