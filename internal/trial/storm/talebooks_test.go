package storm

import (
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

const (
	firstID  = payment.ID("pay_first")
	secondID = payment.ID("pay_second")
)

// chargeOf charges payments at a payer that ignores keys, and gives its ledger.
func chargeOf(t *testing.T, ids ...payment.ID) string {
	t.Helper()
	ledger := filepath.Join(t.TempDir(), "ledger.ndjson")
	payer, err := simulator.Open(simulator.Options{Ledger: ledger, IgnoreKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	defer payer.Close()
	money, err := payment.NewMoney(taleAmount, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		answer := payer.Charge(t.Context(), payment.Request{ID: id, OrderNumber: "tale-0", Money: money, PaymentMethod: "tok_visa"})
		if answer.Verdict != payment.VerdictCharged {
			t.Fatalf("the payer answers %+v", answer)
		}
	}
	return ledger
}

func TestBalance_holdsTalesAgainstTheLedger(t *testing.T) {
	for name, told := range map[string]struct {
		states  map[payment.ID]payment.State
		charged []payment.ID
		promise func(*Storm, *tale)
		want    []Invariant
	}{
		"tried again and charged once": {
			states: map[payment.ID]payment.State{firstID: payment.Failed, secondID: payment.Succeeded}, charged: []payment.ID{secondID},
		},
		"both payments of an order charged": {
			states:  map[payment.ID]payment.State{firstID: payment.Succeeded, secondID: payment.Succeeded},
			charged: []payment.ID{firstID, secondID}, want: []Invariant{Once},
		},
		"canceled as it was answered": {
			states:  map[payment.ID]payment.State{firstID: payment.Canceled},
			promise: func(s *Storm, _ *tale) { s.told.pleas[firstID] = plea{granted: true} },
		},
		"called off and charged": {
			states: map[payment.ID]payment.State{firstID: payment.Succeeded}, charged: []payment.ID{firstID},
			promise: func(s *Storm, _ *tale) { s.told.pleas[firstID] = plea{granted: true} }, want: []Invariant{Once, Final},
		},
		"canceled although it was refused": {
			states:  map[payment.ID]payment.State{firstID: payment.Canceled},
			promise: func(s *Storm, _ *tale) { s.told.pleas[firstID] = plea{refused: true} }, want: []Invariant{Kept},
		},
		"canceled without an answer": {
			states:  map[payment.ID]payment.State{firstID: payment.Canceled},
			promise: func(s *Storm, _ *tale) { s.told.pleas[firstID] = plea{unanswered: true} },
		},
		"charged without an answer": {
			states: map[payment.ID]payment.State{firstID: payment.Succeeded}, charged: []payment.ID{firstID},
			promise: func(s *Storm, _ *tale) { s.told.pleas[firstID] = plea{unanswered: true} },
		},
		"canceled by its order number": {
			states:  map[payment.ID]payment.State{firstID: payment.Canceled},
			promise: func(_ *Storm, t *tale) { t.called = true },
		},
		"an order that was given up, and charged": {
			states:  map[payment.ID]payment.State{firstID: payment.Failed, secondID: payment.Succeeded},
			charged: []payment.ID{secondID}, promise: func(_ *Storm, t *tale) { t.called, t.over = true, true }, want: []Invariant{Once},
		},
		"charged before its time": {
			states: map[payment.ID]payment.State{firstID: payment.Succeeded}, charged: []payment.ID{firstID},
			promise: func(s *Storm, _ *tale) { s.told.notBefore[firstID] = time.Now().Add(time.Hour) }, want: []Invariant{Amounts},
		},
		"charged at its time": {
			states: map[payment.ID]payment.State{firstID: payment.Succeeded}, charged: []payment.ID{firstID},
			promise: func(s *Storm, _ *tale) { s.told.notBefore[firstID] = time.Now().Add(-time.Hour) },
		},
	} {
		s := New(Config{})
		order := &tale{storm: s, number: "tale-0", amount: taleAmount}
		s.told.tales = append(s.told.tales, order)
		for _, id := range []payment.ID{firstID, secondID} {
			if state, sent := told.states[id]; sent {
				order.know(id)
				s.past.see(id, shown{ID: id, Amount: taleAmount, State: state, Version: 2})
			}
		}
		if told.promise != nil {
			told.promise(s, order)
		}
		balance, err := s.Balance(chargeOf(t, told.charged...))
		broken := balance.Broken()
		slices.Sort(told.want)
		if err != nil || !slices.Equal(broken, told.want) {
			t.Errorf("%s: %v, %v, want %v", name, err, balance.Violations, told.want)
		}
		if want := max(0, len(told.charged)-1); balance.Doubles != want {
			t.Errorf("%s: %d doubles, want %d", name, balance.Doubles, want)
		}
	}
}

func TestSee_aBareRowHasItsEndWhenItsRequestHasCome(t *testing.T) {
	s := New(Config{})
	s.past.accept(firstID, 5)
	s.past.see(firstID, shown{ID: firstID, State: payment.Canceled, Version: 1})
	if ended, _ := s.Ended(); ended != 0 {
		t.Error("a row without an amount has ended")
	}
	s.past.see(firstID, shown{ID: firstID, Amount: 5, State: payment.Canceled, Version: 2})
	if ended, _ := s.Ended(); ended != 1 || len(s.Violations()) > 0 {
		t.Errorf("%d have ended, %v", ended, s.Violations())
	}
	s.past.see(firstID, shown{ID: firstID, State: payment.Canceled, Version: 3})
	if v := s.Violations(); len(v) != 1 || v[0].Invariant != Amounts {
		t.Errorf("it lost its amount: %v", v)
	}
}
