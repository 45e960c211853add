package status_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

func of(orderNumber string) string {
	return "/v1/payments?order_number=" + url.QueryEscape(orderNumber)
}

func (a answer) list(t *testing.T) []shown {
	t.Helper()
	var got struct {
		Object string  `json:"object"`
		Data   []shown `json:"data"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.Object != "list" {
		t.Fatalf("got %d %s, want a list: %v", a.status, a.body, err)
	}
	return got.Data
}

func TestList_showsThePaymentsOfAnOrderOldestFirst(t *testing.T) {
	service := serve(t, status.Config{})
	first := in(request(t, "acme", "A 1/ü"), payment.Failed, 2)
	again := first
	again.ID, again.RetryOf, again.State = "pay_baaaaaaaaaaaaaaaaaaaaaaaaa", first.ID, payment.Succeeded
	foreign := in(request(t, "umbrella", "A 1/ü"), payment.Paying, 1)
	for _, p := range []payment.Payment{first, again, foreign, in(request(t, "acme", "A-2"), payment.Paying, 1)} {
		service.world.claim(p)
	}
	got := service.get(t, of("A 1/ü"))
	list := got.list(t)
	if len(list) != 2 || list[0].ID != first.ID || list[1].ID != again.ID {
		t.Errorf("got %+v", list)
	}
	wantHeader(t, got, "Cache-Control", "private, no-cache")
	wantHeader(t, got, "Vary", "Authorization")
	wantAsked(t, service.world, "order acme")
}

func TestList_anAcceptedPaymentIsInItsOrdersList(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(service *service, request payment.Request)
		state     payment.State
	}{
		"waiting": {func(*service, payment.Request) {}, payment.Queued},
		"claimed and trimmed between the first two look-ups": {
			func(service *service, request payment.Request) {
				service.world.beforePeek = func() {
					service.world.claim(in(request, payment.Paying, 1))
					service.world.trim(request.ID)
				}
			}, payment.Paying,
		},
		"finished after it was seen waiting": {
			func(service *service, request payment.Request) {
				service.world.afterPeek = func() { service.world.claim(in(request, payment.Succeeded, 2)) }
			}, payment.Succeeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			service := serve(t, status.Config{})
			request := service.wait(t, "A-1001")
			test.meanwhile(service, request)
			list := service.get(t, of("A-1001")).list(t)
			if len(list) != 1 || list[0].ID != request.ID || list[0].State != test.state {
				t.Errorf("got %+v, want one %s", list, test.state)
			}
			wantAsked(t, service.world, "order acme", "peek", "order acme")
		})
	}
}

func TestList_anOrderWithoutPaymentsHasAnEmptyList(t *testing.T) {
	service := serve(t, status.Config{})
	waiting := request(t, "umbrella", "A-1001")
	service.world.waiting[waiting.ID] = waiting
	got := service.get(t, of("A-1001"))
	if got.status != http.StatusOK || got.body != `{"object":"list","data":[],"next_cursor":null}` {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestList_whatIsNotKnownIsNotAnswered(t *testing.T) {
	for name, cut := range map[string]func(*world){
		"Postgres is down":   func(w *world) { w.readerDown = true },
		"the buffer is down": func(w *world) { w.backlogDown = true },
		"Postgres goes down": func(w *world) { w.afterPeek = func() { w.readerDown = true } },
	} {
		t.Run(name, func(t *testing.T) {
			service := serve(t, status.Config{})
			service.wait(t, "A-1001")
			cut(service.world)
			got := service.get(t, of("A-1001"))
			got.problem(t, 503, payment.CodeUnavailable)
			wantHeader(t, got, "Retry-After", "1")
		})
	}
}

func TestList_aQueryThatIsNotUnderstoodIsRefused(t *testing.T) {
	service := serve(t, status.Config{})
	long := strings.Repeat("x", 65)
	for query, test := range map[string]struct {
		status int
		code   payment.Code
		says   string
	}{
		"order_number=":                           {422, payment.CodeInvalid, "an order number must not be empty"},
		"order_number=A&order_number=B":           {422, payment.CodeInvalid, "order_number is given more than once"},
		"order_number=+A":                         {422, payment.CodeInvalid, "must not begin or end with white space"},
		"order_number=A%00":                       {422, payment.CodeInvalid, "must not contain control characters"},
		"order_number=%FF":                        {422, payment.CodeInvalid, "must be valid UTF-8"},
		"order_number=" + long + long:             {422, payment.CodeInvalid, "at most 128 bytes"},
		"order_number=4242424242424242":           {422, payment.CodeCardNumber, "must not contain a card number"},
		"order_number=%zz":                        {400, payment.CodeMalformed, "cannot be read"},
		"order_number=A;x=1":                      {400, payment.CodeMalformed, "cannot be read"},
		"Order_Number=A":                          {422, payment.CodeInvalid, `unknown parameter "Order_Number"; order_number, state,`},
		"4242424242424242=1":                      {422, payment.CodeInvalid, "unknown parameter;"},
		long + "=1":                               {422, payment.CodeInvalid, "unknown parameter;"},
		"%FF=1":                                   {422, payment.CodeInvalid, "unknown parameter;"},
		"state=paid":                              {422, payment.CodeInvalid, "state must be one of queued, scheduled,"},
		"state=queued":                            {422, payment.CodeInvalid, "give their order_number too"},
		"created_after=yesterday":                 {422, payment.CodeInvalid, "created_after must be an RFC 3339 time such as"},
		"created_before=2026-11-21":               {422, payment.CodeInvalid, "created_before must be an RFC 3339 time such as"},
		"created_after=2026-11-21T09:00:00+01:00": {422, payment.CodeInvalid, "%2B"},
		"limit=0":                                 {422, payment.CodeInvalid, "limit must be 1 to 1000"},
		"limit=1001":                              {422, payment.CodeInvalid, "limit must be 1 to 1000"},
		"cursor=":                                 {422, payment.CodeInvalid, "cursor must be the next_cursor"},
		"cursor=cDo":                              {422, payment.CodeInvalid, "cursor must be the next_cursor"},
		"cursor=" + long + long + long + long:     {422, payment.CodeInvalid, "cursor must be the next_cursor"},
		"cursor=" + cursor("p:-1:pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"):                 {422, payment.CodeInvalid, "cursor must be the next_cursor"},
		"cursor=" + cursor("p:1:pay_x"):                                           {422, payment.CodeInvalid, "cursor must be the next_cursor"},
		"cursor=" + cursor("p:01:pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"):                 {422, payment.CodeInvalid, "cursor must be the next_cursor"},
		"cursor=" + cursor("p:999999999999999999:pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"): {422, payment.CodeInvalid, "cursor must be the next_cursor"},
		"cursor=" + cursor("o:pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"):                    {422, payment.CodeInvalid, "cursor is of another list"},
		"order_number=A&cursor=" + cursor("p:1:pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"):   {422, payment.CodeInvalid, "cursor is of another list"},
	} {
		got := service.get(t, "/v1/payments?"+query)
		problem := got.problem(t, test.status, test.code)
		if !strings.Contains(problem.Detail, test.says) || payment.ContainsCardNumber(got.body) {
			t.Errorf("%s: got %s, want %q", query, got.body, test.says)
		}
	}
	wantAsked(t, service.world)
}

func cursor(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// follow reads a list to its end and gives its payments and how many pages there were.
func (s *service) follow(t *testing.T, query string) (ids []payment.ID, pages int) {
	t.Helper()
	for next := ""; pages < 100; {
		page := s.get(t, "/v1/payments?"+query+next).page(t)
		pages++
		for _, shown := range page.Data {
			ids = append(ids, shown.ID)
		}
		if page.NextCursor == nil {
			return ids, pages
		}
		next = "&cursor=" + url.QueryEscape(*page.NextCursor)
	}
	t.Fatal("the list has no end")
	return nil, 0
}

func TestList_ofATenantIsFollowedFromTheNewestToTheOldest(t *testing.T) {
	service := serve(t, status.Config{})
	var newest []payment.ID
	for i := range 250 {
		p := in(request(t, "acme", fmt.Sprint("A-", i)), payment.Succeeded, 2)
		if i%5 == 0 {
			p.State = payment.Failed
		}
		service.world.claim(p)
		newest = slices.Insert(newest, 0, p.ID)
	}
	service.world.claim(in(request(t, "umbrella", "A-1"), payment.Succeeded, 2))
	service.wait(t, "waits") // is in no list yet
	for query, pages := range map[string]int{"": 3, "limit=250": 1, "limit=249": 2, "limit=60": 5, "limit=1000": 1} {
		if ids, n := service.follow(t, query); !slices.Equal(ids, newest) || n != pages {
			t.Errorf("%s: %d payments on %d pages", query, len(ids), n)
		}
	}
	if ids, _ := service.follow(t, "state=failed&limit=20"); len(ids) != 50 {
		t.Errorf("%d of 50 are failed", len(ids))
	}
	at := claimedAt(100).Format(time.RFC3339Nano)
	if ids, _ := service.follow(t, "limit=70&created_after="+at); !slices.Equal(ids, newest[:150]) {
		t.Errorf("%d are of then and later", len(ids))
	}
	if ids, _ := service.follow(t, "limit=70&created_before="+at); !slices.Equal(ids, newest[150:]) {
		t.Errorf("%d are of before", len(ids))
	}
}

func TestList_ofAnOrderTakesTheOtherFiltersToo(t *testing.T) {
	service := serve(t, status.Config{})
	first := in(request(t, "acme", "A-1"), payment.Failed, 2)
	service.world.claim(first)
	last := first
	for i := range 4 { // a chain, of which the last waits
		draft := payment.Draft{
			OrderNumber: "A-1", AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa", RetryOf: string(last.ID),
		}
		retry, err := payment.NewRequest(idKey(t), "acme", draft, first.AcceptedAt)
		if err != nil {
			t.Fatal(err)
		}
		last = in(retry, payment.Failed, 2)
		if i == 3 {
			service.world.waiting[retry.ID] = retry
		} else {
			service.world.claim(last)
		}
	}
	for query, want := range map[string]int{
		"": 5, "&state=queued": 1, "&state=failed": 4, "&state=parked": 0, "&limit=2": 5, "&limit=2&state=failed": 4,
		"&created_before=" + claimedAt(2).Format(time.RFC3339): 2, "&created_after=" + claimedAt(2).Format(time.RFC3339): 2,
		"&created_after=" + claimedAt(2).Format(time.RFC3339) + "&state=queued": 0,
	} {
		ids, pages := service.follow(t, "order_number=A-1"+query)
		if len(ids) != want || (strings.Contains(query, "limit") && pages != (want+1)/2) {
			t.Errorf("%s: %d on %d pages, want %d", query, len(ids), pages, want)
		}
	}
	service.get(t, of("A-1")+"&cursor="+cursor("o:pay_aaaaaaaaaaaaaaaaaaaaaaaaaa")).problem(t, 422, payment.CodeInvalid)
}

func TestList_ofATenantIsNotAnsweredIfItIsNotKnown(t *testing.T) {
	service := serve(t, status.Config{})
	service.world.readerDown = true
	for _, query := range []string{"", "?state=failed"} {
		got := service.get(t, "/v1/payments"+query)
		got.problem(t, 503, payment.CodeUnavailable)
		wantHeader(t, got, "Retry-After", "1")
	}
}
