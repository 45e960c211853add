package stripepayer_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/payertest"
	"github.com/paybuf/paybuf/processor/payer/stripepayer"
)

func TestNew_refusesWhatCannotWork(t *testing.T) {
	for name, cfg := range map[string]stripepayer.Config{
		"no key":               {},
		"a publishable key":    {SecretKey: "pk_live_hunter2"},
		"no key of Stripe's":   {SecretKey: "hunter2"},
		"a key of two lines":   {SecretKey: "sk_live_hunter2\nX"},
		"a negative time-out":  {SecretKey: "sk_live_hunter2", Timeout: -1},
		"a negative look-up":   {SecretKey: "sk_live_hunter2", LookupTimeout: -1},
		"a negative delay":     {SecretKey: "sk_live_hunter2", VisibilityDelay: -1},
		"negative connections": {SecretKey: "sk_live_hunter2", Connections: -1},
		"no URL":               {SecretKey: "sk_live_hunter2", BaseURL: "stripe"},
	} {
		_, err := stripepayer.New(cfg)
		coded, isCoded := errors.AsType[*payment.Error](err)
		if !isCoded || coded.Code != payment.CodeConfig || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: error is %v, want a configuration error without the key", name, err)
		}
	}
}

func TestTraits_areStripes(t *testing.T) {
	got := dial(t, "", func(cfg *stripepayer.Config) { cfg.VisibilityDelay = 0 }).Traits()
	want := payment.Traits{
		KeyWindow: 24 * time.Hour, KeyBytesMax: 255, CanLookup: true, VisibilityDelay: time.Hour, CanPend: true,
	}
	if got != want {
		t.Errorf("traits are %+v, want %+v", got, want)
	}
	if dial(t, "", func(cfg *stripepayer.Config) { cfg.NoSearch = true }).Traits().CanLookup {
		t.Error("an account without the search can be asked")
	}
}

// sent is what arrived at Stripe.
type sent struct {
	header http.Header
	form   url.Values
}

// listen gives an adapter and what it sends.
func listen(t *testing.T, change ...func(*stripepayer.Config)) (*stripepayer.Payer, *sent) {
	t.Helper()
	got := &sent{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a short body fails below
		got.header = r.Header
		got.form, _ = url.ParseQuery(string(body))
		_, _ = io.WriteString(w, `{"object":"payment_intent"}`)
	}))
	t.Cleanup(server.Close)
	return dial(t, server.URL, change...), got
}

func TestCharge_isOneIntentConfirmedAtOnce(t *testing.T) {
	payer, got := listen(t)
	request := payertest.NewRequest(t)
	payer.Charge(t.Context(), request)
	want := url.Values{
		"amount": {"1999"}, "currency": {"eur"}, "confirm": {"true"}, "payment_method": {payertest.PaymentMethod},
		"payment_method_types[0]": {"card"}, "error_on_requires_action": {"true"},
		"metadata[paybuf_id]": {string(request.ID)}, "metadata[paybuf_order_number]": {request.OrderNumber},
		"metadata[paybuf_customer]": {"c_81"},
	}
	if got.form.Encode() != want.Encode() {
		t.Errorf("sent\n%s, want\n%s", got.form.Encode(), want.Encode())
	}
	for name, value := range map[string]string{
		"Idempotency-Key": string(request.ID), "Authorization": "Bearer " + secretKey, "User-Agent": "paybuf",
		"X-Stripe-Client-User-Agent": "", "X-Stripe-Client-Telemetry": "",
	} {
		if got.header.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, got.header.Get(name), value)
		}
	}
	first := got.form.Encode()
	payer.Charge(t.Context(), request)
	if got.form.Encode() != first || got.header.Get("X-Stripe-Client-Telemetry") != "" {
		t.Errorf("the second send differs: %s, %v", got.form.Encode(), got.header)
	}
}

