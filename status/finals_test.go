package status_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

// finals is a service that remembers final payments, with one of them.
func finals(t *testing.T, bytesMax int) (*service, *status.Finals, payment.Payment) {
	t.Helper()
	f := status.NewFinals(bytesMax, nil)
	service := serve(t, status.Config{Finals: f})
	p := in(request(t, "acme", "A-1"), payment.Failed, 2)
	service.world.claim(p)
	return service, f, p
}

func TestFinals_answerWithoutAReadAndAlike(t *testing.T) {
	service, _, p := finals(t, 0)
	first := service.get(t, object.Path(p.ID))
	wantAsked(t, service.world, "payment acme")
	for range 3 {
		again := service.get(t, object.Path(p.ID))
		if again.body != first.body || again.header.Get("ETag") != first.header.Get("ETag") || again.status != first.status {
			t.Errorf("got %d %s, before it was %d %s", again.status, again.body, first.status, first.body)
		}
		for _, name := range []string{"Cache-Control", "Vary", "Content-Type", "Content-Length", "Retry-After"} {
			wantHeader(t, again, name, first.header.Get(name))
		}
	}
	if got := service.get(t, object.Path(p.ID), knows(`"v2"`)); got.status != http.StatusNotModified || got.body != "" {
		t.Errorf("got %d %q", got.status, got.body)
	}
	wantAsked(t, service.world)
}

func TestFinals_areOfOneTenant(t *testing.T) {
	service, _, p := finals(t, 0)
	service.get(t, object.Path(p.ID))
	service.world.questions()
	got := service.get(t, object.Path(p.ID), func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") })
	got.problem(t, http.StatusNotFound, payment.CodeNotFound)
	wantAsked(t, service.world, "payment other", "peek", "payment other")
}

func TestFinals_forgetWhatIsTriedAgain(t *testing.T) {
	service, f, p := finals(t, 0)
	service.get(t, object.Path(p.ID))
	service.world.claimed[0].RetriedBy = "pay_2"
	wantHeader(t, service.get(t, object.Path(p.ID)), "ETag", `"v2"`)
	f.Changed([]payment.Change{{ID: "pay_3", Tenant: "acme", Version: 1}, {ID: "pay_2", Tenant: "acme", Version: 1, RetryOf: p.ID}})
	wantHeader(t, service.get(t, object.Path(p.ID)), "ETag", `"v2.retried"`)
}

// What was read before a change and is kept after it would be wrong.
func TestFinals_keepNothingThatAChangeHasOvertaken(t *testing.T) {
	service, f, p := finals(t, 0)
	service.world.claimed = nil
	service.wait(t, "A-1")
	service.world.afterPeek = func() {
		service.world.claim(p)
		f.Changed([]payment.Change{{ID: "pay_2", Tenant: "acme", Version: 1, RetryOf: p.ID}})
	}
	service.get(t, object.Path(p.ID))
	if got := f.Stats(); got.Payments != 0 {
		t.Errorf("keeps %+v", got)
	}
}

func TestFinals_onlyWhatIsFinalAndWholeIsKept(t *testing.T) {
	for _, state := range payment.States() {
		service, f, _ := finals(t, 0)
		p := in(request(t, "acme", "A-2"), state, 2)
		service.world.claim(p)
		service.get(t, object.Path(p.ID))
		if kept := f.Stats().Payments == 1; kept != state.Final() {
			t.Errorf("%s is kept: %v", state, kept)
		}
	}
	service, f, _ := finals(t, 0)
	bare := in(request(t, "acme", "A-2"), payment.Canceled, 1)
	bare.Money = payment.Money{}
	service.world.claim(bare)
	service.get(t, object.Path(bare.ID))
	if got := f.Stats(); got.Payments != 0 {
		t.Errorf("a payment whose request may still come is kept: %+v", got)
	}
}

func TestFinals_anotherAddressIsAnotherAnswer(t *testing.T) {
	service, _, p := finals(t, 0)
	for _, host := range []string{"a.example", "b.example", "a.example"} {
		got := service.get(t, object.Path(p.ID), func(r *http.Request) { r.Host = host })
		if !strings.Contains(got.body, "http://"+host+"/") {
			t.Errorf("as %s: %s", host, got.body)
		}
	}
}

func TestFinals_takeNoMoreThanTheirBytes(t *testing.T) {
	const bytesMax = 10_000
	service, f, first := finals(t, bytesMax)
	service.get(t, object.Path(first.ID))
	for i := range 30 {
		p := in(request(t, "acme", fmt.Sprint("B-", i)), payment.Succeeded, 2)
		service.world.claim(p)
		service.get(t, object.Path(p.ID))
		service.get(t, object.Path(first.ID)) // asked for all the time
		if got := f.Stats(); got.Bytes > bytesMax || got.Bytes <= 0 || got.Payments < min(i, 5) {
			t.Fatalf("after %d: %+v", i, got)
		}
	}
	service.world.questions()
	service.get(t, object.Path(first.ID))
	wantAsked(t, service.world) // the others were dropped
	small := status.NewFinals(100, nil)
	service = serve(t, status.Config{Finals: small})
	service.world.claim(first)
	service.get(t, object.Path(first.ID))
	if got := small.Stats(); got.Payments != 0 || got.Bytes != 0 {
		t.Errorf("keeps what is too long for it: %+v", got)
	}
}
