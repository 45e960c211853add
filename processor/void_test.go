package processor

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// voidingPayer is a scripted payer that takes charges back, and remembers when.
type voidingPayer struct {
	*scriptedPayer
	void   func(call int) payment.Answer // nil: it works
	voids  []time.Time
	landAt map[payment.ID]time.Time // charges that are on their way
}

func (p *voidingPayer) Void(_ context.Context, id payment.ID, _ payment.Money) payment.Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.voids = append(p.voids, time.Now())
	if at, late := p.landAt[id]; late && !time.Now().Before(at) {
		delete(p.landAt, id)
		p.charged[id]++
	}
	if p.void != nil {
		if answer := p.void(len(p.voids)); answer.Verdict != payment.VerdictNotCharged {
			return answer
		}
	}
	p.charged[id] = 0
	return payment.Answer{Verdict: payment.VerdictNotCharged}
}

// voided is when each void came.
func (p *voidingPayer) voided() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.voids)
}

// inVoidingWorld runs a processor at a payer that can void and cannot be asked.
func inVoidingWorld(t *testing.T, offers payment.Traits, setUp func(*world, *voidingPayer), during func(*world, *voidingPayer)) {
	t.Helper()
	offers.CanVoid = true
	var payer *voidingPayer
	inWorld(t, Config{ParkAfter: 2 * time.Hour}, func(w *world) {
		payer = &voidingPayer{scriptedPayer: w.payer, landAt: map[payment.ID]time.Time{}}
		payer.traits = offers
		w.called = payer
		setUp(w, payer)
	}, func(w *world) { during(w, payer) })
}