func TestCharge_ofACustomerOfStripes(t *testing.T) {
	payer, got := listen(t, func(cfg *stripepayer.Config) { cfg.OffSession = true })
	request := payertest.NewRequest(t)
	request.Customer = "cus_81"
	payer.Charge(t.Context(), request)
	if got.form.Get("customer") != "cus_81" || got.form.Get("off_session") != "true" || got.form.Has("error_on_requires_action") {
		t.Errorf("sent %s", got.form.Encode())
	}
}

// What Stripe sends holds client secrets and payment methods, and it is tried here
// whether any of it, or our key, is kept.
func TestEvidence_showsNoSecret(t *testing.T) {
	const header, body = "req_" + secretKey, `"client_secret":"` + clientSecret + `","message":"` + payertest.PaymentMethod + " " + secretKey + `"`
	request := payertest.NewRequest(t)
	for name, answer := range map[string]says{
		"an intent":    {status: 200, body: with(paid, `"last`, body+`,"last`)},
		"an error":     {status: 402, body: `{"error":{"type":"card_error","code":"x",` + body + `}}`},
		"a page":       {status: 500, body: secretKey + clientSecret + payertest.PaymentMethod},
		"another kind": {status: 200, body: `{"object":"` + secretKey + `","status":"` + secretKey + `","id":"` + secretKey + `"}`},
	} {
		answer.header = map[string]string{"Request-Id": header}
		payer := answering(t, request, answer)
		for _, got := range []payment.Answer{
			payer.Charge(t.Context(), request), payer.Lookup(t.Context(), request.ID, request.Money),
		} {
			payertest.CheckAnswer(t, got)
			for _, secret := range []string{secretKey, clientSecret, payertest.PaymentMethod} {
				if strings.Contains(fmt.Sprintf("%+v", got), secret) {
					t.Errorf("%s: %q is in %+v", name, secret, got)
				}
			}
		}
	}
}

func TestEvidence_namesTheExchange(t *testing.T) {
	request := payertest.NewRequest(t)
	answer := answering(t, request, says{
		status: 402, body: erring("card_error", "card_declined", unpaid("requires_payment_method", refused)),
		header: map[string]string{"Request-Id": "req_7", "Stripe-Should-Retry": "false", "Idempotent-Replayed": "true"},
	}).Charge(t.Context(), request)
	want := "type=card_error code=card_declined decline_code=insufficient_funds intent=pi_1 status=requires_payment_method paybuf_id=" +
		string(request.ID) + " currency=eur amount=1999 amount_received=0 should_retry=false replayed=true"
	if answer.Evidence != (payment.Evidence{HTTPStatus: 402, RequestID: "req_7", Excerpt: want}) {
		t.Errorf("evidence is %+v, want %s", answer.Evidence, want)
	}
}

func TestPayer_endsCallsByItsOwnTimeout(t *testing.T) {
	_, address := newDouble(t, payertest.Faults{First: payertest.Hang, Lookup: payertest.LookupHang})
	payer := dial(t, address, func(cfg *stripepayer.Config) {
		cfg.Timeout, cfg.LookupTimeout = 50*time.Millisecond, 60*time.Millisecond
	})
	request := payertest.NewRequest(t)
	for _, answer := range []payment.Answer{
		payer.Charge(t.Context(), request), payer.Lookup(t.Context(), request.ID, request.Money),
	} {
		if answer.Verdict != payment.VerdictUnknown || !strings.Contains(answer.Evidence.Excerpt, "in time") {
			t.Errorf("answer is %s, %q; want unknown, and the cause", answer.Verdict, answer.Evidence.Excerpt)
		}
	}
}

func TestLookup_isNotSentWithoutTheSearch(t *testing.T) {
	payer, got := listen(t, func(cfg *stripepayer.Config) { cfg.NoSearch = true })
	request := payertest.NewRequest(t)
	answer := payer.Lookup(t.Context(), request.ID, request.Money)
	if answer.Verdict != payment.VerdictUnknown || answer.Failure.Code != "payer_no_lookup" || got.header != nil {
		t.Errorf("answer is %+v", answer)
	}
}
