package payer_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/payertest"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// lieVariable names the lie that TestSuite_believesAnHonestPayer tells when it is
// run by TestSuite_catchesLiars.
const lieVariable = "PAYERTEST_LIE"

// lie changes what a payer says or does, and names the case that must notice.
type lie struct {
	caught  string
	payer   simulator.Options
	charges func(payment.Answer) payment.Answer
	lookups func(payment.Answer) payment.Answer
	voids   func(payment.Answer) payment.Answer
	traits  func(payment.Traits) payment.Traits
}

var lies = map[string]lie{
	"a lost answer is a charge": {caught: "hangsWithoutCharging", charges: func(a payment.Answer) payment.Answer {
		if a.Verdict == payment.VerdictUnknown {
			a.Verdict, a.PayerReference = payment.VerdictCharged, "ch_0"
		}
		return a
	}},
	"a lost answer is no charge": {caught: "resetAfterCharging", charges: func(a payment.Answer) payment.Answer {
		if a.Verdict == payment.VerdictUnknown {
			a.Verdict = payment.VerdictNotCharged
		}
		return a
	}},
	"a failed look-up found nothing": {caught: "lookupError", lookups: func(a payment.Answer) payment.Answer {
		if a.Verdict == payment.VerdictUnknown {
			a.Verdict = payment.VerdictNotFound
		}
		return a
	}},
	"a look-up proves that nothing was charged": {caught: "lookupError", lookups: func(a payment.Answer) payment.Answer {
		a.Verdict = payment.VerdictNotCharged
		return a
	}},
	"another amount is the same": {caught: "wrongAmountInTheAnswer", charges: func(a payment.Answer) payment.Answer {
		a.Mismatch = false
		return a
	}},
	"the payment method is evidence": {caught: "chargesOnceAndSaysSo", charges: func(a payment.Answer) payment.Answer {
		a.Evidence.Excerpt = payertest.PaymentMethod
		return a
	}},
	"keys that it ignores": {caught: "sameKeyAgain", payer: simulator.Options{IgnoreKeys: true},
		traits: func(t payment.Traits) payment.Traits { t.KeyWindow = time.Hour; return t }},
	"look-ups that it does not have": {caught: "lookupForAnotherAmount", payer: simulator.Options{NoLookup: true},
		traits: func(t payment.Traits) payment.Traits { t.CanLookup = true; return t }},
	"charges that are seen at once": {caught: "lookupSeesLate",
		traits: func(t payment.Traits) payment.Traits { t.VisibilityDelay = 0; return t }},
	"voids that it does not have": {caught: "voidOfACharge",
		traits: func(t payment.Traits) payment.Traits { t.CanVoid = true; return t }},
	"a lost void is a void":    {caught: "voidTooLate", payer: simulator.Options{CanVoid: true}, voids: takenBack},
	"a void that it cannot do": {caught: "voidOfACharge", voids: takenBack},
	"never decides later": {caught: "pendingIsApproved",
		traits: func(t payment.Traits) payment.Traits { t.CanPend = false; return t }},
	"keys too short for an id": {caught: "declaresWhatCanBe",
		traits: func(t payment.Traits) payment.Traits { t.KeyBytesMax = 29; return t }},
	"a repeated error is no charge": {caught: "errorThatIsRepeatedAfterCharging", charges: func(a payment.Answer) payment.Answer {
		if a.Verdict == payment.VerdictUnknown {
			a.Verdict = payment.VerdictNotCharged
		}
		return a
	}},
}

func takenBack(payment.Answer) payment.Answer {
	return payment.Answer{Verdict: payment.VerdictNotCharged}
}

// liar tells one lie.
type liar struct {
	payertest.Payer
	voider payertest.Voider
	lie    lie
}

func (l liar) Void(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	answer := l.voider.Void(ctx, id, money)
	if l.lie.voids != nil {
		answer = l.lie.voids(answer)
	}
	return answer
}

func (l liar) Charge(ctx context.Context, request payment.Request) payment.Answer {
	answer := l.Payer.Charge(ctx, request)
	if l.lie.charges != nil {
		answer = l.lie.charges(answer)
	}
	return answer
}

func (l liar) Lookup(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	answer := l.Payer.Lookup(ctx, id, money)
	if l.lie.lookups != nil {
		answer = l.lie.lookups(answer)
	}
	return answer
}

func (l liar) Traits() payment.Traits {
	traits := l.Payer.Traits()
	if l.lie.traits != nil {
		traits = l.lie.traits(traits)
	}
	return traits
}

func TestSuite_believesAnHonestPayer(t *testing.T) {
	untrue := lies[os.Getenv(lieVariable)] // none: the zero lie is the truth
	payertest.Run(t, func(t *testing.T, faults payertest.Faults) payertest.Subject {
		engine, ledger := open(t, told(untrue.payer, faults))
		return subject(liar{Payer: engine, voider: engine, lie: untrue}, ledger)
	})
}

// A suite that passes everybody proves nothing.
func TestSuite_catchesLiars(t *testing.T) {
	for name, l := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			suite := exec.CommandContext(ctx, os.Args[0],
				"-test.run=^TestSuite_believesAnHonestPayer$/^"+l.caught+"$")
			suite.Env = append(os.Environ(), lieVariable+"="+name)
			output, err := suite.CombinedOutput()
			if err == nil || !strings.Contains(string(output), "--- FAIL: TestSuite_believesAnHonestPayer/"+l.caught) {
				t.Errorf("%s did not catch it: %v\n%s", l.caught, err, output)
			}
		})
	}
}