// lostAfterCharging charges at the first send and says nothing; later sends work.
func lostAfterCharging(payer *voidingPayer) func(context.Context, payment.Request, int) payment.Answer {
	return func(_ context.Context, request payment.Request, send int) payment.Answer {
		if send > 1 {
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
		payer.book(request.ID)
		return payment.Answer{}
	}
}

func TestVoid_withoutKeysALostChargeIsTakenBackAndSentAgain(t *testing.T) {
	const delay = 30 * time.Second
	inVoidingWorld(t, payment.Traits{VisibilityDelay: delay}, func(w *world, payer *voidingPayer) {
		w.source.add(deliveries(t, 20)...)
		payer.charge = lostAfterCharging(payer)
	}, func(w *world, payer *voidingPayer) {
		began := time.Now()
		after(delay - time.Second)
		if early := payer.voided(); len(early) != 0 {
			t.Errorf("voided after %s: a charge may still be on its way", early[0].Sub(began))
		}
		after(time.Hour)
		sends, charges, doubles := payer.totals()
		if sends != 40 || charges != 20 || doubles != 0 || len(payer.voided()) != 20 {
			t.Errorf("%d sends, %d charges, %d doubles, %d voids; want 40, 20, 0, 20", sends, charges, doubles, len(payer.voided()))
		}
		if got := w.ledger.count(payment.Succeeded); got != 20 {
			t.Errorf("%d succeeded, want 20", got)
		}
		if stats := w.Stats(); stats.Voids != 20 || stats.Lookups != 0 || stats.BreakerOpen {
			t.Errorf("stats %+v", stats)
		}
	})
}

// A void whose answer was lost may arrive late. It must not find the new charge.
func TestVoid_nothingIsSentWhileALostVoidMayBeOnItsWay(t *testing.T) {
	const delay = 30 * time.Second
	var again time.Time
	inVoidingWorld(t, payment.Traits{VisibilityDelay: delay}, func(w *world, payer *voidingPayer) {
		w.source.add(deliveries(t, 1)...)
		payer.void = func(call int) payment.Answer {
			if call == 1 {
				return payment.Answer{}
			}
			return payment.Answer{Verdict: payment.VerdictNotCharged}
		}
		payer.charge = func(_ context.Context, _ payment.Request, send int) payment.Answer {
			if send == 1 {
				return payment.Answer{}
			}
			again = time.Now()
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world, payer *voidingPayer) {
		after(time.Hour)
		voids := payer.voided()
		if len(voids) != 2 || again.Sub(voids[1]) < delay {
			t.Errorf("voided at %s, sent again at %s; want two voids, and to be sent at least %s later", voids, again, delay)
		}
		if w.ledger.count(payment.Succeeded) != 1 {
			t.Errorf("histories %v", w.ledger.histories)
		}
	})
}

func TestVoid_aChargeThatArrivesWithinTheDelayIsTakenBackToo(t *testing.T) {
	const delay = 30 * time.Second
	inVoidingWorld(t, payment.Traits{VisibilityDelay: delay}, func(w *world, payer *voidingPayer) {
		w.source.add(deliveries(t, 1)...)
		payer.charge = func(_ context.Context, request payment.Request, send int) payment.Answer {
			if send > 1 {
				return payment.Answer{Verdict: payment.VerdictCharged}
			}
			payer.mu.Lock()
			defer payer.mu.Unlock()
			payer.landAt[request.ID] = time.Now().Add(delay - time.Second)
			return payment.Answer{}
		}
	}, func(_ *world, payer *voidingPayer) {
		after(time.Hour)
		if _, charges, doubles := payer.totals(); charges != 1 || doubles != 0 || len(payer.landAt) != 0 {
			t.Errorf("%d charges, %d doubles, %d on their way; want 1, 0, 0", charges, doubles, len(payer.landAt))
		}
	})
}

// A payer may remember a key for longer than it promises, and would answer
// another send with the charge that was taken back.
func TestVoid_withKeysTheVoidedPaymentEnds(t *testing.T) {
	offers := payment.Traits{KeyWindow: time.Hour, VisibilityDelay: 30 * time.Second}
	inVoidingWorld(t, offers, func(w *world, payer *voidingPayer) {
		w.source.add(deliveries(t, 3)...)
		payer.charge = func(_ context.Context, request payment.Request, send int) payment.Answer {
			if send == 1 {
				payer.book(request.ID)
			}
			return payment.Answer{} // and all its replays are lost too
		}
	}, func(w *world, payer *voidingPayer) {
		began := time.Now()
		after(3 * time.Hour)
		if _, charges, _ := payer.totals(); charges != 0 || w.ledger.count(payment.Failed) != 3 {
			t.Errorf("%d charges, %d failed; want 0, 3", charges, w.ledger.count(payment.Failed))
		}
		earliest := began.Add(offers.KeyWindow + offers.VisibilityDelay)
		voids := payer.voided()
		if len(voids) != 3 || voids[0].Before(earliest) {
			t.Errorf("voided at %s; want 3, from %s on: a replay may be on its way", voids, earliest)
		}
	})
}

func TestVoid_tooLateIsASuccess(t *testing.T) {
	inVoidingWorld(t, payment.Traits{}, func(w *world, payer *voidingPayer) {
		w.source.add(deliveries(t, 5)...)
		payer.charge = lostAfterCharging(payer)
		payer.void = func(int) payment.Answer { return payment.Answer{Verdict: payment.VerdictCharged} }
	}, func(w *world, payer *voidingPayer) {
		after(time.Hour)
		sends, charges, _ := payer.totals()
		if sends != 5 || charges != 5 || w.ledger.count(payment.Succeeded) != 5 {
			t.Errorf("%d sends, %d charges, %d succeeded; want 5 of each", sends, charges, w.ledger.count(payment.Succeeded))
		}
	})
}

func TestVoid_withoutAnAnswerIsLeftToAHuman(t *testing.T) {
	inVoidingWorld(t, payment.Traits{}, func(w *world, payer *voidingPayer) {
		w.source.add(deliveries(t, 2)...)
		payer.charge = lostAfterCharging(payer)
		payer.void = func(int) payment.Answer { return payment.Answer{} }
	}, func(w *world, payer *voidingPayer) {
		after(3 * time.Hour)
		if sends, _, _ := payer.totals(); sends != 2 || w.ledger.count(payment.Parked) != 2 {
			t.Errorf("%d sends, %d parked; want 2 of each", sends, w.ledger.count(payment.Parked))
		}
	})
}

// What was taken on and is decided later is the payer's to decide.
func TestVoid_pendingIsNeverTakenBack(t *testing.T) {
	inVoidingWorld(t, payment.Traits{}, func(w *world, payer *voidingPayer) {
		w.source.add(deliveries(t, 2)...)
		payer.charge = func(context.Context, payment.Request, int) payment.Answer {
			return payment.Answer{Verdict: payment.VerdictPending}
		}
	}, func(w *world, payer *voidingPayer) {
		after(3 * time.Hour)
		if sends, _, _ := payer.totals(); sends != 2 || len(payer.voided()) != 0 || w.ledger.count(payment.Parked) != 2 {
			t.Errorf("%d sends, %d voids, %d parked; want 2, 0, 2", sends, len(payer.voided()), w.ledger.count(payment.Parked))
		}
	})
}

func TestVoid_isForPayersThatCannotBeAsked(t *testing.T) {
	p := testPolicy(payment.Traits{CanLookup: true, CanVoid: true, KeyWindow: time.Hour})
	if p.mustVoid(workAt(payment.Unknown, 48*time.Hour), epoch.Add(48*time.Hour)) {
		t.Error("a payer that can be asked is told to void")
	}
}

func TestVoided_noAnswerBreaksTheStateTableOrInventsAnOutcome(t *testing.T) {
	for _, offers := range []payment.Traits{{CanVoid: true}, {CanVoid: true, KeyWindow: time.Hour}} {
		for verdict := payment.VerdictUnknown; verdict <= payment.VerdictNotFound; verdict++ {
			for _, later := range []time.Duration{time.Minute, 2 * time.Hour, 100 * time.Hour} {
				outcome := testPolicy(offers).voided(workAt(payment.Unknown, later), payment.Answer{Verdict: verdict})
				if outcome.To != payment.Unknown && !payment.Unknown.MayBecome(outcome.To) {
					t.Errorf("unknown, voided with %s, becomes %s", verdict, outcome.To)
				}
				proof := verdict == payment.VerdictNotCharged || verdict == payment.VerdictDeclined
				if slices.Contains([]payment.State{payment.Failed, payment.Retrying}, outcome.To) && !proof {
					t.Errorf("voided with %s becomes %s", verdict, outcome.To)
				}
				if outcome.To == payment.Succeeded && verdict != payment.VerdictCharged {
					t.Errorf("voided with %s becomes %s", verdict, outcome.To)
				}
			}
		}
	}
}

func TestRun_payerWithNothingIsCalledOnceAndThenLeftToAHuman(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.payer.traits = payment.Traits{}
		w.source.add(deliveries(t, 20)...)
		w.payer.charge = func(_ context.Context, request payment.Request, _ int) payment.Answer {
			w.payer.book(request.ID)
			return payment.Answer{}
		}
	}, func(w *world) {
		after(3 * time.Hour)
		sends, charges, doubles := w.payer.totals()
		if sends != 20 || charges != 20 || doubles != 0 || w.payer.asked != 0 {
			t.Errorf("%d sends, %d charges, %d doubles, %d questions; want 20, 20, 0, 0", sends, charges, doubles, w.payer.asked)
		}
		if got := w.ledger.count(payment.Parked); got != 20 {
			t.Errorf("%d parked, want 20", got)
		}
	})
}

// plainPayer hides what else a payer can do.
type plainPayer struct{ Payer }

func TestNew_refusesAPayerThatCannotDoWhatIsAskedOfIt(t *testing.T) {
	for _, test := range []struct {
		name   string
		traits payment.Traits
		says   string // "" if it is taken
	}{
		{"a key that fits", payment.Traits{KeyWindow: time.Hour, KeyBytesMax: payment.IDLength}, ""},
		{"no known limit", payment.Traits{KeyWindow: time.Hour}, ""},
		{"no keys", payment.Traits{KeyBytesMax: 1}, ""},
		{"a key that is cut", payment.Traits{KeyWindow: time.Hour, KeyBytesMax: payment.IDLength - 1}, "at most 29 bytes"},
		{"a negative window", payment.Traits{KeyWindow: -time.Hour}, "negative"},
		{"a void that it lacks", payment.Traits{CanVoid: true}, "void"},
	} {
		payer := newScriptedPayer()
		payer.traits = test.traits
		_, err := New(nil, nil, plainPayer{payer}, Config{})
		if test.says == "" && err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
			t.Errorf("%s: %v, want an error about %q", test.name, err, test.says)
		}
	}
}
