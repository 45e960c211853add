package postgres_test

import (
	"testing"

	"github.com/paybuf/paybuf/payment"
)

func TestPayment_isSeenByItsTenantOnly(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(order(t, "A-1"))[0]
	p, err := l.Payment(t.Context(), tenant, work.ID)
	if err != nil || p.ID != work.ID || p.State != payment.Paying || !p.NextAt.Equal(work.NextAt) {
		t.Errorf("got %+v, %v", p, err)
	}
	_, another := l.Payment(t.Context(), "another", work.ID)
	mustCode(t, another, payment.CodeNotFound)
	_, unknown := l.Payment(t.Context(), tenant, order(t, "A-2").ID)
	mustCode(t, unknown, payment.CodeNotFound)
	if another.Error() != unknown.Error() {
		t.Errorf("another's payment is told apart from none: %v, %v", another, unknown)
	}
}

func TestPayment_ofAWithdrawnCurrencyIsStillRead(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(order(t, "A-1"))[0]
	l.exec("ALTER TABLE payments DISABLE TRIGGER payments_request")
	l.exec("UPDATE payments SET currency = 'DEM', version = version + 1")
	if p := l.read(work.ID); p.Money.Minor() != 1999 || p.Money.Currency() != "DEM" {
		t.Errorf("read %v", p.Money)
	}
}

func TestPaymentsByOrder_givesTheChainOldestFirst(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	key := idKey(t, 0)
	chain := l.chain("A-1", payment.Failed, payment.Canceled, payment.Failed, payment.Paying)
	l.claim(order(t, "A-11"), order(t, "a-1"))
	foreign := order(t, "A-1")
	foreign.Tenant, foreign.ID = "another", key.Derive("another", "A-1", "")
	l.claim(foreign)

	payments, err := l.PaymentsByOrder(t.Context(), tenant, "A-1")
	if err != nil {
		t.Fatal(err)
	}
	if len(payments) != len(chain) {
		t.Fatalf("%d payments, want %d", len(payments), len(chain))
	}
	for i, p := range payments {
		if p.ID != chain[i].ID || p.RetryOf != chain[i].RetryOf {
			t.Errorf("payment %d is %s, want %s", i, p.ID, chain[i].ID)
		}
		if i+1 < len(chain) && p.RetriedBy != chain[i+1].ID {
			t.Errorf("payment %d is retried by %q, want %s", i, p.RetriedBy, chain[i+1].ID)
		}
	}
	none, err := l.PaymentsByOrder(t.Context(), tenant, "A-2")
	if err != nil || len(none) != 0 {
		t.Errorf("an unknown order number has %d payments, %v", len(none), err)
	}
	_, err = l.PaymentsByOrder(t.Context(), tenant, "A\x00")
	mustCode(t, err, payment.CodeInvalid)
}
