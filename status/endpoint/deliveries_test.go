package endpoint_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
)

func TestDeliveries_areListedByStateTheNewestFirst(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	works := s.pay("acme", "A-1", "A-2", "A-3", "A-4", "A-5", "A-6")
	s.query(`UPDATE webhook_deliveries SET state = 'delivered', next_at = NULL, attempts = 1 WHERE sequence % 3 = 0`)
	s.query(`UPDATE webhook_deliveries SET state = 'dead', reason = 'exhausted', next_at = NULL WHERE sequence % 3 = 1`)
	all := s.page(e, "")
	if len(all.Data) != 6 || all.NextCursor != nil || all.Object != "list" {
		t.Fatalf("got %+v", all)
	}
	var expected []string
	for i, d := range all.Data {
		if i > 0 && d.Sequence >= all.Data[i-1].Sequence {
			t.Errorf("%d is behind %d", d.Sequence, all.Data[i-1].Sequence)
		}
		if d.Object != "webhook_delivery" || d.EndpointID != e.ID || d.Type != "payment.paying" || d.Version != 1 || d.CreatedAt == "" ||
			(d.NextAttemptAt == nil) != (d.State != payment.DeliveryWaiting) || (d.Reason == nil) != (d.State != payment.DeliveryDead) {
			t.Errorf("got %+v", d)
		}
		expected = append(expected, d.ID)
	}
	if ids := s.pages(e, "?limit=1"); !reflect.DeepEqual(ids, expected) {
		t.Errorf("one by one there are %v, want %v", ids, expected)
	}
	for state, count := range map[string]int{"waiting": 2, "delivered": 2, "dead": 2, "undelivered": 4} {
		for _, limit := range []string{"1", "2", "1000"} {
			if ids := s.pages(e, "?limit="+limit+"&state="+state); len(ids) != count {
				t.Errorf("%s, %s at once: there are %v", state, limit, ids)
			}
		}
	}
	if want := "evt_" + strings.TrimPrefix(string(works[0].ID), "pay_") + "_"; !strings.Contains(strings.Join(expected, " "), want) {
		t.Errorf("no id begins with %s: %v", want, expected)
	}
	other := s.create()
	if got := s.page(other, ""); len(got.Data) != 0 || got.NextCursor != nil {
		t.Errorf("another's are %+v", got)
	}
}

// pages reads all pages and gives the ids.
func (s *service) pages(e object.Endpoint, query string) []string {
	s.t.Helper()
	var ids []string
	for cursor := ""; ; {
		page := s.page(e, query+cursor)
		for _, d := range page.Data {
			ids = append(ids, d.ID)
		}
		if page.NextCursor == nil {
			return ids
		}
		cursor = "&cursor=" + *page.NextCursor
	}
}

// One that was not delivered may lie behind more than one page looks at.
func TestDeliveries_aRareOneIsFoundPageByPage(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	s.query(fmt.Sprintf(`
		INSERT INTO webhook_deliveries (endpoint_id, sequence, tenant_id, payment_id, version, type, state, next_at, event_at, updated_at)
		SELECT '%s', n, 'acme', '', 0, 'webhook.test', CASE n WHEN 7 THEN 'waiting' ELSE 'delivered' END,
		       CASE n WHEN 7 THEN now() END, now(), now()
		  FROM generate_series(1, 10050) n`, e.ID))
	first := s.page(e, "?state=waiting")
	if len(first.Data) != 0 || first.NextCursor == nil {
		t.Errorf("the first page is %+v", first)
	}
	for _, state := range []string{"waiting", "undelivered"} {
		if ids := s.pages(e, "?state="+state); !reflect.DeepEqual(ids, []string{"evt_test_7"}) {
			t.Errorf("%s: %v", state, ids)
		}
	}
}

