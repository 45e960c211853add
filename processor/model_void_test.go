package processor

import (
	"context"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// voidProcessingMax is how long the model's payer takes to find what it voids.
const voidProcessingMax = 1400 * time.Millisecond

// voidConduct is what becomes of a void.
type voidConduct string

const (
	takesBack     voidConduct = "void: takes the charge back"
	nothingToVoid voidConduct = "void: nothing to take back"
	tooLate       voidConduct = "void: too late"
	losesVoid     voidConduct = "void: lost"
	losesVoided   voidConduct = "void: done, and the answer is lost"
	voidsNothing  voidConduct = "void: 429"
)

// Void sends a void, which lives on like a charge. Frozen in front of its first byte
// it would take the next charge back, at a payer without keys (docs/lifecycle.md), so
// there it is frozen afterwards.
func (n *node) Void(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	if n.w.payer.traits.KeyWindow > 0 {
		n.thaw()
	}
	if n.dead.Load() {
		_ = n.hang(ctx)
		return payment.Answer{}
	}
	var a *account
	var call *payerCall
	n.w.locked(func() {
		a = n.w.account(id)
		call = n.begin(id, a)
	})
	answer := n.hear(ctx, func() payment.Answer { return n.w.payer.void(id, money, a) })
	n.w.locked(func() { n.end(call, a) })
	if n.dead.Load() {
		_ = n.hang(ctx)
		return payment.Answer{}
	}
	return n.w.flaws.answer(answer)
}

// void is one request to take a charge back, whoever still waits for its answer.
func (p *modelPayer) void(id payment.ID, money payment.Money, a *account) payment.Answer {
	way := "void " + string(id)
	p.w.travel(way)
	after(time.Duration(p.w.chance(way+" takes") * float64(voidProcessingMax)))
	p.w.mu.Lock()
	does, answer := a.void(time.Now(), money, p.w.chance(way))
	p.w.logf("payer: %s of %s", does, p.w.name(id))
	p.w.count(string(does))
	p.w.checkMoney()
	p.w.mu.Unlock()
	p.w.travel(way)
	return answer
}

// void takes back what it finds; a coin from 0 to 1 says what goes wrong. What is
// still hidden it does not find.
func (a *account) void(now time.Time, money payment.Money, coin float64) (voidConduct, payment.Answer) {
	found := a.known(now, money, true)
	switch {
	case coin < 0.1:
		return losesVoid, payment.Answer{}
	case coin < 0.15:
		return voidsNothing, payment.Answer{RetryAfter: 3 * time.Second}
	case coin < 0.3 && found.Verdict == payment.VerdictCharged:
		return tooLate, found
	}
	did := a.takeBack(now)
	switch {
	case coin > 0.85:
		return losesVoided, payment.Answer{}
	case did:
		return takesBack, payment.Answer{Verdict: payment.VerdictNotCharged}
	}
	return nothingToVoid, payment.Answer{Verdict: payment.VerdictNotCharged}
}

// takeBack undoes what has been charged or will be, and tells whether there was any.
// While the key is remembered it is answered as it was before.
func (a *account) takeBack(now time.Time) (did bool) {
	if a.keyed != nil {
		stale := a.keyed()
		a.keyed = func() payment.Answer { return stale }
	}
	var charges []charged
	for _, c := range a.charges {
		if c.visible.After(now) {
			charges = append(charges, c)
		}
	}
	var open []deciding
	for _, d := range a.deciding {
		if d.visible.After(now) {
			open = append(open, d)
		}
	}
	did = len(charges) < len(a.charges) || len(open) < len(a.deciding)
	a.charges, a.deciding = charges, open
	return did
}
