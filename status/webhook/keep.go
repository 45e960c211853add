package webhook

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/paybuf/paybuf/payment"
)

var errOutboxSlow = errors.New("the outbox took too long")

// keep extends the lease, takes endpoints on, asks what is due and gives idle
// endpoints back. All questions to the outbox about what to send come from here, one
// after the other, so that no answer is older than another.
func (s *Sender) keep(ctx, sending context.Context) {
	holdAt := time.Now()
	for ctx.Err() == nil {
		began := time.Now()
		if !began.Before(holdAt) {
			holdAt = began.Add(s.cfg.HoldEvery)
			if s.hold(ctx, began) { // there are more
				holdAt = began
			}
			s.leaveIdle(ctx)
		}
		s.fetch(ctx)
		s.pump(sending)
		// At most half of one connection's time.
		if !pause(ctx, max(roundPauseMin, time.Since(began))) {
			return
		}
		timer := time.NewTimer(time.Until(holdAt))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.hungry:
		case <-s.woken:
			s.askAll()
			if soon := began.Add(s.cfg.HoldEvery / 4); soon.Before(holdAt) {
				holdAt = soon // of an endpoint that nobody holds
			}
		}
		timer.Stop()
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// hold extends the lease and tells whether there may be more endpoints to take on.
func (s *Sender) hold(ctx context.Context, began time.Time) bool {
	s.mu.Lock()
	more := max(0, min(holdMoreMax, s.cfg.EndpointsMax-len(s.roster.consumers)))
	s.mu.Unlock()
	bounded, done := context.WithTimeoutCause(ctx, outboxTimeout, errOutboxSlow)
	defer done()
	endpoints, err := s.outbox.Hold(bounded, s.worker, s.cfg.Lease, more)
	if s.fails(ctx, "hold endpoints", err) {
		return false
	}
	s.mu.Lock()
	fresh, lost := s.roster.adopt(endpoints, began, s.opener)
	s.mu.Unlock()
	for _, c := range lost {
		s.tellLost(c, began)
	}
	s.tellUnopened()
	return more > 0 && fresh >= more
}

// adopt takes over what the outbox says is held. It gives how many endpoints are new,
// and those that are not held any more.
func (r *roster) adopt(endpoints []payment.Endpoint, began time.Time, opener Opener) (fresh int, lost []*consumer) {
	if !began.Before(r.leaseEnd) { // others may have sent what is queued
		for _, c := range r.consumers {
			r.queued -= c.drop()
		}
	}
	// Counted from before the question: never longer than the outbox's clock says.
	r.leaseEnd = began.Add(r.cfg.Lease - r.cfg.leaseMargin())
	now := time.Now()
	named := make(map[payment.EndpointID]bool, len(endpoints))
	for _, e := range endpoints {
		named[e.ID] = true
		c := r.consumers[e.ID]
		if c == nil {
			c = newConsumer(e, r.cfg.EndpointConcurrency, now)
			r.consumers[e.ID] = c
			fresh++
		}
		c.refresh(e, r.cfg.EndpointConcurrency, now, opener)
		c.ask = true
		r.enlist(c, now)
	}
	for id, c := range r.consumers {
		if named[id] || !c.held {
			continue
		}
		c.held = false
		r.queued -= c.drop()
		lost = append(lost, c)
		if len(c.busy) == 0 {
			delete(r.consumers, id)
		}
	}
	return fresh, lost
}

// refresh takes over what may have changed of an endpoint.
func (c *consumer) refresh(e payment.Endpoint, concurrency int, now time.Time, opener Opener) {
	if e.URL != c.URL || !e.StatusAt.Equal(c.StatusAt) { // nothing is known of it
		c.health = newHealth(concurrency)
		c.gone = false
	}
	if e.ResumeAt.After(c.resumeAt) {
		c.resumeAt = e.ResumeAt
	}
	c.Endpoint, c.held = e, true
	if c.signer != nil && c.signer.isOf(e) {
		return
	}
	var err error
	if c.signer, err = newSigner(opener, e, now); err != nil {
		c.signer, c.signErr = nil, err
	} else {
		c.signErr, c.told = nil, false
	}
}

// tellUnopened says once of each endpoint that its secrets cannot be opened: that is
// ours to put right, and its deliveries wait meanwhile.
func (s *Sender) tellUnopened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	unopened := 0
	for _, c := range s.roster.consumers {
		if c.signErr == nil || !c.held {
			continue
		}
		unopened++
		if !c.told {
			c.told = true
			s.log.Error("a webhook secret cannot be opened; its endpoint's deliveries wait",
				slog.String("endpoint", string(c.ID)), slog.String("key", c.Secret.KeyID), slog.Any("error", c.signErr))
		}
	}
	s.counts.unopened.Store(int64(unopened))
}

