package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

// derived is the id of the tenant acme's order A-1001.
func derived(t *testing.T) payment.ID {
	t.Helper()
	return idKey(t).Derive("acme", "A-1001", "")
}

func wantHeader(t *testing.T, got answer, name, want string) {
	t.Helper()
	if value := got.header.Get(name); value != want {
		t.Errorf("%s is %q, want %q", name, value, want)
	}
}

func TestPost_aValidRequestIsKeptAndAnswered202(t *testing.T) {
	service := serve(t, ingest.Config{})
	got := service.post(t, valid)

	id := string(derived(t))
	want := `{"id":"` + id + `","object":"payment","order_number":"A-1001","amount":1999,"currency":"EUR",` +
		`"state":"queued","final":false,"version":0,"duplicate":false,` +
		`"status_url":"` + service.URL + `/v1/payments/` + id + `","accepted_at":"2026-11-21T09:00:00.000Z"}`
	if got.status != http.StatusAccepted || got.body != want {
		t.Errorf("got  %d %s\nwant 202 %s", got.status, got.body, want)
	}
	wantHeader(t, got, "Location", "/v1/payments/"+id)
	wantHeader(t, got, "Retry-After", "1")
	wantHeader(t, got, "Cache-Control", "no-store")
	wantHeader(t, got, "Content-Type", "application/json")
	wantHeader(t, got, "Idempotent-Replayed", "")
}

func TestPost_theBufferGetsWhatWasSent(t *testing.T) {
	service := serve(t, ingest.Config{})
	service.post(t, ` {"metadata":{"cart":"9\u0031","":"x"},"x":1} `) // refused: nothing of it may be kept
	service.post(t, `{"order_number":"\u0041-1001","amount":1999,"currency":"EUR","payment_method":"tok_visa",
		"customer":"c/81","description":"zwei B\u00fccher","metadata":{"c\"art":"918273","empty":""}}`)
	kept := service.store.all()
	if len(kept) != 1 {
		t.Fatalf("%d requests were kept, want 1", len(kept))
	}
	got := kept[0]
	if got.ID != derived(t) || got.Tenant != "acme" || got.OrderNumber != "A-1001" || got.PaymentMethod != "tok_visa" ||
		got.Money.Minor() != 1999 || got.Money.Currency() != "EUR" || got.Customer != "c/81" || got.Description != "zwei Bücher" {
		t.Errorf("kept %+v", got)
	}
	if fmt.Sprint(got.Metadata) != `map[c"art:918273 empty:]` {
		t.Errorf("kept the metadata %v", got.Metadata)
	}
}

func TestPost_optionalMembersMayBeMissing(t *testing.T) {
	service := serve(t, ingest.Config{})
	for _, body := range []string{
		`{"order_number":"1","amount":1,"currency":"JPY","payment_method":"t"}`,
		`{"order_number":"2","amount":1000000000000,"currency":"EUR","payment_method":"t","customer":"","metadata":{}}`,
	} {
		if got := service.post(t, body); got.status != http.StatusAccepted {
			t.Errorf("%s: got %d %s", body, got.status, got.body)
		}
	}
}

func TestPost_theConfiguredURLIsShown(t *testing.T) {
	service := serve(t, ingest.Config{PublicURL: "https://pay.example/"})
	got := service.post(t, valid)
	if want := `"status_url":"https://pay.example/v1/payments/pay_`; !strings.Contains(got.body, want) {
		t.Errorf("got %s, want %s in it", got.body, want)
	}
}

func TestPost_aDuplicateGetsTheAnswerOfTheFirst(t *testing.T) {
	service := serve(t, ingest.Config{})
	first := service.post(t, valid)
	again := strings.NewReplacer("two books", "other words", "918273", "x").Replace(valid)
	second := service.post(t, again)

	want := strings.Replace(first.body, `"duplicate":false`, `"duplicate":true`, 1)
	if second.status != http.StatusAccepted || second.body != want {
		t.Errorf("got  %d %s\nwant 202 %s", second.status, second.body, want)
	}
	wantHeader(t, second, "Idempotent-Replayed", "true")
	wantHeader(t, second, "Location", first.header.Get("Location"))
	wantHeader(t, second, "Retry-After", "1")
}

func TestPost_tenantsDoNotShareOrderNumbers(t *testing.T) {
	service := serve(t, ingest.Config{})
	first := service.post(t, valid)
	second := service.post(t, strings.Replace(valid, "1999", "5", 1), func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer umbrella")
	})
	if second.status != http.StatusAccepted || strings.Contains(second.body, `"duplicate":true`) {
		t.Errorf("got %d %s", second.status, second.body)
	}
	if first.header.Get("Location") == second.header.Get("Location") {
		t.Error("two tenants share an id")
	}
}

