package processor

import (
	"context"
	"log/slog"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// withoutBatches takes the lists of batches out of what was fetched. A list that
// nobody can read stays, since all poison goes one way.
func withoutBatches(deliveries []payment.Delivery) (rest, lists []payment.Delivery) {
	rest = deliveries[:0]
	for _, d := range deliveries {
		if d.Batch != nil && d.Poison == nil {
			lists = append(lists, d)
		} else {
			rest = append(rest, d)
		}
	}
	return rest, lists
}

// keepBatches writes the lists down, then acknowledges them. Nothing is paid
// because of a list, so it may come before its payments or after them.
func (p *Processor) keepBatches(ctx context.Context, lists []payment.Delivery) {
	if len(lists) == 0 {
		return
	}
	batches := make([]payment.Batch, len(lists))
	for i, d := range lists {
		batches[i] = *d.Batch
	}
	err := p.persist(ctx, "keep batches", func(ctx context.Context) error { return p.ledger.KeepBatches(ctx, batches) })
	switch {
	case err == nil:
		fault.At(fault.ProcessorListed)
		p.acknowledge(lists)
		p.counts.batches.Add(int64(len(lists)))
	case !isInvalid(err): // stopping: they come again
		p.log.Debug("keep batches", slog.Any("error", err))
	case len(lists) > 1:
		half := len(lists) / 2
		p.keepBatches(ctx, lists[:half])
		p.keepBatches(ctx, lists[half:])
	default:
		lists[0].Poison = err
		if p.bury(ctx, lists) {
			p.acknowledge(lists)
		}
	}
}
