package status_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

func TestGet_showsTheWholePayment(t *testing.T) {
	service := serve(t, status.Config{})
	p := in(request(t, "acme", "A-1001"), payment.Failed, 3)
	p.PayerReference, p.Attempts = "ch_9", 2
	p.Failure = payment.Failure{Code: "insufficient_funds", Message: "too little"}
	p.UpdatedAt = p.AcceptedAt.Add(2 * time.Second)
	service.world.claim(p)

	got := service.get(t, object.Path(p.ID))
	want := `{"id":"` + string(p.ID) + `","object":"payment","order_number":"A-1001","amount":1999,"currency":"EUR",` +
		`"state":"failed","final":true,"version":3,"status_url":"` + service.URL + object.Path(p.ID) + `",` +
		`"accepted_at":"2026-11-21T09:00:00.000Z","customer":"c_81","description":null,"metadata":{},` +
		`"not_before":null,"retry_of":null,"retried_by":null,"payer_reference":"ch_9","failure":{"code":"insufficient_funds","message":"too little"},` +
		`"attempts":2,"updated_at":"2026-11-21T09:00:02.000Z"}`
	if got.status != http.StatusOK || got.body != want {
		t.Errorf("got  %d %s\nwant 200 %s", got.status, got.body, want)
	}
	wantHeader(t, got, "ETag", `"v3"`)
	wantHeader(t, got, "Cache-Control", "private, no-cache")
	wantHeader(t, got, "Vary", "Authorization")
	wantHeader(t, got, "Content-Type", "application/json")
	wantHeader(t, got, "Retry-After", "")
	wantAsked(t, service.world, "payment acme")
}

func TestGet_onlyWhatIsNotFinalIsToBeAskedForAgain(t *testing.T) {
	for _, state := range payment.States() {
		service := serve(t, status.Config{PublicURL: "https://pay.example"})
		p := in(request(t, "acme", "A-1"), state, 7)
		service.world.claim(p)
		got := service.get(t, object.Path(p.ID))
		want := "1"
		switch {
		case state.Final():
			want = ""
		case state == payment.Parked: // a person's work
			want = "60"
		}
		wantHeader(t, got, "Retry-After", want)
		if shown := got.payment(t); shown.State != state || shown.Final != state.Final() {
			t.Errorf("%s is shown as %+v", state, shown)
		}
		if !strings.Contains(got.body, `"status_url":"https://pay.example/v1/payments/pay_`) {
			t.Errorf("got %s, want the configured URL", got.body)
		}
	}
}

func TestGet_anAcceptedPaymentIsNeverNotFound(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(service *service, request payment.Request)
		state     payment.State
		asked     []string
	}{
		"waiting": {
			func(*service, payment.Request) {}, payment.Queued,
			[]string{"payment acme", "peek", "payment acme"},
		},
		"claimed and trimmed between the first two look-ups": {
			func(service *service, request payment.Request) {
				service.world.beforePeek = func() {
					service.world.claim(in(request, payment.Paying, 1))
					service.world.trim(request.ID)
				}
			}, payment.Paying,
			[]string{"payment acme", "peek", "payment acme"},
		},
		"finished after it was seen waiting": {
			func(service *service, request payment.Request) {
				service.world.afterPeek = func() { service.world.claim(in(request, payment.Succeeded, 2)) }
			}, payment.Succeeded,
			[]string{"payment acme", "peek", "payment acme"},
		},
		"claimed but not yet trimmed": {
			func(service *service, request payment.Request) { service.world.claim(in(request, payment.Unknown, 4)) },
			payment.Unknown,
			[]string{"payment acme"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			service := serve(t, status.Config{})
			request := service.wait(t, "A-1001")
			test.meanwhile(service, request)
			got := service.get(t, object.Path(request.ID)).payment(t)
			if got.ID != request.ID || got.State != test.state {
				t.Errorf("got %+v, want it %s", got, test.state)
			}
			wantAsked(t, service.world, test.asked...)
		})
	}
}

