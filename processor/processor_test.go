package processor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func delivery(t *testing.T, number string, amountMinor int64) payment.Delivery {
	t.Helper()
	key, err := payment.NewIDKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	draft := payment.Draft{OrderNumber: number, AmountMinor: amountMinor, Currency: "EUR", PaymentMethod: "tok"}
	request, err := payment.NewRequest(key, "acme", draft, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return payment.Delivery{Request: request}
}

func deliveries(t *testing.T, n int) []payment.Delivery {
	t.Helper()
	var all []payment.Delivery
	for i := range n {
		all = append(all, delivery(t, fmt.Sprintf("A-%d", i), 100))
	}
	return all
}

// world is a processor between fakes, on a clock that jumps.
type world struct {
	source *queueSource
	ledger *memoryLedger
	payer  *scriptedPayer
	called Payer // instead of payer, unless nil
	*Processor
}

// inWorld runs the processor in a bubble; during is called beside it, and the
// processor is stopped gracefully when it returns.
func inWorld(t *testing.T, cfg Config, setUp func(*world), during func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{source: &queueSource{}, ledger: newMemoryLedger(), payer: newScriptedPayer()}
		setUp(w)
		if w.called == nil {
			w.called = w.payer
		}
		p, err := New([]Source{w.source}, w.ledger, w.called, cfg)
		if err != nil {
			t.Fatalf("new: %v", err)
		}
		w.Processor = p
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { p.Run(ctx); close(ended) }()
		during(w)
		stop()
		<-ended
	})
}

// after lets the bubble's clock run on.
func after(d time.Duration) { pause(context.Background(), d) }

func TestRun_paysEachOrderOnceHoweverOftenItComes(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		all := deliveries(t, 600)
		w.source.add(all...)
		w.source.add(all[:300]...)
		w.source.add(delivery(t, "A-0", 999)) // another body
	}, func(w *world) {
		after(time.Minute)
		sends, charges, doubles := w.payer.totals()
		if sends != 600 || charges != 600 || doubles != 0 {
			t.Errorf("%d sends, %d charges, %d doubles; want 600, 600, 0", sends, charges, doubles)
		}
		if got := w.ledger.count(payment.Succeeded); got != 600 {
			t.Errorf("%d succeeded, want 600", got)
		}
		if got := w.source.ackedCount(); got != 901 {
			t.Errorf("%d acknowledged, want all 901", got)
		}
		stats := w.Stats()
		if stats.Claimed != 600 || stats.Duplicates+stats.Conflicts != 301 || stats.Outcomes[payment.Succeeded] != 600 {
			t.Errorf("stats %+v", stats)
		}
	})
}

func TestSortOut_secondBodyInsideABatchIsAConflict(t *testing.T) {
	first, same, other := delivery(t, "A-1", 100), delivery(t, "A-1", 100), delivery(t, "A-1", 200)
	marked := delivery(t, "A-2", 100)
	marked.Conflict = true
	batch := sortOut([]payment.Delivery{first, same, other, marked, {Poison: errors.New("garbage")}})
	if len(batch.requests) != 1 || batch.requests[0].Money.Minor() != 100 || batch.doubles != 1 {
		t.Errorf("requests %+v, doubles %d; want only the first body", batch.requests, batch.doubles)
	}
	if len(batch.conflicts) != 2 || len(batch.poison) != 1 || len(batch.readable) != 4 {
		t.Errorf("%d conflicts, %d poison, %d readable; want 2, 1, 4",
			len(batch.conflicts), len(batch.poison), len(batch.readable))
	}
}

func TestRun_lostAnswerIsAskedAboutAndNotSentAgain(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.source.add(deliveries(t, 10)...)
		w.payer.charge = func(_ context.Context, request payment.Request, _ int) payment.Answer {
			w.payer.book(request.ID) // charged, and then the connection breaks
			return payment.Answer{}
		}
	}, func(w *world) {
		after(time.Hour)
		sends, charges, doubles := w.payer.totals()
		if sends != 10 || charges != 10 || doubles != 0 || w.payer.asked < 10 {
			t.Errorf("%d sends, %d charges, %d doubles, %d questions", sends, charges, doubles, w.payer.asked)
		}
		if got := w.ledger.count(payment.Succeeded); got != 10 {
			t.Errorf("%d succeeded, want 10", got)
		}
	})
}

