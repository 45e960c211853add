package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// startAt starts all roles at a payer that offers what is told.
func (in *installation) startAt(offers payment.Traits) *process {
	in.t.Helper()
	opts := in.options(app.Roles()...)
	opts.Payer = httppayer.Config{Traits: &offers}
	p := in.startWith(opts)
	p.awaitReady("")
	return p
}

// At a payer that can neither recognise a repetition, nor be asked, nor take a
// charge back, only a person finds out what became of a lost answer. With so many
// of them the breaker may open; a payment that it gives back was not called.
func TestPayer_withNothingIsNeverCalledAgainInDoubt(t *testing.T) {
	t.Parallel()
	const orders = 40
	payer := newPayer(t, func(o *simulator.Options) {
		o.IgnoreKeys, o.NoLookup, o.Seed = true, true, 4
		o.Faults = simulator.Faults{ResetAfter: 0.3, ErrorAfter: 0.1, Garbage: 0.1}
	})
	in := installOn(t, localtest.Postgres(t), payer)
	c := in.client(in.startAt(payment.Traits{}), "acme")
	due := c.acceptMany("A", orders)

	const ended = `SELECT count(*) FROM payments WHERE state IN ('succeeded', 'parked')`
	eventually(t, "all are succeeded or parked", func() bool { return in.count(ended) == itoa(orders) })
	parked := atoi(in.count(`SELECT count(*) FROM payments WHERE state = 'parked' AND failure_code = 'outcome_unknown'`))
	if succeeded := atoi(in.count(`SELECT count(*) FROM payments WHERE state = 'succeeded'`)); succeeded+parked != orders || parked == 0 || succeeded == 0 {
		t.Errorf("%d succeeded, %d parked in doubt; want some of each, %d together", succeeded, parked, orders)
	}
	equal(t, "sends", payer.sends(), int64(orders))
	payer.wantOnce(due)
}

// A charge whose answer was lost is taken back, and the order is charged again; or
// it is too late, and the first charge is the order's.
func TestPayer_thatOnlyVoidsChargesEachOrderOnce(t *testing.T) {
	t.Parallel()
	payer := newPayer(t, func(o *simulator.Options) {
		o.IgnoreKeys, o.NoLookup, o.CanVoid, o.Seed = true, true, true, 5
		o.Faults = simulator.Faults{ResetAfter: 0.3, ErrorAfter: 0.1, ErrorBefore: 0.1, Garbage: 0.1, SendsMax: 2}
		o.Voids = simulator.VoidFaults{Settled: 0.3, Lost: 0.3}
	})
	in := installOn(t, localtest.Postgres(t), payer)
	c := in.client(in.startAt(payment.Traits{CanVoid: true, VisibilityDelay: 300 * time.Millisecond}), "acme")
	due := c.acceptMany("A", 40)
	c.awaitSucceeded(due)
	payer.wantOnce(due)
	if taken := payer.running.Summary().Voided; taken == 0 {
		t.Error("nothing was taken back, so this shows nothing")
	}
}

// stripeDouble says that it has charged, whatever it is sent; its own tests know
// Stripe better.
func stripeDouble(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"object":"payment_intent","id":"pi_81","status":"succeeded","amount":%s,"amount_received":%s,`+
			`"currency":"eur","metadata":{"paybuf_id":%q}}`,
			r.FormValue("amount"), r.FormValue("amount"), r.FormValue("metadata[paybuf_id]")) // it fails below
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestPayer_stripeIsPaidThrough(t *testing.T) {
	t.Parallel()
	const secret = "sk_test_neverToBeSeen"
	in := install(t)
	opts := in.options(app.Roles()...)
	opts.PayerURL = app.PayerStripe

	if err := in.startError(opts); err == nil || !strings.Contains(err.Error(), "--payer-token-file") {
		t.Errorf("without a key: %v", err)
	}
	opts.Stripe.SecretKey, opts.Stripe.BaseURL = "pk_test_neverToBeSeen", stripeDouble(t)
	if err := in.startError(opts); err == nil || strings.Contains(err.Error(), "neverToBeSeen") {
		t.Errorf("with a publishable key: %v", err)
	}
	opts.Stripe.SecretKey = secret
	p := in.startWith(opts)
	p.awaitReady("")
	c := in.client(p, "acme")
	paid := c.await(c.accept("A-1", 1999).shown.ID)
	equal(t, "state", paid.shown.State, payment.Succeeded)
	equal(t, "payer's reference", paid.shown.PayerReference, "pi_81")
	if strings.Contains(in.logs.String(), "neverToBeSeen") {
		t.Error("the secret key is in the logs")
	}
}

func TestPayer_whoseKeysAreTooShortIsRefused(t *testing.T) {
	t.Parallel()
	in := install(t)
	opts := in.options(app.Roles()...)
	opts.Payer = httppayer.Config{Traits: &payment.Traits{KeyWindow: time.Hour, KeyBytesMax: 20}}
	if err := in.startError(opts); err == nil || !strings.Contains(err.Error(), "at most 20 bytes") {
		t.Errorf("error is %v", err)
	}
}
