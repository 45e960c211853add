package processor

import (
	"context"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// decidedLedger gives the same answer to every claim.
type decidedLedger struct {
	*memoryLedger
	claimed payment.Claimed
}

func (l decidedLedger) Claim(
	context.Context, []payment.Request, []payment.Request, time.Duration,
) (payment.Claimed, error) {
	return l.claimed, nil
}

func TestClaim_whatIsScheduledOrRefusedIsCountedAndNotStarted(t *testing.T) {
	ledger := decidedLedger{newMemoryLedger(), payment.Claimed{Scheduled: 2, Refused: 1, Duplicates: 3}}
	p, err := New(nil, ledger, newScriptedPayer(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	var source queueSource
	source.add(deliveries(t, 6)...)
	if started := p.claim(t.Context(), t.Context(), source.waiting); started != 0 {
		t.Errorf("%d were started", started)
	}
	if stats := p.Stats(); stats.Scheduled != 2 || stats.Refused != 1 || stats.Duplicates != 3 || stats.Claimed != 0 {
		t.Errorf("stats %+v", stats)
	}
	if n := source.ackedCount(); n != 6 {
		t.Errorf("%d acknowledged, want all 6", n)
	}
}

// A person's word that nothing was charged is worth more than the payer's memory of
// a key: such a payment begins anew, also at payers that offer nothing.
func TestStep_releasedPaymentIsSentHoweverOldItsFirstCallIs(t *testing.T) {
	for name, offered := range map[string]payment.Traits{
		"a key that it has forgotten": {KeyWindow: time.Minute, CanLookup: true},
		"a key and no look-up":        {KeyWindow: time.Minute},
	} {
		payer := newScriptedPayer()
		payer.traits = offered
		p, err := New(nil, newMemoryLedger(), payer, Config{})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		work := payment.Work{Attempt: 3, FirstAttemptAt: now, LastAttemptAt: now, LeasedAt: now}
		work.Request, work.State = delivery(t, "A-1", 100).Request, payment.Paying
		if got := p.step(t.Context(), work, now.Add(p.cfg.Lease)); got.To != payment.Succeeded {
			t.Errorf("%s: it became %s: %+v", name, got.To, got.Answer.Evidence)
		}
		work.FirstAttemptAt = now.Add(-time.Hour) // nobody has released it
		if got := p.step(t.Context(), work, now.Add(p.cfg.Lease)); got.Answer.Verdict == payment.VerdictCharged {
			t.Errorf("%s: a repetition was sent", name)
		}
	}
}