func TestDelivery_showsWhatIsSentAndWhatCameBack(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	work := s.pay("acme", "A-1")[0]
	s.settle(work)
	listed := s.page(e, "").Data
	s.query(fmt.Sprintf(`
		INSERT INTO webhook_attempts (endpoint_id, sequence, number, url, started_at, took_us, http_status, error, excerpt)
		VALUES ('%[1]s', %[2]d, 1, '%[3]s', '2026-11-21T09:00:00.5Z', 2500, 0, 'connection refused', ''),
		       ('%[1]s', %[2]d, 2, '%[3]s', '2026-11-21T09:01:00Z', 1234567, 503, 'the answer was 503', 'try later')`,
		e.ID, listed[0].Sequence, shopURL))
	s.query("UPDATE webhook_deliveries SET attempts = 2")

	var shown object.Delivery
	s.get(path(e, "/deliveries/", listed[0].ID)).want(200, &shown)
	if shown.ID != listed[0].ID || shown.Attempts != 2 || shown.DeliveryDetails == nil || len(shown.AttemptLog) != 2 {
		t.Fatalf("got %+v", shown)
	}
	first, second := shown.AttemptLog[0], shown.AttemptLog[1]
	if first.Number != 1 || first.URL != shopURL || first.TookMS != 2 || first.HTTPStatus != nil || *first.Error != "connection refused" ||
		first.ResponseExcerpt != nil || first.RequestHeaders.ID != shown.ID || first.RequestHeaders.Timestamp != "1795251600" ||
		first.StartedAt != "2026-11-21T09:00:00.500Z" {
		t.Errorf("the first attempt is %+v", first)
	}
	if second.TookMS != 1234 || *second.HTTPStatus != 503 || *second.ResponseExcerpt != "try later" {
		t.Errorf("the second attempt is %+v", second)
	}
	body := shown.Body
	if body.ID != shown.ID || body.Type != "payment.succeeded" || body.Changes.State == nil || *body.Changes.State.From != payment.Paying ||
		body.Changes.State.To != payment.Succeeded || body.Data == nil || *body.Data.PayerReference != "ch_1" ||
		body.Data.OrderNumber != "A-1" || *body.Data.Amount != 1999 || body.Data.StatusURL != publicURL+"/v1/payments/"+string(work.ID) {
		t.Errorf("the body is %+v", body)
	}
	earlier := s.bodyOf(e, listed[1].ID)
	if earlier.Type != "payment.paying" || earlier.Data.State != payment.Paying || earlier.Data.PayerReference != nil || earlier.Version != 1 {
		t.Errorf("the body of the earlier one is %+v", earlier)
	}
}

func (s *service) bodyOf(e object.Endpoint, id string) object.Event {
	s.t.Helper()
	var shown object.Delivery
	s.get(path(e, "/deliveries/", id)).want(200, &shown)
	return shown.Body
}

func TestTest_isADeliveryWithoutAPayment(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create(`"event_types":["payment.failed"]`)
	var queued object.Delivery
	got := s.post(path(e, "/test"), "").want(http.StatusAccepted, &queued)
	if got.header.Get("Location") != path(e, "/deliveries/", queued.ID) || queued.Type != payment.EventTest || queued.PaymentID != nil ||
		queued.State != payment.DeliveryWaiting || queued.NextAttemptAt == nil || queued.ID != fmt.Sprintf("evt_test_%d", queued.Sequence) {
		t.Errorf("got %s", got.body)
	}
	body := s.bodyOf(e, queued.ID)
	if body.Type != payment.EventTest || body.Data != nil || body.PaymentID != nil || body.ID != queued.ID {
		t.Errorf("its body is %+v", body)
	}
	// One that waits is made due instead of a second.
	s.query("UPDATE webhook_deliveries SET tries = 5, next_at = now() + interval '1 day'")
	var again object.Delivery
	s.post(path(e, "/test"), "{}").want(http.StatusAccepted, &again)
	if again.ID != queued.ID || due(t, again) > time.Minute {
		t.Errorf("again it is %+v", again)
	}
	s.query("UPDATE webhook_deliveries SET state = 'delivered', next_at = NULL")
	var third object.Delivery
	s.post(path(e, "/test"), "").want(http.StatusAccepted, &third)
	if third.Sequence <= queued.Sequence {
		t.Errorf("the next is %+v", third)
	}
	if events := s.query("SELECT count(*) FROM events")[0]; events != "0" {
		t.Errorf("there are %s events", events)
	}
	s.pay("acme", "A-1") // the sequence is the events' own
	if next := s.query(fmt.Sprint("SELECT sequence - ", third.Sequence, " FROM events"))[0]; next != "1" {
		t.Errorf("the next event is behind by %s", next)
	}
}

// due is how long a delivery waits yet.
func due(t *testing.T, d object.Delivery) time.Duration {
	t.Helper()
	if d.NextAttemptAt == nil {
		t.Fatalf("%s is not due", d.ID)
	}
	at, err := time.Parse(time.RFC3339, *d.NextAttemptAt)
	if err != nil {
		t.Fatal(err)
	}
	return time.Until(at)
}

