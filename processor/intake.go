package processor

import (
	"context"
	"log/slog"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// intakeLoop fetches, claims, acknowledges and starts the work, until ctx ends.
// It fetches only what it has places for, so that the backlog waits in the
// buffer, where it is cheap and any node can take it.
func (p *Processor) intakeLoop(ctx, calls context.Context, source Source) {
	failures := 0
	for ctx.Err() == nil {
		limit := p.breaker.wait(ctx, batchMax)
		if limit == 0 {
			return
		}
		taken := p.fresh.take(ctx, limit)
		if taken == 0 {
			return
		}
		deliveries, err := source.Fetch(ctx, taken)
		if err != nil {
			p.fresh.release(taken)
			failures++
			p.log.Warn("fetch payments", slog.Any("error", err))
			pause(ctx, ledgerWait(failures))
			continue
		}
		failures = 0
		if len(deliveries) > 0 {
			fault.At(fault.ProcessorFetched)
		}
		deliveries, lists := withoutBatches(deliveries)
		started := p.claim(ctx, calls, deliveries)
		p.fresh.release(taken - started)
		p.keepBatches(ctx, lists)
	}
}

// claim makes deliveries ours and starts the work on those that are new. The
// acknowledgement comes after the commit: a crash between the two brings them
// again, and the ledger knows them.
func (p *Processor) claim(ctx, calls context.Context, deliveries []payment.Delivery) (started int) {
	batch := sortOut(deliveries)
	if p.bury(ctx, batch.poison) {
		p.acknowledge(batch.poison)
	}
	if len(batch.readable) == 0 {
		return 0
	}
	if fault.Dropped(fault.AckLast) {
		p.acknowledge(batch.readable)
	}
	var early map[payment.ID]payment.Answer
	if fault.Dropped(fault.ClaimFirst) {
		early = p.chargeUnclaimed(ctx, batch.requests)
	}
	fault.At(fault.ProcessorClaiming)
	leaseEnds := time.Now().Add(p.cfg.Lease) // before the ledger's clock is asked: never too late
	var claimed payment.Claimed
	err := p.persist(ctx, "claim payments", func(ctx context.Context) (err error) {
		taking, let := lingering(ctx)
		defer let()
		claimed, err = p.ledger.Claim(taking, batch.requests, batch.conflicts, p.cfg.Lease)
		return err
	})
	switch {
	case err == nil:
	case isInvalid(err):
		return p.claimHalves(ctx, calls, batch.readable, err)
	default: // stopping: they come again
		return 0
	}
	fault.At(fault.ProcessorClaimed)
	p.acknowledge(batch.readable)
	fault.At(fault.ProcessorAcked)
	p.counts.claimed.Add(int64(len(claimed.Works)))
	p.counts.scheduled.Add(int64(claimed.Scheduled))
	p.counts.refused.Add(int64(claimed.Refused))
	p.counts.duplicates.Add(int64(claimed.Duplicates + batch.doubles))
	p.counts.conflicts.Add(int64(claimed.Conflicts))
	if fault.Dropped(fault.ClaimFirst) {
		p.settleEarly(claimed.Works, early)
		return len(claimed.Works)
	}
	for _, work := range claimed.Works {
		p.start(calls, work, leaseEnds, p.fresh)
	}
	return len(claimed.Works)
}

// claimHalves finds the one delivery that the ledger can never store, so that
// the others do not wait behind it for ever.
func (p *Processor) claimHalves(ctx, calls context.Context, deliveries []payment.Delivery, cause error) int {
	if len(deliveries) == 1 {
		only := deliveries[0]
		only.Poison = cause
		if p.bury(ctx, []payment.Delivery{only}) {
			p.acknowledge(deliveries)
		}
		return 0
	}
	half := len(deliveries) / 2
	return p.claim(ctx, calls, deliveries[:half]) + p.claim(ctx, calls, deliveries[half:])
}

// sorted is a fetched batch by what must be done with it.
type sorted struct {
	poison    []payment.Delivery
	readable  []payment.Delivery
	requests  []payment.Request // one per id
	conflicts []payment.Request
	doubles   int // repetitions inside the batch
}

func sortOut(deliveries []payment.Delivery) sorted {
	var batch sorted
	first := make(map[payment.ID]payment.Fingerprint, len(deliveries))
	for _, d := range deliveries {
		if d.Poison != nil {
			batch.poison = append(batch.poison, d)
			continue
		}
		batch.readable = append(batch.readable, d)
		fingerprint := d.Request.Fingerprint()
		known, repeated := first[d.Request.ID]
		switch {
		case d.Conflict:
			batch.conflicts = append(batch.conflicts, d.Request)
		case !repeated:
			first[d.Request.ID] = fingerprint
			batch.requests = append(batch.requests, d.Request)
		case known == fingerprint:
			batch.doubles++
		default:
			batch.conflicts = append(batch.conflicts, d.Request)
		}
	}
	return batch
}

func (p *Processor) bury(ctx context.Context, poison []payment.Delivery) bool {
	if len(poison) == 0 {
		return false
	}
	letters := make([]payment.DeadLetter, len(poison))
	for i, d := range poison {
		letters[i] = payment.DeadLetter{
			PaymentID: d.Request.ID, Subject: d.Subject, Raw: d.Raw, Reason: d.Poison.Error(),
		}
		if d.Batch != nil {
			letters[i].BatchID = d.Batch.ID
		}
		p.log.Error("dead letter", slog.String("subject", d.Subject), slog.Any("error", d.Poison))
	}
	fault.At(fault.ProcessorBurying)
	err := p.persist(ctx, "keep dead letters", func(ctx context.Context) error { return p.ledger.Bury(ctx, letters) })
	if err != nil {
		return false // they come again
	}
	fault.At(fault.ProcessorBuried)
	p.counts.buried.Add(int64(len(poison)))
	return true
}

func (p *Processor) acknowledge(deliveries []payment.Delivery) {
	for _, d := range deliveries {
		if err := d.Ack(); err != nil { // it comes again, and is known then
			p.log.Debug("acknowledge", slog.Any("error", err))
		}
	}
}
