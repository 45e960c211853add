package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/bench/consumer"
	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/outcome"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

const (
	// webhookKeys seal the endpoints' secrets, which are none.
	webhookKeys = "bench:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	// statusBase stands before the paths of status URLs, which nobody follows.
	statusBase = "http://127.0.0.1:8080"
	// dueIn is when all deliveries are due together: the process runs by then.
	dueIn = 4 * time.Second
	// deliverMax is the longest that all of them may take.
	deliverMax = 90 * time.Second
	// freshPerSecond is the steady rate of payments whose events are timed.
	freshPerSecond = 200
	// freshWarmUp is more than a worker takes to notice an endpoint that had nothing to
	// be told for long.
	freshWarmUp = 2 * time.Second
)

// webhookFlags let deliveries go to this machine, and without TLS.
var webhookFlags = []string{"--webhook-insecure", "--public-url", statusBase}

// hooks are the webhooks of a house: who is told, and what is left to tell.
type hooks struct {
	*house
	consumer *subject.Subject
	teller   *consumer.Teller
	outbox   *outcome.Outbox
}

// openHooks starts the consumer. After an error everything has been stopped again, except
// the house.
func (h *house) openHooks(ctx context.Context) (_ *hooks, err error) {
	h.installation.Set("PAYBUF_WEBHOOK_KEYS", webhookKeys)
	k := &hooks{house: h}
	if k.consumer, err = subject.StartConsumer(ctx, h.dir); err != nil {
		return nil, err
	}
	k.teller = consumer.NewTeller(k.consumer.Address)
	if k.outbox, err = outcome.OpenOutbox(ctx, h.postgres.URL()); err != nil {
		return nil, errors.Join(err, k.closeHooks())
	}
	return k, nil
}

// closeHooks stops the consumer.
func (k *hooks) closeHooks() error {
	var err error
	if k.outbox != nil {
		err = k.outbox.Close(context.Background())
	}
	k.teller.Close()
	return errors.Join(err, k.consumer.Stop())
}

// url is where the endpoint with a number is.
func (k *hooks) url(number int) string {
	return "http://" + k.consumer.Address + consumer.HookPath(number)
}

// register makes endpoints over the API: so many for each tenant, by its key.
func (k *hooks) register(ctx context.Context, each int, keys ...string) error {
	if err := k.serve(ctx, "status", webhookFlags...); err != nil {
		return err
	}
	for i, key := range keys {
		for j := range each {
			if err := k.registerOne(ctx, key, k.url(i*each+j)); err != nil {
				return err
			}
		}
	}
	return k.stop()
}

func (k *hooks) registerOne(ctx context.Context, key, url string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errAnswerSlow)
	defer cancel()
	body, err := json.Marshal(map[string]string{"url": url, "secret": consumer.Secret})
	if err != nil {
		return fmt.Errorf("register %s: %w", url, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"http://"+k.server.Address+"/v1/webhook-endpoints", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("register %s: %w", url, err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	request.Close = true // nothing is to stay open
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("register %s: %w", url, errors.Join(err, context.Cause(ctx)))
	}
	defer func() { _ = response.Body.Close() }() // of no more use
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("register %s: the answer is %s", url, response.Status)
	}
	return nil
}

// sent is what came of one run of deliveries.
type sent struct {
	deliveries int64 // that count
	took       time.Duration
	tally      consumer.Tally
	meter      stageMeter
}

// send has a process with the role webhook deliver everything that is kept, and waits until
// it has. Deliveries to exceptURL are not waited for and not counted; it hangs, if an
// endpoint is to.
func (k *hooks) send(ctx context.Context, exceptURL string, hangs bool) (sent, error) {
	hangingPath := ""
	if hangs {
		hangingPath = consumer.HookPath(0)
	}
	if err := errors.Join(k.outbox.Restore(ctx, dueIn), k.teller.Reset(ctx, hangingPath)); err != nil {
		return sent{}, err
	}
	if err := k.serve(ctx, "webhook", webhookFlags...); err != nil {
		return sent{}, err
	}
	done := sent{meter: stageMeter{stage: k.stage, outside: k.consumer}}
	if err := done.meter.read(ctx); err != nil {
		return sent{}, err
	}
	waiting, err := k.outbox.Deliveries(ctx, exceptURL)
	if err != nil {
		return sent{}, err
	}
	if waiting.All == 0 || waiting.Delivered > 0 {
		return sent{}, fmt.Errorf("%d of %d deliveries were made before they were due", waiting.Delivered, waiting.All)
	}
	if err := k.awaitDelivered(ctx, exceptURL, waiting.All); err != nil {
		return sent{}, err
	}
	if err := done.meter.read(ctx); err != nil {
		return sent{}, err
	}
	delivered, err := k.outbox.Deliveries(ctx, exceptURL)
	if err != nil {
		return sent{}, err
	}
	if done.tally, err = k.teller.Tally(ctx); err != nil {
		return sent{}, err
	}
	if done.tally.Forged > 0 || done.tally.Checked == 0 || (done.tally.Hung > 0) != hangs {
		return sent{}, fmt.Errorf("the consumer has counted %+v", done.tally)
	}
	done.deliveries, done.took = delivered.Delivered, delivered.Last.Sub(done.tally.First)
	if hangs {
		return done, k.kill() // what it has under way never ends
	}
	return done, k.stop()
}

