package processor

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paybuf/paybuf/payment"
)

func TestPause_isUniformUpToACapThatDoubles(t *testing.T) {
	p := testPolicy(traits)
	rapid.Check(t, func(t *rapid.T) {
		tries := rapid.IntRange(-1, 200).Draw(t, "tries")
		drawn := rapid.Float64Range(0, 1).Draw(t, "drawn")
		p.jitter = func() float64 { return drawn }
		limit := min(time.Duration(float64(time.Second)*float64(uint64(1)<<min(max(tries-1, 0), 20))), time.Hour)
		want := max(time.Second/pauseFloor, time.Duration(drawn*float64(limit)))
		if got := p.pause(tries, time.Second, time.Hour); got != want {
			t.Fatalf("try %d, %v drawn: %s, want %s", tries, drawn, got, want)
		}
	})
}

func TestPause_neverExceedsItsMaxAlsoIfTheBaseDoes(t *testing.T) {
	if got := testPolicy(traits).pause(1, time.Hour, time.Second); got != time.Second {
		t.Errorf("pause of %s, at most %s was allowed", got, time.Second)
	}
}

func TestPause_isNeverImmediate(t *testing.T) {
	p := testPolicy(traits)
	p.jitter = func() float64 { return 0 }
	work := workAt(payment.Paying, 0)
	for name, wait := range map[string]time.Duration{
		"retry": p.retryIn(1), "look-up": p.lookupIn(1), "poll": p.pollIn(work),
		"refused": p.decide(work, payment.Answer{Verdict: payment.VerdictNotCharged}).NextIn,
	} {
		if wait <= 0 {
			t.Errorf("%s: at once", name)
		}
	}
}

func TestPause_eachKindHasItsOwn(t *testing.T) {
	p := newPolicy(Config{
		RetryBase: time.Second, RetryMax: time.Second, LookupBase: 2 * time.Second, LookupMax: 2 * time.Second,
		PendingPoll: 3 * time.Second, PendingMax: 3 * time.Second,
	}.withDefaults(), traits)
	p.jitter = func() float64 { return 1 }
	for _, test := range []struct {
		state   payment.State
		verdict payment.Verdict
		want    time.Duration
	}{
		{payment.Paying, payment.VerdictNotCharged, time.Second},
		{payment.Paying, payment.VerdictUnknown, 2 * time.Second},
		{payment.Unknown, payment.VerdictUnknown, 2 * time.Second},
		{payment.Paying, payment.VerdictPending, 3 * time.Second},
		{payment.Pending, payment.VerdictPending, 3 * time.Second},
	} {
		if got := p.decide(workAt(test.state, 0), payment.Answer{Verdict: test.verdict}).NextIn; got != test.want {
			t.Errorf("%s by %s: next in %s, want %s", test.state, test.verdict, got, test.want)
		}
	}
}

func TestDecide_sentTooOftenIsParkedAsNotCharged(t *testing.T) {
	p := newPolicy(Config{AttemptsMax: 3}.withDefaults(), traits)
	for _, test := range []struct {
		name    string
		state   payment.State
		attempt int
		verdict payment.Verdict
		want    payment.State
	}{
		{"one left", payment.Paying, 2, payment.VerdictNotCharged, payment.Retrying},
		{"none left", payment.Paying, 3, payment.VerdictNotCharged, payment.Parked},
		{"none left, by a look-up", payment.Unknown, 3, payment.VerdictNotFound, payment.Parked},
		{"an answer was lost: questions go on", payment.Paying, 3, payment.VerdictUnknown, payment.Unknown},
		{"charged at last", payment.Paying, 3, payment.VerdictCharged, payment.Succeeded},
	} {
		work := workAt(test.state, time.Minute)
		work.Attempt = test.attempt
		got := p.decide(work, payment.Answer{Verdict: test.verdict})
		if got.To != test.want {
			t.Errorf("%s: became %s, want %s", test.name, got.To, test.want)
		}
		if got.To == payment.Parked && got.Code != payment.FailureExhausted {
			t.Errorf("%s: parked as %s, want %s", test.name, got.Code, payment.FailureExhausted)
		}
	}
}

func TestDecide_lookupsEndByAgeAndNotByNumber(t *testing.T) {
	work := workAt(payment.Unknown, 71*time.Hour)
	work.Lookups = 100_000
	if got := testPolicy(traits).decide(work, payment.Answer{}).To; got != payment.Unknown {
		t.Errorf("after many questions: %s, want %s", got, payment.Unknown)
	}
}

func TestDecide_aPayerMayTakeDaysToDecide(t *testing.T) {
	if got := testPolicy(traits).decide(workAt(payment.Pending, 13*24*time.Hour), payment.Answer{Verdict: payment.VerdictPending}).To; got != payment.Pending {
		t.Errorf("after 13 days: %s, want %s", got, payment.Pending)
	}
}

// A payment that waited for its time has all of its time left.
func TestDecide_ageBeginsWithTheFirstAttempt(t *testing.T) {
	work := workAt(payment.Paying, 0)
	work.AcceptedAt = epoch.Add(-365 * 24 * time.Hour)
	if got := testPolicy(traits).decide(work, payment.Answer{Verdict: payment.VerdictNotCharged}).To; got != payment.Retrying {
		t.Errorf("accepted a year before its first attempt: %s, want %s", got, payment.Retrying)
	}
	work.FirstAttemptAt = time.Time{}
	if got := testPolicy(traits).decide(work, payment.Answer{Verdict: payment.VerdictNotCharged}).To; got != payment.Retrying {
		t.Errorf("without any attempt on record: %s, want %s", got, payment.Retrying)
	}
}
