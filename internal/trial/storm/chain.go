package storm

import (
	"context"
	"fmt"
	"sync"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// linksMax limits how often an order is tried.
const linksMax = 5

// tryAgain is a customer whose card is declined, and who tries others, one after
// the other: when the shop says so, before it says anything, and with two clicks at
// once. Some give the order up in the end.
func (t *tale) tryAgain(ctx context.Context) {
	id, ok := t.send(ctx, t.link(t.card(0.7), ""), t.random.IntN(2))
	for n := 1; ok && n < linksMax && ctx.Err() == nil; n++ {
		if t.random.IntN(3) > 0 {
			said, ended := t.await(ctx, id, shown.ended)
			if !ended || said.State == payment.Succeeded || said.State == payment.Parked {
				return
			}
		}
		id, ok = t.sendTwice(ctx, id)
		if ok && t.random.IntN(6) == 0 {
			t.giveUp(ctx)
			return
		}
	}
}

// card is a payment method, one that is declined with a chance.
func (t *tale) card(declined float64) string {
	if t.random.Float64() < declined {
		return simulator.DeclinedMethod
	}
	return "tok_visa"
}

// sendTwice sends what tries a payment again through two doors at once, half of the
// time with two cards. It is one payment.
func (t *tale) sendTwice(ctx context.Context, retryOf payment.ID) (payment.ID, bool) {
	links := [2]link{t.link(t.card(0.3), retryOf)}
	links[1] = links[0]
	if t.random.IntN(2) == 0 {
		links[1].method = "tok_amex"
	}
	var ids [2]payment.ID
	var sent [2]bool
	var sending sync.WaitGroup
	for i := range links {
		sending.Go(func() { ids[i], sent[i] = t.send(ctx, links[i], i) })
	}
	sending.Wait()
	if !sent[0] || !sent[1] {
		return "", false
	}
	if ids[0] != ids[1] {
		t.storm.fault(fmt.Errorf("%s was tried again as %s and as %s", retryOf, ids[0], ids[1]))
	}
	return ids[0], true
}

// giveUp calls the order off; nothing of it is sent any more.
func (t *tale) giveUp(ctx context.Context) {
	granted := t.cancelOrder(ctx)
	t.storm.mu.Lock()
	defer t.storm.mu.Unlock()
	t.over = granted
}
