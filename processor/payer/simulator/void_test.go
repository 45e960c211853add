package simulator

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

// voidsOf gives what the ledger says was charged and taken back.
func voidsOf(t *testing.T, e *Engine) []Charge {
	t.Helper()
	var all []Charge
	for charge, err := range Voids(e.opts.Ledger) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, charge)
	}
	return all
}

func TestVoid_takesEveryChargeOfTheReferenceBack(t *testing.T) {
	e := open(t, Options{CanVoid: true, IgnoreKeys: true})
	request, other := payertest.NewRequest(t), payertest.NewRequest(t)
	for range 3 {
		wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictCharged)
	}
	wantVerdict(t, e.Charge(t.Context(), other), payment.VerdictCharged)
	wantCounts(t, e, 4, 2, 1)
	for range 2 { // again is as good as once
		wantVerdict(t, e.Void(t.Context(), request.ID, request.Money), payment.VerdictNotCharged)
		wantCounts(t, e, 1, 1, 0)
	}
	if got := voidsOf(t, e); len(got) != 3 || got[0].Reference != string(request.ID) || got[0].Money != request.Money {
		t.Errorf("the ledger tells of the voids %+v, want three of %s", got, request.ID)
	}
	if s := e.Summary(); s.Voided != 3 || s.Sums["EUR"] != 1999 {
		t.Errorf("summary %+v", s)
	}
	wantVerdict(t, e.Lookup(t.Context(), request.ID, request.Money), payment.VerdictDeclined)
	wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictCharged) // no keys: another charge
	wantCounts(t, e, 2, 2, 0)
	e = reopen(t, e)
	wantCounts(t, e, 2, 2, 0)
	wantVerdict(t, e.Lookup(t.Context(), request.ID, request.Money), payment.VerdictCharged)
}

// Payers with keys answer a repetition as they did at first, whatever has become
// of the charge since. This is why a voided payment is not sent again to them.
func TestVoid_theKeyStillRemembersTheCharge(t *testing.T) {
	e := open(t, Options{CanVoid: true})
	request := payertest.NewRequest(t)
	wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictCharged)
	wantVerdict(t, e.Void(t.Context(), request.ID, request.Money), payment.VerdictNotCharged)
	wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictCharged)
	wantCounts(t, e, 0, 0, 0)
}

func TestVoid_ofAPendingChargeIsItsEnd(t *testing.T) {
	e := open(t, Options{CanVoid: true, Pending: 1, PendingFor: 50 * time.Millisecond})
	request, decided := payertest.NewRequest(t), payertest.NewRequest(t)
	wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictPending)
	wantVerdict(t, e.Void(t.Context(), request.ID, request.Money), payment.VerdictNotCharged)
	wantVerdict(t, e.Charge(t.Context(), decided), payment.VerdictPending)
	eventually(t, func() bool { return e.Summary().Charges == 1 }) // the first would have come before
	wantCounts(t, e, 1, 1, 0)
	if s := e.Summary(); s.Voided != 1 || s.Pending != 0 || len(voidsOf(t, e)) != 0 {
		t.Errorf("summary %+v, %d voids of charges", s, len(voidsOf(t, e)))
	}
	e = reopen(t, e)
	wantCounts(t, e, 1, 1, 0)
	wantVerdict(t, e.Lookup(t.Context(), request.ID, request.Money), payment.VerdictDeclined)
}

func TestVoid_raceWithTheDecisionEndsInOneOfTheTwo(t *testing.T) {
	e := open(t, Options{CanVoid: true, Pending: 1, PendingFor: time.Nanosecond})
	var all sync.WaitGroup
	for range 50 {
		request := payertest.NewRequest(t)
		all.Go(func() {
			e.Charge(t.Context(), request)
			for e.Void(t.Context(), request.ID, request.Money).Verdict != payment.VerdictNotCharged {
			}
		})
	}
	all.Wait()
	eventually(t, func() bool { return e.Summary().Pending == 0 })
	wantCounts(t, e, 0, 0, 0)
	if s := e.Summary(); s.Voided != 50 {
		t.Errorf("%d voided, want 50", s.Voided)
	}
}

func TestHandler_voidSpeaksTheContract(t *testing.T) {
	const order = `{"reference":"pay_x","order_number":"A","amount":1999,"currency":"EUR","payment_method":"tok"}`
	for _, test := range []struct {
		name   string
		opts   Options
		status int
		body   string
	}{
		{"voided", Options{CanVoid: true}, http.StatusOK, `{"reference":"pay_x","status":"voided"}`},
		{"settled", Options{CanVoid: true, Voids: VoidFaults{Settled: 1}}, http.StatusConflict,
			`{"id":"ch_1","reference":"pay_x","status":"succeeded","amount":1999,"currency":"EUR","decline_code":null}`},
		{"lost", Options{CanVoid: true, Voids: VoidFaults{Lost: 1}}, http.StatusInternalServerError, ""},
		{"no such thing", Options{}, http.StatusNotImplemented, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, url := serve(t, test.opts)
			mustDo(t, http.MethodPost, url+"/charges", "pay_x", order)
			got := mustDo(t, http.MethodPost, url+"/voids?reference=pay_x", "", "")
			if got.status != test.status || !strings.HasPrefix(got.body, test.body) {
				t.Errorf("answer is %d %s, want %d %s", got.status, got.body, test.status, test.body)
			}
			if bad := mustDo(t, http.MethodPost, url+"/voids", "", ""); bad.status != http.StatusBadRequest {
				t.Errorf("without a reference the answer is %d", bad.status)
			}
		})
	}
}

func TestOpen_refusesALedgerThatVoidsWhatItDoesNotHave(t *testing.T) {
	name := ledgerFile(t, lineOf(t, testEntry(1, voided))+lineOf(t, testEntry(2, succeeded)))
	if e, err := Open(Options{Ledger: name}); err == nil {
		t.Error("it was opened")
		_ = e.Close()
	}
}