func TestRedeliver_queuesAnyOneAgainUnderItsOwnID(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	s.pay("acme", "A-1")
	id := s.page(e, "").Data[0].ID
	for _, before := range []string{
		"state = 'delivered', next_at = NULL, reason = ''", "state = 'dead', reason = 'exhausted', next_at = NULL",
		"state = 'waiting', next_at = now() + interval '1 day'", "state = 'waiting', next_at = now()",
	} {
		s.query("UPDATE webhook_deliveries SET attempts = 9, tries = 9, " + before)
		var queued object.Delivery
		got := s.post(path(e, "/deliveries/", id, "/redeliver"), "").want(http.StatusAccepted, &queued)
		if queued.ID != id || queued.State != payment.DeliveryWaiting || queued.Reason != nil || queued.Attempts != 9 || due(t, queued) > time.Minute ||
			got.header.Get("Location") != path(e, "/deliveries/", id) {
			t.Errorf("%s: got %s", before, got.body)
		}
		if tries := s.query("SELECT tries FROM webhook_deliveries")[0]; tries != "0" {
			t.Errorf("%s: %s tries", before, tries)
		}
	}
}

func TestQueue_nothingIsQueuedForADisabledEndpoint(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	s.pay("acme", "A-1")
	id := s.page(e, "").Data[0].ID
	s.change(e, `{"status":"disabled"}`)
	for _, below := range []string{"/test", "/deliveries/" + id + "/redeliver", "/recover?since=2020-01-01T00:00:00Z"} {
		s.post(path(e, below), "").wantProblem(409, payment.CodeEndpointDisabled)
	}
	if got := s.states(e); !reflect.DeepEqual(got, []string{"dead endpoint_disabled"}) {
		t.Errorf("got %v", got)
	}
	s.get(path(e, "/deliveries/", id)).want(200, nil)
}

// routes are all that concern one endpoint, with a body where one is needed.
func routes(e object.Endpoint, event string) map[string]string {
	return map[string]string{
		"GET " + path(e): "", "PATCH " + path(e): `{"description":"x"}`, "DELETE " + path(e): "",
		"POST " + path(e, "/rotate-secret"): "", "POST " + path(e, "/test"): "", "GET " + path(e, "/deliveries"): "",
		"GET " + path(e, "/deliveries/", event): "", "POST " + path(e, "/deliveries/", event, "/redeliver"): "",
		"POST " + path(e, "/recover?since=2020-01-01T00:00:00Z"): "",
	}
}

func TestTenant_anothersEndpointLooksLikeNone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	theirs := s.create()
	s.pay("acme", "A-1")
	event := s.page(theirs, "").Data[0].ID
	before := s.query("SELECT n::text FROM webhook_endpoints n UNION ALL SELECT d::text FROM webhook_deliveries d")
	unknown, nonsense := theirs, theirs
	unknown.ID, nonsense.ID = payment.NewEndpointID(), "whe_x"
	expected := map[string]answer{}
	for route, body := range routes(unknown, event) {
		method, target, _ := strings.Cut(route, " ")
		got := s.call(method, target, body, asUmbrella)
		got.wantProblem(404, payment.CodeNotFound)
		expected[strings.Replace(route, string(unknown.ID), "", 1)] = got
	}
	for _, e := range []object.Endpoint{theirs, nonsense} {
		for route, body := range routes(e, event) {
			method, target, _ := strings.Cut(route, " ")
			got := s.call(method, target, body, asUmbrella)
			if want := expected[strings.Replace(route, string(e.ID), "", 1)]; got.status != 404 || got.body != want.body {
				t.Errorf("%s: got %d %s\nwant %s", route, got.status, got.body, want.body)
			}
			s.call(method, target, body, func(r *http.Request) { r.Header.Del("Authorization") }).wantProblem(401, payment.CodeUnauthenticated)
		}
	}
	if after := s.query("SELECT n::text FROM webhook_endpoints n UNION ALL SELECT d::text FROM webhook_deliveries d"); !reflect.DeepEqual(after, before) {
		t.Errorf("something changed:\n%v\n%v", before, after)
	}
	var list object.EndpointList
	s.get(object.EndpointCollectionPath, asUmbrella).want(200, &list)
	if len(list.Data) != 0 {
		t.Errorf("another's list is %+v", list)
	}
}