func TestRun_lostRequestIsSentAgainOnlyAfterTheVisibilityDelay(t *testing.T) {
	var firstAt, secondAt time.Time
	inWorld(t, Config{}, func(w *world) {
		w.source.add(delivery(t, "A-1", 100))
		w.payer.charge = func(_ context.Context, _ payment.Request, send int) payment.Answer {
			if send == 1 {
				firstAt = time.Now()
				return payment.Answer{}
			}
			secondAt = time.Now()
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(time.Hour)
		if wait := secondAt.Sub(firstAt); wait < traits.VisibilityDelay {
			t.Errorf("sent again after %s, a charge may be hidden for %s", wait, traits.VisibilityDelay)
		}
		if got := w.ledger.count(payment.Succeeded); got != 1 {
			t.Errorf("%d succeeded, want 1", got)
		}
	})
}

func TestRun_hangingPayerIsCutOffAndAsked(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.source.add(delivery(t, "A-1", 100))
		w.payer.charge = func(ctx context.Context, _ payment.Request, send int) payment.Answer {
			if send == 1 {
				<-ctx.Done()
				if !errors.Is(context.Cause(ctx), errPayerSlow) {
					t.Errorf("cut off by %v, want %v", context.Cause(ctx), errPayerSlow)
				}
				return payment.Answer{}
			}
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(10 * time.Minute)
		if _, charges, _ := w.payer.totals(); charges != 1 || w.payer.asked == 0 {
			t.Errorf("%d charges after %d questions, want 1 after at least one", charges, w.payer.asked)
		}
	})
}

// The visibility delay begins when a call has ended, not when it was recorded:
// work waits for its turn in between.
func TestRun_slowHiddenChargesAreNeverRepeated(t *testing.T) {
	inWorld(t, Config{Concurrency: 2, PayTimeout: 5 * time.Second, Lease: 30 * time.Second}, func(w *world) {
		w.source.add(deliveries(t, 12)...)
		w.payer.hiddenFor = traits.VisibilityDelay - time.Millisecond
		w.payer.charge = func(ctx context.Context, request payment.Request, send int) payment.Answer {
			pause(ctx, 4*time.Second)
			if send == 1 { // charged, then reset; a look-up does not show it yet
				w.payer.book(request.ID)
				return payment.Answer{}
			}
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(time.Hour)
		if _, charges, doubles := w.payer.totals(); charges != 12 || doubles != 0 {
			t.Errorf("%d charges, %d doubles; want 12 and 0", charges, doubles)
		}
	})
}

// A payer that cannot be asked is sent the same key again, which is a question
// only as long as it remembers the key.
func TestRun_payerWithoutLookupIsNeverSentAKeyThatItForgot(t *testing.T) {
	const window = time.Minute
	for _, test := range []struct {
		name string
		busy time.Duration // how long it answers 503 to repetitions
		want payment.State
	}{
		{"it answers inside the window", 20 * time.Second, payment.Succeeded},
		{"it is busy until the window is over", 10 * time.Minute, payment.Parked},
	} {
		t.Run(test.name, func(t *testing.T) {
			inWorld(t, Config{}, func(w *world) {
				w.source.add(deliveries(t, 10)...)
				w.payer.traits = payment.Traits{KeyWindow: window}
				started := time.Now()
				w.payer.charge = func(_ context.Context, request payment.Request, send int) payment.Answer {
					if send == 1 {
						w.payer.book(request.ID)
						return payment.Answer{}
					}
					switch elapsed := time.Since(started); {
					case elapsed > window: // forgotten: another charge
						w.payer.book(request.ID)
					case elapsed < test.busy:
						return payment.Answer{Verdict: payment.VerdictNotCharged}
					}
					return payment.Answer{Verdict: payment.VerdictCharged, PayerReference: "replayed"}
				}
			}, func(w *world) {
				after(time.Hour)
				if _, charges, doubles := w.payer.totals(); charges != 10 || doubles != 0 {
					t.Errorf("%d charges, %d doubles; want 10 and 0", charges, doubles)
				}
				if got := w.ledger.count(test.want); got != 10 {
					t.Errorf("%d are %s, want 10", got, test.want)
				}
			})
		})
	}
}

func TestRun_retryAfterTheKeyWindowIsNotSent(t *testing.T) {
	inWorld(t, Config{ParkAfter: 30 * time.Minute}, func(w *world) {
		w.source.add(delivery(t, "A-1", 100))
		w.payer.traits = payment.Traits{KeyWindow: time.Minute, CanLookup: true}
		w.payer.charge = func(context.Context, payment.Request, int) payment.Answer {
			return payment.Answer{Verdict: payment.VerdictNotCharged, RetryAfter: 2 * time.Minute}
		}
	}, func(w *world) {
		after(2 * time.Hour)
		if sends, _, _ := w.payer.totals(); sends != 1 || w.ledger.count(payment.Parked) != 1 {
			t.Errorf("%d sends, %d parked; want 1 and 1", sends, w.ledger.count(payment.Parked))
		}
	})
}

func TestRun_claimWhoseAnswerWasLostIsTakenOverByItsLease(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.ledger.lost = true
		w.source.add(delivery(t, "A-1", 100))
	}, func(w *world) {
		after(10 * time.Minute)
		history := w.ledger.histories[delivery(t, "A-1", 100).Request.ID]
		want := []payment.State{payment.Paying, payment.Unknown}
		if len(history) < 2 || history[0] != want[0] || history[1] != want[1] {
			t.Errorf("history %v, want to begin with %v: nobody knows whether it was called", history, want)
		}
		if _, charges, _ := w.payer.totals(); charges != 1 {
			t.Errorf("%d charges, want 1", charges)
		}
	})
}

