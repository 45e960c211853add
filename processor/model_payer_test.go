package processor

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

// modelPayer moves the money of the model. Its accounts are the truth that the
// ledger is held against. The world's lock guards them.
type modelPayer struct {
	w        *modelWorld
	traits   payment.Traits
	memory   time.Duration // how long a key is really remembered
	accounts map[payment.ID]*account
}

// account is all that the payer and the network know of one reference.
type account struct {
	order, link int // in the plan; which bodies there are does not matter
	sends       int
	flying      int // sends without an effect yet
	calls       []*payerCall
	charges     []charged
	deciding    []deciding
	declined    *time.Time // from when on a look-up shows it
	keySince    time.Time  // when the key was first remembered
	keyed       func() payment.Answer
	doubtful    bool // an answer was lost, and no operator has found out since
}

// charged is money that was moved.
type charged struct {
	amount  payment.Money
	visible time.Time
}

// deciding is what the payer has accepted and will decide.
type deciding struct {
	at, visible time.Time
	charges     bool
	amount      payment.Money
}

// payerCall is one call as its caller sees it.
type payerCall struct{ from *node }

// charge is one request that has been sent, whoever still waits for its answer.
func (p *modelPayer) charge(request payment.Request, a *account) payment.Answer {
	p.w.travel("to the payer " + string(request.ID))
	b, working := p.arrive(request, a)
	if !working {
		return payment.Answer{Verdict: verdictOf(b.Conduct), RetryAfter: b.Late}
	}
	after(b.Processing)
	p.w.mu.Lock()
	answer := p.effect(request, a, b)
	a.flying--
	p.w.checkMoney()
	p.w.mu.Unlock()
	after(b.Late)
	return answer
}

// verdictOf is the answer to what has no effect.
func verdictOf(c conduct) payment.Verdict {
	if c == isBusy || c == cannotBeReached {
		return payment.VerdictNotCharged
	}
	return payment.VerdictUnknown
}

// arrive looks at a request when it comes, and tells whether it is worked on.
func (p *modelPayer) arrive(request payment.Request, a *account) (b behaviour, working bool) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	a.sends++
	b = p.w.plan.Orders[a.order].behaviour(a.link, a.sends)
	p.w.logf("payer: send %d of %s: %s", a.sends, p.w.name(request.ID), b.Conduct)
	p.w.count(string(b.Conduct))
	if time.Now().Before(request.NotBefore) {
		p.w.violate("%s was sent %s too early", p.w.name(request.ID), time.Until(request.NotBefore))
	}
	if row, _ := p.w.ledger.Payment(request.ID); row.Money != request.Money {
		p.w.violate("%s was sent with %v, its row has %v", p.w.name(request.ID), request.Money, row.Money)
	}
	if p.traits == (payment.Traits{}) && a.doubtful {
		p.w.violate("%s was sent again in doubt, to a payer that cannot tell", p.w.name(request.ID))
	}
	inUse := p.traits.KeyWindow > 0 && a.flying > 1
	if inUse || verdictOf(b.Conduct) == payment.VerdictNotCharged || b.Conduct == losesRequest {
		a.flying--
		return b, false
	}
	return b, true
}

// effect does what the payer does, or answers as the key's first request was.
func (p *modelPayer) effect(request payment.Request, a *account, b behaviour) payment.Answer {
	now := time.Now()
	if p.traits.KeyWindow > 0 && a.keyed != nil && now.Sub(a.keySince) < p.memory {
		return a.keyed()
	}
	visible := now.Add(b.Hidden)
	lost := false
	switch b.Conduct {
	case charges, chargesSilently:
		a.charges = append(a.charges, charged{request.Money, visible})
		lost = b.Conduct == chargesSilently
	case chargesWrongly:
		wrong, err := payment.RestoreMoney(request.Money.Minor()+1, request.Money.Currency())
		if err != nil {
			panic(err)
		}
		a.charges = append(a.charges, charged{wrong, visible})
	case declines, declinesQuietly:
		a.declined = &visible
		lost = b.Conduct == declinesQuietly
	case pendsAndCharges, pendsAndRefuses:
		a.deciding = append(a.deciding, deciding{
			at: now.Add(12 * time.Second), visible: visible, charges: b.Conduct == pendsAndCharges, amount: request.Money,
		})
	case losesRequest, isBusy, cannotBeReached: // no effect
	}
	a.keySince = now
	a.keyed = func() payment.Answer { return a.known(time.Now(), request.Money, false) }
	if lost {
		return payment.Answer{}
	}
	return a.keyed()
}

// lookup asks what became of a payment.
func (p *modelPayer) lookup(id payment.ID, money payment.Money) payment.Answer {
	p.w.travel("look-up " + string(id))
	switch coin := p.w.chance("look-up fails " + string(id)); {
	case coin < 0.1:
		return payment.Answer{}
	case coin < 0.15:
		return payment.Answer{Verdict: payment.VerdictNotCharged, RetryAfter: 3 * time.Second}
	}
	p.w.mu.Lock()
	answer := payment.Answer{Verdict: payment.VerdictNotFound}
	if a := p.accounts[id]; a != nil {
		answer = a.known(time.Now(), money, true)
	}
	p.w.mu.Unlock()
	p.w.travel("look-up " + string(id))
	return answer
}

// known is what the payer says of an account: all of it, or what is visible.
func (a *account) known(now time.Time, money payment.Money, visibleOnly bool) payment.Answer {
	a.decide(now)
	shown := func(at time.Time) bool { return !visibleOnly || !at.After(now) }
	for _, c := range a.charges {
		switch {
		case !shown(c.visible):
		case c.amount != money:
			return payment.Answer{Mismatch: true}
		default:
			return payment.Answer{Verdict: payment.VerdictCharged, PayerReference: "ch"}
		}
	}
	for _, d := range a.deciding {
		if shown(d.visible) {
			return payment.Answer{Verdict: payment.VerdictPending}
		}
	}
	if a.declined != nil && shown(*a.declined) {
		return payment.Answer{Verdict: payment.VerdictDeclined, Failure: payment.Failure{Code: "card_declined"}}
	}
	return payment.Answer{Verdict: payment.VerdictNotFound}
}

// decide makes charges and declines of what was to be decided by now.
func (a *account) decide(now time.Time) {
	var open []deciding
	for _, d := range a.deciding {
		switch {
		case now.Before(d.at):
			open = append(open, d)
		case d.charges:
			a.charges = append(a.charges, charged{d.amount, d.visible})
		default:
			a.declined = &d.visible
		}
	}
	a.deciding = open
}