func TestGet_whatIsNotKnownIsNotAnswered(t *testing.T) {
	const detail = "it is not known at the moment how far the payment has come; ask again"
	t.Run("Postgres is down and the payment waits", func(t *testing.T) {
		service := serve(t, status.Config{})
		request := service.wait(t, "A-1001")
		service.world.readerDown = true
		got := service.get(t, object.Path(request.ID))
		if problem := got.problem(t, 503, payment.CodeUnavailable); problem.Detail != detail {
			t.Errorf("detail is %q", problem.Detail)
		}
		wantHeader(t, got, "Retry-After", "1")
	})
	t.Run("Postgres goes down after the payment was seen waiting", func(t *testing.T) {
		service := serve(t, status.Config{})
		request := service.wait(t, "A-1001")
		service.world.afterPeek = func() { service.world.readerDown = true }
		service.get(t, object.Path(request.ID)).problem(t, 503, payment.CodeUnavailable)
	})
	t.Run("the buffer is down and Postgres knows nothing", func(t *testing.T) {
		service := serve(t, status.Config{})
		request := service.wait(t, "A-1001")
		service.world.backlogDown = true
		got := service.get(t, object.Path(request.ID))
		if problem := got.problem(t, 503, payment.CodeUnavailable); problem.Detail != detail {
			t.Errorf("detail is %q", problem.Detail)
		}
		wantHeader(t, got, "Retry-After", "1")
	})
	t.Run("nobody answers in time", func(t *testing.T) {
		service := serve(t, status.Config{ReadTimeout: 10 * time.Millisecond})
		service.world.hang = true
		service.get(t, object.Path(service.wait(t, "A-1001").ID)).problem(t, 503, payment.CodeUnavailable)
	})
	t.Run("the buffer is down but Postgres knows", func(t *testing.T) {
		service := serve(t, status.Config{})
		p := in(request(t, "acme", "A-1001"), payment.Succeeded, 2)
		service.world.claim(p)
		service.world.backlogDown = true
		if got := service.get(t, object.Path(p.ID)).payment(t); got.State != payment.Succeeded {
			t.Errorf("got %+v", got)
		}
	})
}

// Neither the answer nor the look-ups behind it tell a foreign payment from none.
func TestGet_aForeignPaymentIsAsUnknownAsNone(t *testing.T) {
	service := serve(t, status.Config{})
	claimed := in(request(t, "umbrella", "B-1"), payment.Succeeded, 2)
	service.world.claim(claimed)
	waiting := request(t, "umbrella", "B-2")
	service.world.waiting[waiting.ID] = waiting

	const want = `{"type":"urn:paybuf:problem:not_found","title":"Not found","status":404,` +
		`"detail":"there is no such payment","code":"not_found"}`
	for name, id := range map[string]string{
		"foreign, claimed": string(claimed.ID),
		"foreign, waiting": string(waiting.ID),
		"unknown":          string(idKey(t).Derive("acme", "nothing", "")),
		"no id":            "B-1",
		"cut":              string(claimed.ID[:20]),
		"upper case":       strings.ToUpper(string(claimed.ID)),
		"odd last letter":  string(claimed.ID[:len(claimed.ID)-1]) + "b",
		"subject token":    "%3E",
		"slash":            "a%2Fb",
		"not UTF-8":        "%FF",
	} {
		t.Run(name, func(t *testing.T) {
			got := service.get(t, "/v1/payments/"+id)
			if got.status != http.StatusNotFound || got.body != want {
				t.Errorf("got  %d %s\nwant 404 %s", got.status, got.body, want)
			}
			if got.header.Get("ETag") != "" || got.header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers are %v", got.header)
			}
			wantAsked(t, service.world, "payment acme", "peek", "payment acme")
		})
	}
}

func TestGet_aRequestWithoutAKeyIsRefused(t *testing.T) {
	service := serve(t, status.Config{})
	p := in(request(t, "acme", "A-1001"), payment.Succeeded, 2)
	service.world.claim(p)
	for _, path := range []string{object.Path(p.ID), "/v1/payments?order_number=A-1001", "/v1/payments"} {
		got := service.get(t, path, func(r *http.Request) { r.Header.Del("Authorization") })
		got.problem(t, 401, payment.CodeUnauthenticated)
		wantHeader(t, got, "WWW-Authenticate", "Bearer")
	}
	wantAsked(t, service.world)
}

