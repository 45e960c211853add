package processor

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

var (
	epoch  = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	traits = payment.Traits{KeyWindow: 24 * time.Hour, CanLookup: true, VisibilityDelay: 5 * time.Second}
)

func testPolicy(traits payment.Traits) policy {
	p := newPolicy(Config{}.withDefaults(), traits)
	p.jitter = func() float64 { return 1 }
	return p
}

// workAt is a payment first called at epoch and looked at later.
func workAt(state payment.State, later time.Duration) payment.Work {
	work := payment.Work{Attempt: 1, FirstAttemptAt: epoch, LastAttemptAt: epoch, LeasedAt: epoch.Add(later)}
	work.ID, work.State, work.Version = "pay_x", state, 7
	return work
}

func TestDecide_followsTheEvidence(t *testing.T) {
	const soon, visible, tooOld = time.Second, 6 * time.Second, 25 * time.Hour
	for _, test := range []struct {
		name    string
		state   payment.State
		after   time.Duration
		verdict payment.Verdict
		want    payment.State
	}{
		{"charged", payment.Paying, 0, payment.VerdictCharged, payment.Succeeded},
		{"declined", payment.Paying, 0, payment.VerdictDeclined, payment.Failed},
		{"refused before it was sent", payment.Paying, 0, payment.VerdictNotCharged, payment.Retrying},
		{"accepted, decides later", payment.Paying, 0, payment.VerdictPending, payment.Pending},
		{"answer lost", payment.Paying, 0, payment.VerdictUnknown, payment.Unknown},
		{"a charge cannot be not found", payment.Paying, 0, payment.VerdictNotFound, payment.Unknown},
		{"asked: charged", payment.Unknown, soon, payment.VerdictCharged, payment.Succeeded},
		{"asked: declined", payment.Unknown, soon, payment.VerdictDeclined, payment.Failed},
		{"asked: pending", payment.Unknown, soon, payment.VerdictPending, payment.Pending},
		{"asked: no answer", payment.Unknown, soon, payment.VerdictUnknown, payment.Unknown},
		{"asked: question refused", payment.Unknown, soon, payment.VerdictNotCharged, payment.Unknown},
		{"not found, perhaps hidden", payment.Unknown, soon, payment.VerdictNotFound, payment.Unknown},
		{"not found, visible by now", payment.Unknown, visible, payment.VerdictNotFound, payment.Retrying},
		{"not found, key forgotten", payment.Unknown, tooOld, payment.VerdictNotFound, payment.Unknown},
		{"pending: still", payment.Pending, visible, payment.VerdictPending, payment.Pending},
		{"pending: decided", payment.Pending, visible, payment.VerdictDeclined, payment.Failed},
		{"pending: gone", payment.Pending, visible, payment.VerdictNotFound, payment.Unknown},
		{"pending: no answer", payment.Pending, visible, payment.VerdictUnknown, payment.Pending},
	} {
		t.Run(test.name, func(t *testing.T) {
			outcome := testPolicy(traits).decide(workAt(test.state, test.after), payment.Answer{Verdict: test.verdict})
			if outcome.To != test.want {
				t.Errorf("%s, then %s: %s, want %s", test.state, test.verdict, outcome.To, test.want)
			}
			if outcome.Version != 7 || outcome.From != test.state {
				t.Errorf("fence %d from %s, want 7 from %s", outcome.Version, outcome.From, test.state)
			}
		})
	}
}

func TestDecide_noAnswerEverBreaksTheStateTableOrInventsAnOutcome(t *testing.T) {
	verdicts := []payment.Verdict{
		payment.VerdictUnknown, payment.VerdictCharged, payment.VerdictDeclined,
		payment.VerdictNotCharged, payment.VerdictPending, payment.VerdictNotFound,
	}
	for _, offers := range []payment.Traits{traits, {}, {CanLookup: true}, {KeyWindow: time.Hour}} {
		p := testPolicy(offers)
		for _, state := range []payment.State{payment.Paying, payment.Unknown, payment.Pending} {
			for _, verdict := range verdicts {
				for _, after := range []time.Duration{0, time.Minute, 2 * time.Hour, 48 * time.Hour, 100 * time.Hour} {
					outcome := p.decide(workAt(state, after), payment.Answer{Verdict: verdict})
					if outcome.To != state && !state.MayBecome(outcome.To) {
						t.Errorf("%s by %s becomes %s, which the table forbids", state, verdict, outcome.To)
					}
					if (outcome.To == payment.Succeeded) != (verdict == payment.VerdictCharged) {
						t.Errorf("%s by %s becomes %s", state, verdict, outcome.To)
					}
					if (outcome.To == payment.Failed) != (verdict == payment.VerdictDeclined) {
						t.Errorf("%s by %s becomes %s: absence of evidence is no failure", state, verdict, outcome.To)
					}
				}
			}
		}
	}
}

