package simulator

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

func open(t *testing.T, opts Options) *Engine {
	t.Helper()
	if opts.Ledger == "" {
		opts.Ledger = filepath.Join(t.TempDir(), "ledger.ndjson")
	}
	e, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// reopen starts another Engine on the ledger of a closed one.
func reopen(t *testing.T, e *Engine) *Engine {
	t.Helper()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, e.opts)
}

// wantCounts compares the engine's count with its file's and with what is wanted.
func wantCounts(t *testing.T, e *Engine, charges, references, doubled int64) {
	t.Helper()
	file, err := ReadLedger(e.opts.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Summary{"engine": e.Summary(), "file": file} {
		if s.Charges != charges || s.References != references || s.Doubled != doubled {
			t.Errorf("the %s counts %+v; want %d charges of %d references, %d doubled", name, s, charges, references, doubled)
		}
	}
}

func wantVerdict(t *testing.T, answer payment.Answer, want payment.Verdict) {
	t.Helper()
	if answer.Verdict != want {
		t.Fatalf("verdict is %s (%+v), want %s", answer.Verdict, answer, want)
	}
}

func TestEngine_remembersItsKeysOverARestart(t *testing.T) {
	e := open(t, Options{})
	request, other := payertest.NewRequest(t), payertest.NewRequest(t)
	first := e.Charge(t.Context(), request)
	e = reopen(t, e)
	again := e.Charge(t.Context(), request)
	wantVerdict(t, again, payment.VerdictCharged)
	if again.PayerReference != first.PayerReference {
		t.Errorf("the charge %s became %s", first.PayerReference, again.PayerReference)
	}
	changed := request
	changed.Customer = "c_82"
	wantVerdict(t, e.Charge(t.Context(), changed), payment.VerdictUnknown)
	wantCounts(t, e, 1, 1, 0)
	if next := e.Charge(t.Context(), other); next.PayerReference == first.PayerReference {
		t.Errorf("two charges have the id %s", next.PayerReference)
	}
	wantCounts(t, e, 2, 2, 0)
}

func TestEngine_replaysWhatItSaidFirst(t *testing.T) {
	e := open(t, Options{Pending: 1})
	request := payertest.NewRequest(t)
	wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictPending)
	eventually(t, func() bool { return e.Summary().Charges == 1 })
	e = reopen(t, e)
	wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictPending)
	wantVerdict(t, e.Lookup(t.Context(), request.ID, request.Money), payment.VerdictCharged)
	wantCounts(t, e, 1, 1, 0)
}

func TestEngine_decidesAfterARestart(t *testing.T) {
	e := open(t, Options{Pending: 1, PendingFor: time.Hour})
	approved, opts := payertest.NewRequest(t), e.opts
	wantVerdict(t, e.Charge(t.Context(), approved), payment.VerdictPending)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = open(t, opts)
	wantVerdict(t, e.Lookup(t.Context(), approved.ID, approved.Money), payment.VerdictPending)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	opts.PendingFor = time.Nanosecond
	e = open(t, opts)
	eventually(t, func() bool { return e.Summary().Charges == 1 })
	wantVerdict(t, e.Lookup(t.Context(), approved.ID, approved.Money), payment.VerdictCharged)
	if s := e.Summary(); s.Pending != 0 {
		t.Errorf("%d are still pending", s.Pending)
	}
}

func TestEngine_decidesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Pending: 1, PendingFor: time.Minute, PendingDecline: 0.5, Seed: 3})
		requests := make([]payment.Request, 200)
		for i := range requests {
			requests[i] = payertest.NewRequest(t)
			wantVerdict(t, e.Charge(t.Context(), requests[i]), payment.VerdictPending)
		}
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if s := e.Summary(); s.Pending != 200 {
			t.Fatalf("%d of 200 are pending before their time", s.Pending)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		eventually(t, func() bool { return e.Summary().Pending == 0 })
		s := e.Summary()
		if s.Charges+s.Declined != 200 || s.Charges < 60 || s.Declined < 60 {
			t.Errorf("decided %+v", s)
		}
	})
}

func TestEngine_countsEveryChargeOfAPayerWithoutKeys(t *testing.T) {
	e := open(t, Options{IgnoreKeys: true})
	twice, once := payertest.NewRequest(t), payertest.NewRequest(t)
	for _, request := range []payment.Request{twice, once, twice, twice} {
		wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictCharged)
	}
	wantCounts(t, e, 4, 2, 1)
	if sum := e.Summary().Sums["EUR"]; sum != 4*1999 {
		t.Errorf("the sum is %d", sum)
	}
	if e.Traits().KeyWindow != 0 {
		t.Error("it declares keys")
	}
}

func TestEngine_forgetsAKeyAfterItsWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{KeyWindow: time.Hour})
		request := payertest.NewRequest(t)
		wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictCharged)
		time.Sleep(time.Hour - time.Second)
		wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictCharged)
		wantCounts(t, e, 1, 1, 0)
		time.Sleep(2 * time.Second)
		wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictCharged)
		wantCounts(t, e, 2, 1, 1)
	})
}

func TestEngine_chargesForAClientThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Latency: time.Minute})
		request := payertest.NewRequest(t)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("impatient"))
		defer cancel()
		answer := e.Charge(ctx, request)
		wantVerdict(t, answer, payment.VerdictUnknown)
		if answer.Evidence.Excerpt != "simulator: impatient" {
			t.Errorf("excerpt is %q", answer.Evidence.Excerpt)
		}
		wantVerdict(t, e.Lookup(t.Context(), request.ID, request.Money), payment.VerdictNotFound)
		time.Sleep(e.Traits().VisibilityDelay)
		wantVerdict(t, e.Lookup(t.Context(), request.ID, request.Money), payment.VerdictCharged)
	})
}

func TestEngine_hangsNoLongerThanItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Faults: Faults{Hang: 1, HangTimeout: time.Minute}})
		began := time.Now()
		wantVerdict(t, e.Charge(t.Context(), payertest.NewRequest(t)), payment.VerdictUnknown)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it hung for %s", took)
		}
	})
}

func TestEngine_aLookupShowsTheChargeAmongDeclines(t *testing.T) {
	e := open(t, Options{IgnoreKeys: true, Decline: 0.5, Seed: 1})
	request := payertest.NewRequest(t)
	seen := map[payment.Verdict]bool{}
	for range 20 {
		seen[e.Charge(t.Context(), request).Verdict] = true
		want := payment.VerdictDeclined
		if seen[payment.VerdictCharged] {
			want = payment.VerdictCharged
		}
		wantVerdict(t, e.Lookup(t.Context(), request.ID, request.Money), want)
	}
	if !seen[payment.VerdictCharged] || !seen[payment.VerdictDeclined] {
		t.Errorf("of 20 sends only %v came", seen)
	}
}

func TestEngine_whatItCannotWriteIsNotCharged(t *testing.T) {
	e, err := Open(Options{Ledger: filepath.Join(t.TempDir(), "ledger.ndjson")})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.ledger.file.Close(); err != nil { // the disk is gone
		t.Fatal(err)
	}
	request := payertest.NewRequest(t)
	for range 2 {
		wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictUnknown)
	}
	wantVerdict(t, e.Lookup(t.Context(), request.ID, request.Money), payment.VerdictNotFound)
	wantCounts(t, e, 0, 0, 0)
	if e.Close() == nil {
		t.Error("Close hides what went wrong")
	}
}

func TestClose_endsHangsAndLosesNothing(t *testing.T) {
	e := open(t, Options{Faults: Faults{Hang: 0.2, HangCharges: true, HangTimeout: time.Hour}})
	const clients = 50
	var charged sync.Map
	var all sync.WaitGroup
	for range clients {
		request := payertest.NewRequest(t)
		all.Go(func() {
			for e.Charge(t.Context(), request).Verdict == payment.VerdictCharged {
				charged.Store(request.ID, true)
				request = payertest.NewRequest(t)
			}
		})
	}
	eventually(t, func() bool { return e.Summary().Charges > clients })
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	all.Wait()
	inFile := map[string]bool{}
	for charge, err := range Charges(e.opts.Ledger) {
		if err != nil {
			t.Fatal(err)
		}
		inFile[charge.Reference] = true
	}
	charged.Range(func(id, _ any) bool {
		if !inFile[string(id.(payment.ID))] { //nolint:forcetypeassert // only these are stored
			t.Errorf("%v was answered charged and is not in the file", id)
		}
		return true
	})
	request := payertest.NewRequest(t)
	wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictUnknown)
	wantVerdict(t, e.Lookup(t.Context(), request.ID, request.Money), payment.VerdictUnknown)
	if err := e.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

// eventually waits for what another goroutine does, within a limit.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !condition(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass in 10 s")
		}
	}
}
