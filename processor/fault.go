package processor

import (
	"context"

	"github.com/paybuf/paybuf/payment"
)

// chargeUnclaimed and settleEarly are what a processor must never do, for a test
// to see that it is noticed: the payer is called before a committed row says so.
func (p *Processor) chargeUnclaimed(
	ctx context.Context, requests []payment.Request,
) map[payment.ID]payment.Answer {
	answers := map[payment.ID]payment.Answer{}
	for _, request := range requests {
		answers[request.ID] = p.payer.Charge(ctx, request)
	}
	return answers
}

func (p *Processor) settleEarly(works []payment.Work, answers map[payment.ID]payment.Answer) {
	for _, work := range works {
		p.outcomes <- p.policy.decide(work, answers[work.ID])
	}
	p.fresh.release(len(works))
}