func TestGet_whatTheClientHasIsNotSentAgain(t *testing.T) {
	service := serve(t, status.Config{})
	p := in(request(t, "acme", "A-1001"), payment.Paying, 3)
	service.world.claim(p)
	for _, test := range []struct {
		lists  []string
		status int
	}{
		{[]string{`"v3"`}, 304},
		{[]string{`W/"v3"`}, 304},
		{[]string{`"v1", "v2" ,"v3"`}, 304},
		{[]string{`"v1",W/"v3"`}, 304},
		{[]string{`"a,b", "v3"`}, 304},
		{[]string{`"v1"`, `"v3"`}, 304},
		{[]string{` , "v3"`}, 304},
		{[]string{`*`}, 304},
		{[]string{` * `}, 304},
		{[]string{`"v2"`}, 200},
		{[]string{`"v33"`}, 200},
		{[]string{`v3`}, 200},
		{[]string{`"v3`}, 200},
		{[]string{`"v1" x "v3"`}, 200},
		{[]string{`"x,"v3"`}, 200},
		{[]string{``}, 200},
		{nil, 200},
	} {
		got := service.get(t, object.Path(p.ID), func(r *http.Request) { r.Header["If-None-Match"] = test.lists })
		if got.status != test.status {
			t.Errorf("%q: got %d, want %d", test.lists, got.status, test.status)
		}
		if (got.body == "") != (test.status == 304) {
			t.Errorf("%q: the body is %q", test.lists, got.body)
		}
		wantHeader(t, got, "ETag", `"v3"`)
		wantHeader(t, got, "Cache-Control", "private, no-cache")
		wantHeader(t, got, "Vary", "Authorization")
		wantHeader(t, got, "Retry-After", "1")
	}
}

func TestGet_aNewVersionIsANewTag(t *testing.T) {
	service := serve(t, status.Config{})
	request := service.wait(t, "A-1001")
	first := service.get(t, object.Path(request.ID))
	wantHeader(t, first, "ETag", `"v0"`)
	service.world.claim(in(request, payment.Paying, 1))
	second := service.get(t, object.Path(request.ID), func(r *http.Request) {
		r.Header.Set("If-None-Match", first.header.Get("ETag"))
	})
	if got := second.payment(t); got.Version != 1 {
		t.Errorf("got %+v, want version 1", got)
	}
	wantHeader(t, second, "ETag", `"v1"`)
}

func TestHead_isGetWithoutABody(t *testing.T) {
	service := serve(t, status.Config{})
	p := in(request(t, "acme", "A-1001"), payment.Paying, 3)
	service.world.claim(p)
	head := func(r *http.Request) { r.Method = http.MethodHead }
	for _, path := range []string{
		object.Path(p.ID), "/v1/payments?order_number=A-1001", "/v1/payments/pay_x", "/v1/payments",
	} {
		get, got := service.get(t, path), service.get(t, path, head)
		if got.status != get.status || got.body != "" {
			t.Errorf("%s: got %d %q, want %d and nothing", path, got.status, got.body, get.status)
		}
		for _, name := range []string{"ETag", "Cache-Control", "Content-Type", "Retry-After"} {
			wantHeader(t, got, name, get.header.Get(name))
		}
	}
}

func TestGet_otherMethodsAreToldWhatIsAllowed(t *testing.T) {
	service := serve(t, status.Config{})
	got := service.get(t, "/v1/payments/pay_x", func(r *http.Request) { r.Method = http.MethodDelete })
	got.problem(t, 405, payment.CodeMethodNotAllowed)
	wantHeader(t, got, "Allow", "GET, HEAD")
}

func TestGet_whatIsDueLaterNeedNotBeAskedAboutEachSecond(t *testing.T) {
	for _, state := range []payment.State{payment.Retrying, payment.Unknown, payment.Pending} {
		for ahead, want := range map[time.Duration]string{time.Hour: "60", 9500 * time.Millisecond: "10", 0: "1"} {
			service := serve(t, status.Config{})
			p := in(request(t, "acme", "A-1"), state, 2)
			p.NextAt = time.Now().Add(ahead)
			service.world.claim(p)
			wantHeader(t, service.get(t, object.Path(p.ID)), "Retry-After", want)
		}
	}
}

// queue says of each request that it is claimed in so long.
type queue time.Duration

func (q queue) ClaimIn(payment.ID, time.Time) time.Duration { return time.Duration(q) }

func TestGet_whatIsQueuedIsToBeAskedAboutWhenItsTurnHasCome(t *testing.T) {
	service := serve(t, status.Config{Queue: queue(17 * time.Second)})
	waiting := service.wait(t, "A-1")
	wantHeader(t, service.get(t, object.Path(waiting.ID)), "Retry-After", "17")
}

func TestGet_whatWaitsForItsTimeNeedNotBeAskedAboutEachSecond(t *testing.T) {
	for ahead, want := range map[time.Duration]string{90 * 24 * time.Hour: "60", -time.Hour: "1"} {
		service := serve(t, status.Config{})
		scheduled := payment.Queue(service.wait(t, "A-1001"))
		scheduled.State, scheduled.Version, scheduled.NotBefore = payment.Scheduled, 1, time.Now().Add(ahead)
		service.world.claim(scheduled)
		wantHeader(t, service.get(t, object.Path(scheduled.ID)), "Retry-After", want)
	}
}
