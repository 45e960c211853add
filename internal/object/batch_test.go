package object_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
)

const batchID = "bat_aaaaaaaaaaaaaaaaaaaaaaaaaa"

func TestBatchOf_countsEveryStateAndIsFinalWhenAllAre(t *testing.T) {
	batch := payment.Batch{
		ID: batchID, Tenant: "acme", Payments: []payment.ID{"pay_1", "pay_2", "pay_3"},
		CreatedAt: time.Date(2026, 11, 21, 10, 0, 0, 7e6, time.FixedZone("CET", 3600)),
	}
	open := map[payment.State]int{payment.Succeeded: 2, payment.Parked: 1}
	text := `{"id":"` + batchID + `","object":"batch","status_url":"http://host/v1/batches/` + batchID + `",` +
		`"payments_url":"http://host/v1/batches/` + batchID + `/payments","created_at":"2026-11-21T09:00:00.007Z",` +
		`"total":3,"final":false,"counts":{"canceled":0,"failed":0,"parked":1,"paying":0,"pending":0,"queued":0,` +
		`"retrying":0,"scheduled":0,"succeeded":2,"unknown":0}}`
	want(t, written(t, object.BatchOf(batch, open, "http://host")), text)
	done := map[payment.State]int{payment.Succeeded: 1, payment.Failed: 1, payment.Canceled: 1}
	if got := written(t, object.BatchOf(batch, done, "")); !strings.Contains(got, `"final":true`) {
		t.Errorf("got %s, want it final", got)
	}
}

func TestBatchPageOf_showsWhatIsKnownOfEach(t *testing.T) {
	paid := payment.Queue(request(t))
	paid.State, paid.Version = payment.Succeeded, 2
	waiting := payment.Payment{Request: payment.Request{ID: "pay_2"}, State: payment.Queued}
	page := object.BatchPageOf([]payment.BatchItem{{Position: 4, Payment: paid}, {Position: 5, Payment: waiting}}, "next", "http://host")
	want(t, written(t, page), `{"object":"list","data":[`+written(t, object.Of(paid, "http://host"))+
		`,{"id":"pay_2","object":"payment","state":"queued","final":false,"version":0,"status_url":"http://host/v1/payments/pay_2"}],`+
		`"next_cursor":"next"}`)
	want(t, written(t, object.BatchPageOf(nil, "", "")), `{"object":"list","data":[],"next_cursor":null}`)
}
