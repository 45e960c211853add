package processor

import (
	"flag"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/processortest"
)

// TestMain plays more interleavings than rapid's default; -rapid.checks says how many
// else.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", strconv.Itoa(modelChecks)); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const modelChecks = 2000

// modelCheckedMin is how many interleavings must be played before each kind of
// event has certainly been among them.
const modelCheckedMin = 1000

// eventful is what must have happened somewhere, or the model would promise more
// than it has seen.
var eventful = []string{
	"scheduled", "paying", "retrying", "unknown", "pending", "parked", "succeeded", "failed", "canceled",
	"failed " + payment.FailurePredecessor, "parked " + payment.FailureAmbiguous,
	"redelivery", "duplicate", "conflict", "take-over", "late write", "look-up", "not_cancelable",
	"failed " + payment.FailureVoided, string(takesBack), string(tooLate), string(nothingToVoid), string(losesVoid), string(losesVoided),
}

func TestModel_noInterleavingChargesTwiceOrLosesAPayment(t *testing.T) {
	played, counts := 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := play(t, plans.Draw(rt, "plan"), flaws{})
		played++
		for what, n := range w.counts {
			counts[what] += n
		}
		if len(w.violations) > 0 {
			rt.Logf("what happened:\n%s", strings.Join(w.trace, "\n"))
			rt.Fatal(w.violations[0])
		}
	})
	t.Logf("%d interleavings: %v", played, counts)
	for _, what := range eventful {
		if counts[what] == 0 && played >= modelCheckedMin {
			t.Errorf("%q never happened in %d interleavings", what, played)
		}
	}
}

// flaws break something on purpose. The zero value breaks nothing.
type flaws struct {
	ledger      processortest.Flaws
	traits      func(payment.Traits) payment.Traits // what the processor is told of the payer
	verdict     func(payment.Verdict) payment.Verdict
	blindLookup bool // look-ups find nothing, without asking
	acksEarly   bool // a message is gone when it was handed out
}

func (f flaws) answer(answer payment.Answer) payment.Answer {
	if f.verdict != nil {
		answer.Verdict = f.verdict(answer.Verdict)
	}
	return answer
}

// The model could be silent because it looks at nothing.
func TestModel_catchesWhatIsBroken(t *testing.T) {
	const playsMax = 3000
	for name, f := range map[string]flaws{
		"a ledger without a fence":                 {ledger: processortest.Flaws{NoFence: true}},
		"a ledger without unique order numbers":    {ledger: processortest.Flaws{NoUnique: true}},
		"a take-over that charges":                 {ledger: processortest.Flaws{BlindTakeOver: true}},
		"a chain that nobody checks":               {ledger: processortest.Flaws{NoChain: true}},
		"a schedule that nobody keeps":             {ledger: processortest.Flaws{NoSchedule: true}},
		"a cancellation of whatever it is":         {ledger: processortest.Flaws{CancelsAnything: true}},
		"a cancellation that is forgotten":         {ledger: processortest.Flaws{ForgetsTombstones: true}},
		"a release of whatever it is":              {ledger: processortest.Flaws{ReleasesAnything: true}},
		"a lease that ends at once":                {ledger: processortest.Flaws{LeasesForNoTime: true}},
		"an acknowledgement before the claim":      {acksEarly: true},
		"a repetition without a look-up":           {blindLookup: true},
		"a visibility delay that is not waited":    {traits: func(t payment.Traits) payment.Traits { t.VisibilityDelay = 0; return t }},
		"a key that is used when it is forgotten":  {traits: forgetsLater},
		"a void in front of its charge":            {traits: voidsEarly},
		"a key that is used after its void":        {traits: voidsAndRepeats},
		"a lost answer that is taken for a no":     {verdict: instead(payment.VerdictUnknown, payment.VerdictNotCharged)},
		"a lost answer that is taken for a yes":    {verdict: instead(payment.VerdictUnknown, payment.VerdictCharged)},
		"a lost answer that is taken for declined": {verdict: instead(payment.VerdictUnknown, payment.VerdictDeclined)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range playsMax {
				p := plans.Example(seed)
				w := play(t, p, f)
				if len(w.violations) == 0 {
					continue
				}
				t.Logf("interleaving %d: %s", seed+1, w.violations[0])
				if whole := play(t, p, flaws{}); len(whole.violations) > 0 {
					t.Errorf("without the flaw, too: %s", whole.violations[0])
				}
				return
			}
			t.Errorf("%d interleavings and no violation", playsMax)
		})
	}
}

func forgetsLater(t payment.Traits) payment.Traits {
	if t.KeyWindow > 0 {
		t.KeyWindow = 24 * time.Hour
	}
	return t
}

func voidsEarly(t payment.Traits) payment.Traits {
	if t.CanVoid {
		t.VisibilityDelay = 0
	}
	return t
}

// voidsAndRepeats hides that the payer knows a key again after its void.
func voidsAndRepeats(t payment.Traits) payment.Traits {
	if t.CanVoid {
		t.KeyWindow = 0
	}
	return t
}

func instead(of, is payment.Verdict) func(payment.Verdict) payment.Verdict {
	return func(v payment.Verdict) payment.Verdict {
		if v == of {
			return is
		}
		return v
	}
}