func TestPost_anotherBodyIsAConflict(t *testing.T) {
	service := serve(t, ingest.Config{})
	service.post(t, valid)
	got := service.post(t, strings.Replace(valid, "1999", "2000", 1))
	details := got.problem(t, http.StatusConflict, payment.CodeOrderConflict)

	path := "/v1/payments/" + string(derived(t))
	if details.PaymentID != string(derived(t)) || details.PaymentURL != service.URL+path {
		t.Errorf("got %+v, want the payment that is there", details)
	}
	wantHeader(t, got, "Location", path)
	if kept := service.store.all(); len(kept) != 1 || kept[0].Money.Minor() != 1999 {
		t.Errorf("kept %+v, want the first alone", kept)
	}
}

func TestPost_ofManyAtOnceOneIsNew(t *testing.T) {
	service := serve(t, ingest.Config{})
	const clients = 16
	bodies := make([]string, clients)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { bodies[i] = service.post(t, valid).body })
	}
	wg.Wait()
	fresh := 0
	for _, body := range bodies {
		if strings.Contains(body, `"duplicate":false`) {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d answers say that they are the first: %v", fresh, bodies)
	}
}

// outcomes answers every question the same way.
type outcomes func(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error)

func (o outcomes) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	return o(ctx, tenant, id)
}

func TestPost_aDuplicateOfAFinalPaymentIsShownItsOutcome(t *testing.T) {
	asked := 0
	var service *service
	service = serve(t, ingest.Config{Outcomes: outcomes(
		func(_ context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
			asked++
			if tenant != "acme" || id != derived(t) {
				t.Errorf("asked for %s of %s", id, tenant)
			}
			p := payment.Queue(service.store.all()[0])
			p.State, p.Version, p.Attempts, p.PayerReference = payment.Succeeded, 2, 1, "ch_1"
			return p, nil
		})})
	service.post(t, valid)
	if asked != 0 {
		t.Error("a new request asked for an outcome")
	}
	got := service.post(t, valid)
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s, want 200", got.status, got.body)
	}
	var shown map[string]any
	if err := json.Unmarshal([]byte(got.body), &shown); err != nil {
		t.Fatal(err)
	}
	for member, want := range map[string]any{
		"state": "succeeded", "final": true, "duplicate": true, "payer_reference": "ch_1", "customer": "c_81",
	} {
		if shown[member] != want {
			t.Errorf("%s is %v, want %v", member, shown[member], want)
		}
	}
	wantHeader(t, got, "Idempotent-Replayed", "true")
	wantHeader(t, got, "Retry-After", "")
}

func TestPost_withoutAnOutcomeADuplicateGetsTheFirstAnswer(t *testing.T) {
	for name, outcome := range map[string]outcomes{
		"not claimed": func(context.Context, payment.TenantID, payment.ID) (payment.Payment, error) {
			return payment.Payment{}, &payment.Error{Code: payment.CodeNotFound}
		},
		"not final": func(context.Context, payment.TenantID, payment.ID) (payment.Payment, error) {
			return payment.Payment{State: payment.Paying}, nil
		},
		"failure": func(context.Context, payment.TenantID, payment.ID) (payment.Payment, error) {
			return payment.Payment{}, errors.New("connection refused")
		},
		"slow": func(ctx context.Context, _ payment.TenantID, _ payment.ID) (payment.Payment, error) {
			<-ctx.Done() // the handler's own limit must end this
			return payment.Payment{State: payment.Succeeded}, context.Cause(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			service := serve(t, ingest.Config{Outcomes: outcome, OutcomeTimeout: 10 * time.Millisecond})
			first := service.post(t, valid)
			second := service.post(t, valid)
			want := strings.Replace(first.body, `"duplicate":false`, `"duplicate":true`, 1)
			if second.status != http.StatusAccepted || second.body != want {
				t.Errorf("got  %d %s\nwant 202 %s", second.status, second.body, want)
			}
		})
	}
}

func TestPost_withoutTheBufferThereIsNo202(t *testing.T) {
	for name, test := range map[string]struct {
		put        func(context.Context) error
		status     int
		code       payment.Code
		retryAfter string
	}{
		"full": {
			func(context.Context) error {
				return &payment.Error{Code: payment.CodeBufferFull, Detail: "full", RetryAfter: 2500 * time.Millisecond}
			}, 503, payment.CodeBufferFull, "3",
		},
		"unavailable": {
			func(context.Context) error {
				return &payment.Error{Code: payment.CodeBufferUnavailable, Detail: "send it again"}
			}, 503, payment.CodeBufferUnavailable, "1",
		},
		"our mistake": {
			func(context.Context) error { return errors.New("nil pointer") },
			500, payment.CodeInternal, "",
		},
		"a conflict that names no payment": {
			func(context.Context) error { return &payment.Error{Code: payment.CodeOrderConflict, Detail: "taken"} },
			409, payment.CodeOrderConflict, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			service := serve(t, ingest.Config{})
			service.store.put = test.put
			got := service.post(t, valid)
			got.problem(t, test.status, test.code)
			wantHeader(t, got, "Retry-After", test.retryAfter)
			wantHeader(t, got, "Location", "")
		})
	}
}