// tellLost says of an endpoint that was disabled for failing that it was.
func (s *Sender) tellLost(c *consumer, now time.Time) {
	if c.gone || c.FailingSince.IsZero() || now.Sub(c.FailingSince) < s.cfg.DisableAfter {
		return
	}
	s.log.Warn("webhook endpoint disabled", slog.String("endpoint", string(c.ID)),
		slog.String("tenant", string(c.Tenant)), slog.String("reason", payment.DisabledFailing))
}

func (s *Sender) askAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.roster.consumers {
		c.ask = true
	}
}

// fetch asks what is due at the endpoints that want more.
func (s *Sender) fetch(ctx context.Context) {
	s.mu.Lock()
	wants := s.roster.wants(time.Now())
	s.mu.Unlock()
	for len(wants) > 0 {
		var some []payment.DeliveryWant
		some, wants = firstWants(wants)
		bounded, done := context.WithTimeoutCause(ctx, outboxTimeout, errOutboxSlow)
		due, err := s.outbox.Due(bounded, s.worker, some)
		done()
		if s.fails(ctx, "ask what is due", err) {
			return // the next extension of the lease asks again
		}
		s.mu.Lock()
		s.roster.admit(some, due, time.Now())
		s.mu.Unlock()
	}
}

// firstWants gives as many as one question may have, at least one, and the rest.
func firstWants(wants []payment.DeliveryWant) (first, rest []payment.DeliveryWant) {
	n, rows := 0, 0
	for n < min(wantsMax, len(wants)) {
		rows += wants[n].Limit + len(wants[n].Not)
		if rows > wantRowsMax && n > 0 {
			break
		}
		n++
	}
	return wants[:n], wants[n:]
}

// wants says what to ask for: of each endpoint a share of the room.
func (r *roster) wants(now time.Time) []payment.DeliveryWant {
	var asking []*consumer
	for _, c := range r.consumers {
		if c.ask && c.mayAsk() && c.queue.len() <= c.ahead(now)/2 && c.ahead(now) > 0 {
			asking = append(asking, c)
		}
	}
	wants := make([]payment.DeliveryWant, 0, len(asking))
	for _, c := range asking {
		limit := min(c.ahead(now)-c.queue.len(), (r.cfg.QueueMax-r.queued)/len(asking))
		if limit < 1 && c.queue.len() > 0 {
			continue
		}
		c.ask = false
		wants = append(wants, payment.DeliveryWant{Endpoint: c.ID, Limit: max(1, limit), Not: c.under()})
	}
	return wants
}

// admit queues what is due.
func (r *roster) admit(wants []payment.DeliveryWant, due []payment.WebhookDelivery, now time.Time) {
	got := make(map[payment.EndpointID]int, len(wants))
	for _, d := range due {
		c := r.consumers[d.Endpoint]
		got[d.Endpoint]++
		if c != nil && c.mayAsk() && c.enqueue(d) {
			c.used = now
			r.queued++
		}
	}
	for _, want := range wants {
		if c := r.consumers[want.Endpoint]; c != nil {
			c.more = got[want.Endpoint] >= want.Limit
			r.enlist(c, now)
		}
	}
}

// leaveIdle gives back what has had no work for a time: another worker may be less
// busy when there is some again.
func (s *Sender) leaveIdle(ctx context.Context) {
	var idle []payment.EndpointID
	now := time.Now()
	s.mu.Lock()
	crowded := len(s.roster.consumers) >= s.cfg.EndpointsMax
	for id, c := range s.roster.consumers {
		if c.held && c.isIdle(now, s.cfg.IdleAfter, crowded) {
			idle = append(idle, id)
		}
	}
	s.mu.Unlock()
	if len(idle) == 0 || !s.leave(ctx, idle) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range idle {
		delete(s.roster.consumers, id)
	}
}

func (s *Sender) leave(ctx context.Context, endpoints []payment.EndpointID) bool {
	bounded, done := context.WithTimeoutCause(ctx, outboxTimeout, errOutboxSlow)
	defer done()
	return !s.fails(ctx, "leave endpoints", s.outbox.Leave(bounded, s.worker, endpoints))
}

// fails counts and logs an error of the outbox, unless it is that of a stop.
func (s *Sender) fails(ctx context.Context, what string, err error) bool {
	if err != nil && ctx.Err() == nil {
		s.counts.outboxErrors.Add(1)
		s.log.Warn("the webhooks' outbox fails", slog.String("task", what), slog.Any("error", err))
	}
	return err != nil
}