func TestTenant_anothersDeliveryLooksLikeNone(t *testing.T) {
	t.Parallel()
	s := serve(t)
	mine, sibling := s.create(), s.create(`"event_types":["payment.failed"]`)
	var theirs object.Endpoint
	s.post(object.EndpointCollectionPath, `{"url":"`+shopURL+`"}`, asUmbrella).want(201, &theirs)
	s.pay("umbrella", "A-1")
	s.pay("acme", "A-1")
	own := s.page(mine, "").Data
	if len(own) != 1 {
		t.Fatalf("there are %+v", own)
	}
	foreign := s.query("SELECT 'evt_' || substr(payment_id, 5) || '_' || sequence FROM webhook_deliveries WHERE tenant_id = 'umbrella'")[0]
	swapped := strings.Replace(own[0].ID, own[0].ID[4:30], foreign[4:30], 1)
	for _, e := range []object.Endpoint{mine, sibling} {
		for _, id := range []string{foreign, swapped, "evt_test_1", "evt_x", own[0].ID + "0", "%20", strings.ToUpper(own[0].ID)} {
			s.get(path(e, "/deliveries/", id)).wantProblem(404, payment.CodeNotFound)
			s.post(path(e, "/deliveries/", id, "/redeliver"), "").wantProblem(404, payment.CodeNotFound)
		}
	}
	s.get(path(sibling, "/deliveries/", own[0].ID)).wantProblem(404, payment.CodeNotFound)
}

func TestQueries_whatIsNotKnownIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	for route, body := range routes(e, "evt_test_1") {
		method, target, _ := strings.Cut(route, " ")
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		if method == "PATCH" {
			body = `{"description":"changed"}`
		}
		s.call(method, target+separator+"x=1", body).wantProblem(422, payment.CodeInvalid)
		s.call(method, target+separator+"%zz", body).wantProblem(400, payment.CodeMalformed)
	}
	s.post(object.EndpointCollectionPath+"?x=1", `{"url":"`+shopURL+`"}`).wantProblem(422, payment.CodeInvalid)
	for _, query := range []string{
		"?limit=0", "?limit=1001", "?limit=x", "?limit=", "?limit=1&limit=2", "?state=", "?state=queued", "?state=Dead",
		"?cursor=", "?cursor=x", "?cursor=YmVmb3JlOjA", "?cursor=YmVmb3JlOi0x", "?4242424242424242=1",
	} {
		if got := s.get(path(e, "/deliveries", query)); strings.Contains(got.body, "4242") || got.status != 422 {
			t.Errorf("%s: got %d %s", query, got.status, got.body)
		}
	}
	for _, query := range []string{
		"", "?since=", "?since=yesterday", "?since=2026-11-21", "?since=1795251600", "?since=2026-11-21T09:00:00+01:00",
		"?since=2026-11-21T09:00:00Z&cursor=x", "?cursor=cur_x",
	} {
		s.post(path(e, "/recover", query), "").wantProblem(422, payment.CodeInvalid)
	}
	for _, below := range []string{"/test", "/deliveries/evt_test_1/redeliver", "/recover?since=2026-11-21T09:00:00Z"} {
		s.post(path(e, below), `{"x":1}`).wantProblem(422, payment.CodeInvalid)
		s.post(path(e, below), `{`).wantProblem(400, payment.CodeMalformed)
	}
	var shown object.Endpoint
	s.get(path(e)).want(200, &shown)
	if shown.Description != nil || len(s.states(e)) != 0 {
		t.Errorf("something was done: %+v", shown)
	}
}

func TestEndpoints_withoutADatabaseNobodyKnows(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	s.db.Close()
	all := routes(e, "evt_test_1")
	all["GET "+object.EndpointCollectionPath], all["POST "+object.EndpointCollectionPath] = "", `{"url":"`+shopURL+`"}`
	for route, body := range all {
		method, target, _ := strings.Cut(route, " ")
		got := s.call(method, target, body)
		got.wantProblem(503, payment.CodeUnavailable)
		if got.header.Get("Retry-After") == "" || strings.Contains(got.body, "closed") {
			t.Errorf("%s: got %v %s", route, got.header, got.body)
		}
	}
}

func TestDelivery_bodyHasTheBytesThatAreSent(t *testing.T) {
	t.Parallel()
	s := serve(t)
	e := s.create()
	s.pay("acme", `A-1 "é</`)
	id := s.page(e, "").Data[0].ID
	got := s.get(path(e, "/deliveries/", id)).want(200, nil)
	sent, err := json.Marshal(s.bodyOf(e, id), json.Deterministic(true))
	if err != nil || !strings.Contains(got.body, `"body":`+string(sent)) {
		t.Errorf("got %s\nwithout %s (%v)", got.body, sent, err)
	}
}