func TestRun_ledgerDownForAnHourResumesByItself(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.ledger.setFail(&payment.Error{Code: payment.CodeUnavailable, Detail: "down"})
		w.source.add(deliveries(t, 50)...)
	}, func(w *world) {
		after(time.Hour)
		if sends, _, _ := w.payer.totals(); sends != 0 {
			t.Fatalf("%d calls of the payer without a claim", sends)
		}
		if w.source.ackedCount() != 0 {
			t.Fatal("acknowledged without a claim")
		}
		w.ledger.setFail(nil)
		after(time.Minute)
		if got := w.ledger.count(payment.Succeeded); got != 50 {
			t.Errorf("%d succeeded, want 50", got)
		}
	})
}

func TestRun_ledgerDownWhilePayingWritesTheOutcomeLater(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.source.add(delivery(t, "A-1", 100))
		w.payer.charge = func(context.Context, payment.Request, int) payment.Answer {
			w.ledger.setFail(&payment.Error{Code: payment.CodeUnavailable, Detail: "down"})
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(time.Hour)
		w.ledger.setFail(nil)
		after(10 * time.Minute)
		if sends, _, _ := w.payer.totals(); sends != 1 || w.ledger.count(payment.Succeeded) != 1 {
			t.Errorf("%d sends, %d succeeded; want 1 and 1", sends, w.ledger.count(payment.Succeeded))
		}
	})
}

func TestRun_poisonAndUnstorableRowsHarmNobody(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		all := deliveries(t, 40)
		w.ledger.invalid["A-7"] = true
		w.source.add(all...)
		w.source.add(payment.Delivery{Poison: errors.New("not json"), Subject: "s", Raw: []byte("garbage")})
	}, func(w *world) {
		after(time.Minute)
		if got := w.ledger.count(payment.Succeeded); got != 39 {
			t.Errorf("%d succeeded, want 39", got)
		}
		if len(w.ledger.letters) != 2 || w.Stats().Buried != 2 {
			t.Errorf("%d dead letters, want 2", len(w.ledger.letters))
		}
		if got := w.source.ackedCount(); got != 41 {
			t.Errorf("%d acknowledged, want all 41", got)
		}
	})
}

func TestRun_payerDownLeavesTheBacklogInTheBuffer(t *testing.T) {
	const backlog = 5000
	var down atomic.Bool
	down.Store(true)
	inWorld(t, Config{Concurrency: 16}, func(w *world) {
		w.source.add(deliveries(t, backlog)...)
		w.payer.charge = func(context.Context, payment.Request, int) payment.Answer {
			if down.Load() {
				return payment.Answer{Verdict: payment.VerdictNotCharged}
			}
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(5 * time.Minute)
		if left := w.source.left(); left < backlog*8/10 {
			t.Errorf("only %d of %d wait in the buffer while the payer is down", left, backlog)
		}
		down.Store(false)
		after(30 * time.Minute)
		if got := w.ledger.count(payment.Succeeded); got != backlog {
			t.Errorf("%d succeeded after the payer came back, want %d", got, backlog)
		}
		if _, _, doubles := w.payer.totals(); doubles != 0 {
			t.Errorf("%d orders charged twice", doubles)
		}
	})
}

func TestRun_gracefulStopWritesWhatIsInFlight(t *testing.T) {
	var ledger *memoryLedger
	inWorld(t, Config{}, func(w *world) {
		ledger = w.ledger
		w.source.add(delivery(t, "A-1", 100))
		w.payer.charge = func(ctx context.Context, _ payment.Request, _ int) payment.Answer {
			pause(ctx, 5*time.Second)
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(*world) { after(time.Second) })
	if got := ledger.count(payment.Succeeded); got != 1 {
		t.Errorf("%d succeeded after a graceful stop, want the one in flight", got)
	}
}

func TestStep_noCallBeginsThatItsLeaseCannotCover(t *testing.T) {
	payer := newScriptedPayer()
	p, err := New(nil, newMemoryLedger(), payer, Config{})
	if err != nil {
		t.Fatal(err)
	}
	work := workAt(payment.Paying, 0)
	outcome := p.step(t.Context(), work, time.Now().Add(p.cfg.PayTimeout))
	if outcome.To != payment.Retrying || len(payer.sends) != 0 {
		t.Errorf("became %s after %d sends, want %s without any", outcome.To, len(payer.sends), payment.Retrying)
	}
}
