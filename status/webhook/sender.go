package webhook

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
)

// Sender delivers what the outbox says is due. Build it with New, run it with Run.
type Sender struct {
	outbox  Outbox
	janitor Janitor
	opener  Opener
	courier courier
	cfg     Config
	log     *slog.Logger
	worker  string

	mu      sync.Mutex
	roster  *roster
	workers sync.WaitGroup // requests under way

	woken   chan struct{} // there may be something due anywhere
	hungry  chan struct{} // an endpoint wants more
	results chan struct{} // there are some
	counts  counters
}

// New builds a sender with a worker's id of its own. Its error names a setting that
// cannot work.
func New(outbox Outbox, janitor Janitor, opener Opener, cfg Config) (*Sender, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	return &Sender{
		outbox: outbox, janitor: janitor, opener: opener, courier: newPoster(cfg), cfg: cfg, log: cfg.Logger,
		worker: "whw_" + rand.Text(), roster: newRoster(cfg),
		woken: make(chan struct{}, 1), hungry: make(chan struct{}, 1), results: make(chan struct{}, 1),
	}, nil
}

// Run sends until ctx ends. Then it begins nothing new, waits for the requests under
// way, which Timeout bounds, writes their results and gives its endpoints back.
func (s *Sender) Run(ctx context.Context) {
	sending := context.WithoutCancel(ctx)
	recording, stopRecording := context.WithCancelCause(sending)
	defer stopRecording(nil)
	sent := make(chan struct{})

	var keepers, recorder sync.WaitGroup
	keepers.Go(func() { s.keep(ctx, sending) })
	keepers.Go(func() { s.sweep(ctx) })
	recorder.Go(func() { s.record(recording, sent) })

	<-ctx.Done()
	s.mu.Lock()
	s.roster.stopping = true
	s.mu.Unlock()
	keepers.Wait()
	s.workers.Wait()
	stop := time.AfterFunc(s.cfg.StopTimeout, func() { stopRecording(errStopped) })
	defer stop.Stop()
	close(sent)
	recorder.Wait()
	s.leave(sending, nil)
	if p, ok := s.courier.(*poster); ok {
		p.close()
	}
}

var errStopped = errors.New("the sender is stopping")

// Wake tells that something may be due. It never blocks.
func (s *Sender) Wake() { signal(s.woken) }

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default: // it is known
	}
}

// pump begins requests while there are places and something to send.
func (s *Sender) pump(sending context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pumpLocked(sending)
}

func (s *Sender) pumpLocked(sending context.Context) {
	for {
		j, ok := s.roster.take(time.Now())
		if !ok {
			return
		}
		s.workers.Go(func() { s.work(sending, j) })
	}
}

// work makes a request, and those after it for which there is a place.
func (s *Sender) work(sending context.Context, j job) {
	for ok := true; ok; {
		result, got, attempt := s.attempt(sending, j)
		s.mu.Lock()
		now := time.Now()
		resolved := s.roster.finish(j, result, got, attempt, now)
		wants := j.consumer.ask
		was := j
		if j, ok = s.roster.take(now); ok {
			s.pumpLocked(sending)
		}
		s.mu.Unlock()
		signal(s.results)
		if wants {
			signal(s.hungry)
		}
		s.tell(sending, was, result, resolved)
	}
}

// attempt sends a delivery once.
func (s *Sender) attempt(sending context.Context, j job) (Result, answer, payment.WebhookAttempt) {
	d := j.delivery
	attempt := payment.WebhookAttempt{Endpoint: d.Endpoint, Sequence: d.Event.Sequence, URL: j.url, StartedAt: time.Now()}
	sent := parcel{url: j.url, id: d.Event.ID(), at: attempt.StartedAt}
	got := answer{}
	var err error
	if sent.body, err = object.Encode(object.EventOf(d.Event, s.cfg.PublicURL)); err == nil {
		sent.signature, err = j.signer.sign(sent.id, sent.at, sent.body)
	}
	if got.err = err; err == nil {
		fault.At(fault.WebhookSending)
		got = s.courier.deliver(sending, sent)
		fault.At(fault.WebhookSent)
	}
	result := judge(got)
	attempt.Took = time.Since(attempt.StartedAt)
	attempt.HTTPStatus, attempt.Excerpt = got.status, got.excerpt
	attempt.Error = describe(result, got)
	return result, got, attempt
}

// tell counts an attempt and writes its line. Neither the URL, whose query may hold a
// secret, nor the body is in it.
func (s *Sender) tell(ctx context.Context, j job, result Result, resolved payment.DeliveryResult) {
	event := j.delivery.Event
	s.counts.attempt(result, resolved)
	if result == ResultDelivered {
		s.cfg.Delivered(time.Since(event.At))
	}
	if result == ResultGone {
		s.log.Warn("webhook endpoint disabled", slog.String("endpoint", string(j.delivery.Endpoint)),
			slog.String("tenant", string(event.Tenant)), slog.String("reason", payment.DisabledGone))
	}
	if !s.log.Enabled(ctx, slog.LevelDebug) {
		return // before its line is made up
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "webhook",
		slog.String("endpoint", string(j.delivery.Endpoint)),
		slog.String("tenant", string(event.Tenant)),
		slog.String("webhook_id", event.ID()),
		slog.String("type", event.Type),
		slog.Int("attempt", j.delivery.Attempts+1),
		slog.String("result", string(result)),
		slog.Int("http_status", resolved.Attempt.HTTPStatus),
		slog.String("error", resolved.Attempt.Error),
		slog.Duration("took", resolved.Attempt.Took),
		slog.Duration("next_in", resolved.NextIn),
	)
}