// awaitDelivered waits until so many deliveries have succeeded. The database is asked last,
// for the reason that finish has.
func (k *hooks) awaitDelivered(ctx context.Context, exceptURL string, deliveries int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deliverMax, errUnfinished)
	defer cancel()
	received := func(ctx context.Context) (int64, error) {
		tally, err := k.teller.Tally(ctx)
		return tally.Events, err
	}
	delivered := func(ctx context.Context) (int64, error) {
		found, err := k.outbox.Deliveries(ctx, exceptURL)
		return found.Delivered, err
	}
	if err := awaitCount(ctx, received, deliveries); err != nil {
		return fmt.Errorf("deliveries received: %w", err)
	}
	if err := awaitCount(ctx, delivered, deliveries); err != nil {
		return fmt.Errorf("deliveries on record: %w", err)
	}
	return nil
}

// deliver measures how fast one endpoint is told of a backlog, and how soon of what has
// just happened.
func (b *bench) deliver(ctx context.Context, h *house, t *report.Telling) (err error) {
	k, err := h.openHooks(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.closeHooks()) }()
	if err := k.register(ctx, 1, h.key); err != nil {
		return err
	}
	if err := b.fillHouse(ctx, h, b.opts.tell.webhooks, h.key); err != nil {
		return err
	}
	if err := k.outbox.Keep(ctx); err != nil {
		return err
	}
	done, err := k.send(ctx, "", false)
	if err != nil {
		return err
	}
	t.Delivery.Backlog = done.meter.flow(done.deliveries, done.took)
	t.Delivery.Repeats = done.tally.Deliveries - done.tally.Events
	b.sayFlow(installed, "webhooks", t.Delivery.Backlog)
	if t.Delivery.Fresh, err = b.freshen(ctx, k); err != nil {
		return err
	}
	b.say("webhooks   %8.0f payments/s  p50 %6.1f ms  p99 %6.1f ms from the commit\n",
		t.Delivery.Fresh.PerSecond, milliseconds(t.Delivery.Fresh.P50), milliseconds(t.Delivery.Fresh.P99))
	return nil
}

// freshen measures how soon events are told, when there is nothing else to tell.
func (b *bench) freshen(ctx context.Context, k *hooks) (_ report.Delay, err error) {
	if err := errors.Join(k.serve(ctx, "webhook", webhookFlags...), k.teller.Reset(ctx, "")); err != nil {
		return report.Delay{}, err
	}
	worker, err := k.work(ctx)
	if err != nil {
		return report.Delay{}, err
	}
	defer func() { err = errors.Join(err, worker.Stop()) }()
	before, err := k.outbox.Deliveries(ctx, "")
	if err != nil {
		return report.Delay{}, err
	}
	plan := b.plan(k.stage)
	plan.Address, plan.APIKey, plan.Window, plan.WarmUp = worker.Address, k.key, b.opts.tell.fresh, freshWarmUp
	b.runs++
	opens := time.Now().Add(plan.WarmUp)
	paced, err := load.Pace(ctx, plan, freshPerSecond)
	if err != nil {
		return report.Delay{}, err
	}
	if err := awaitCount(ctx, k.ledger.Count, int64(b.opts.tell.webhooks)+paced.Payments); err != nil {
		return report.Delay{}, err
	}
	after, err := k.outbox.Deliveries(ctx, "")
	if err != nil {
		return report.Delay{}, err
	}
	if err := k.awaitDelivered(ctx, "", after.All-before.All); err != nil {
		return report.Delay{}, err
	}
	receipts, err := k.teller.Receipts(ctx)
	if err != nil {
		return report.Delay{}, err
	}
	events, err := k.outbox.Events(ctx)
	if err != nil {
		return report.Delay{}, err
	}
	delay, err := freshOf(receipts, events, opens)
	delay.PerSecond, delay.LateMax = float64(len(paced.Accepted))/plan.Window.Seconds(), paced.LateMax
	return delay, errors.Join(err, k.stop())
}

// freshOf joins what the consumer was told with what Postgres has committed since a time.
func freshOf(receipts []consumer.Receipt, events map[int64]time.Time, since time.Time) (report.Delay, error) {
	var took load.Histogram
	for _, receipt := range receipts {
		sequence, err := strconv.ParseInt(receipt.Event[strings.LastIndexByte(receipt.Event, '_')+1:], 10, 64)
		if err != nil {
			return report.Delay{}, fmt.Errorf("event %q: %w", receipt.Event, err)
		}
		committed, known := events[sequence]
		if !known {
			return report.Delay{}, fmt.Errorf("event %s was told and is not on record", receipt.Event)
		}
		if !committed.Before(since) {
			took.Add(receipt.At.Sub(committed))
		}
	}
	return report.Delay{Payments: took.Count(), P50: took.Quantile(0.50), P99: took.Quantile(0.99)}, nil
}