func TestDecide_payerWithoutKeyAndLookupIsNeverCalledAgainInDoubt(t *testing.T) {
	outcome := testPolicy(payment.Traits{}).decide(workAt(payment.Paying, 0), payment.Answer{})
	if outcome.To != payment.Parked || outcome.Code != payment.FailureAmbiguous {
		t.Errorf("became %s (%s), want %s (%s)", outcome.To, outcome.Code, payment.Parked, payment.FailureAmbiguous)
	}
}

func TestDecide_oldPaymentIsParkedNotFailed(t *testing.T) {
	p := testPolicy(traits)
	for _, state := range []payment.State{payment.Paying, payment.Unknown, payment.Pending} {
		for _, verdict := range []payment.Verdict{payment.VerdictUnknown, payment.VerdictNotCharged, payment.VerdictPending} {
			old := 73 * time.Hour
			if verdict == payment.VerdictPending || state == payment.Pending { // the payer may take longer
				old = 15 * 24 * time.Hour
			}
			if got := p.decide(workAt(state, old), payment.Answer{Verdict: verdict}).To; got != payment.Parked {
				t.Errorf("%s by %s after %s became %s, want %s", state, verdict, old, got, payment.Parked)
			}
		}
	}
	if got := p.decide(workAt(payment.Unknown, 73*time.Hour), payment.Answer{Verdict: payment.VerdictCharged}).To; got != payment.Succeeded {
		t.Errorf("evidence that came late became %s, want %s", got, payment.Succeeded)
	}
}

func TestDecide_waitsAsLongAsThePayerAsks(t *testing.T) {
	answer := payment.Answer{Verdict: payment.VerdictNotCharged, RetryAfter: time.Hour}
	if got := testPolicy(traits).decide(workAt(payment.Paying, 0), answer).NextIn; got != time.Hour {
		t.Errorf("next in %s, want the hour that the payer asked for", got)
	}
}

func TestRecognises_onlyWhileTheKeyIsRememberedThroughTheCall(t *testing.T) {
	for _, test := range []struct {
		name   string
		traits payment.Traits
		after  time.Duration
		want   bool
	}{
		{"inside the window", payment.Traits{KeyWindow: time.Hour}, time.Minute, true},
		{"the call would end outside", payment.Traits{KeyWindow: time.Hour}, time.Hour - time.Second, false},
		{"after the window", payment.Traits{KeyWindow: time.Hour, CanLookup: true}, 2 * time.Hour, false},
		{"no keys, but it was asked", payment.Traits{CanLookup: true}, 2 * time.Hour, true},
		{"neither", payment.Traits{}, 0, false},
	} {
		if got := testPolicy(test.traits).recognises(workAt(payment.Paying, 0), epoch.Add(test.after)); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestKeyForgotten_isAskedAboutOrLeftToAHuman(t *testing.T) {
	if got := testPolicy(traits).keyForgotten(workAt(payment.Paying, 0)).To; got != payment.Unknown {
		t.Errorf("with a look-up: %s, want %s", got, payment.Unknown)
	}
	if got := testPolicy(payment.Traits{KeyWindow: time.Hour}).keyForgotten(workAt(payment.Unknown, 0)).To; got != payment.Parked {
		t.Errorf("without one: %s, want %s", got, payment.Parked)
	}
}

func TestConfig_leaseShorterThanACallIsRefused(t *testing.T) {
	_, err := New(nil, nil, &scriptedPayer{}, Config{PayTimeout: 10 * time.Second, Lease: 10 * time.Second})
	if err == nil {
		t.Error("a lease that ends with the call was accepted")
	}
}

// A charge that shows a minute later is not asked about only when the delay is over.
func TestDecide_withinTheVisibilityDelayTheQuestionIsRepeated(t *testing.T) {
	p := newPolicy(Config{}.withDefaults(), payment.Traits{CanLookup: true, KeyWindow: 24 * time.Hour, VisibilityDelay: time.Hour})
	p.jitter = func() float64 { return 1 }
	for lookups, want := range map[int]time.Duration{0: 500 * time.Millisecond, 5: 16 * time.Second, 30: 5 * time.Minute} {
		work := payment.Work{
			Payment: payment.Payment{State: payment.Unknown}, Attempt: 1, Lookups: lookups,
			FirstAttemptAt: epoch, LastAttemptAt: epoch, LeasedAt: epoch.Add(time.Minute),
		}
		if got := p.decide(work, payment.Answer{Verdict: payment.VerdictNotFound}); got.To != payment.Unknown || got.NextIn != want {
			t.Errorf("after %d look-ups: %s in %s, want unknown in %s", lookups, got.To, got.NextIn, want)
		}
	}
}
