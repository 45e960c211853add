package object_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
)

const id = "pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"

func request(t *testing.T) payment.Request {
	t.Helper()
	money, err := payment.NewMoney(1999, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	return payment.Request{
		ID: id, Tenant: "acme", OrderNumber: "A-1001", Money: money,
		PaymentMethod: "tok_visa_secret", AcceptedAt: time.Date(2026, 11, 21, 10, 0, 0, 7e6, time.FixedZone("CET", 3600)),
	}
}

func written(t *testing.T, shown any) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	if err := object.Write(recorder, http.StatusOK, shown); err != nil {
		t.Fatal(err)
	}
	return recorder.Body.String()
}

func want(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
}

func TestAccepted_isTheAnswerOfTheContract(t *testing.T) {
	want(t, written(t, object.Accepted(request(t), "http://host", false)),
		`{"id":"`+id+`","object":"payment","order_number":"A-1001","amount":1999,"currency":"EUR",`+
			`"state":"queued","final":false,"version":0,"duplicate":false,`+
			`"status_url":"http://host/v1/payments/`+id+`","accepted_at":"2026-11-21T09:00:00.007Z"}`)
}

func TestAccepted_aDuplicateDiffersOnlyInSayingSo(t *testing.T) {
	first := written(t, object.Accepted(request(t), "http://host", false))
	second := written(t, object.Accepted(request(t), "http://host", true))
	want(t, second, strings.Replace(first, `"duplicate":false`, `"duplicate":true`, 1))
}

func TestOf_showsAllThatIsKnown(t *testing.T) {
	p := payment.Queue(request(t))
	p.Customer, p.Description = "c_81", "two books"
	p.Metadata = map[string]string{"z": "26", "a": "1", "m": "13"}
	p.State, p.Version, p.Attempts, p.PayerReference = payment.Failed, 3, 2, "ch_9"
	p.Failure = payment.Failure{Code: "insufficient_funds", Message: "the account has too little"}
	p.UpdatedAt = p.AcceptedAt.Add(1500 * time.Millisecond)
	p.NotBefore = p.AcceptedAt.Truncate(time.Hour).Add(30 * time.Minute)
	p.RetryOf, p.RetriedBy = "pay_baaaaaaaaaaaaaaaaaaaaaaaaa", "pay_caaaaaaaaaaaaaaaaaaaaaaaaa"
	want(t, written(t, object.Of(p, "")),
		`{"id":"`+id+`","object":"payment","order_number":"A-1001","amount":1999,"currency":"EUR",`+
			`"state":"failed","final":true,"version":3,`+
			`"status_url":"/v1/payments/`+id+`","accepted_at":"2026-11-21T09:00:00.007Z",`+
			`"customer":"c_81","description":"two books","metadata":{"a":"1","m":"13","z":"26"},`+
			`"not_before":"2026-11-21T09:30:00.000Z","retry_of":"pay_baaaaaaaaaaaaaaaaaaaaaaaaa",`+
			`"retried_by":"pay_caaaaaaaaaaaaaaaaaaaaaaaaa",`+
			`"payer_reference":"ch_9","failure":{"code":"insufficient_funds","message":"the account has too little"},`+
			`"attempts":2,"updated_at":"2026-11-21T09:00:01.507Z"}`)
}

func TestOf_whatIsNotThereIsNull(t *testing.T) {
	got := written(t, object.Of(payment.Queue(request(t)), ""))
	const end = `"customer":null,"description":null,"metadata":{},"not_before":null,"retry_of":null,"retried_by":null,"payer_reference":null,"failure":null,` +
		`"attempts":0,"updated_at":"2026-11-21T09:00:00.007Z"}`
	if !strings.HasSuffix(got, end) {
		t.Errorf("got %s\nwant it to end in %s", got, end)
	}
}

func TestOf_anOrderCanceledBeforeItsRequestCameHasNoAmount(t *testing.T) {
	bare := payment.Payment{State: payment.Canceled, Version: 1}
	bare.ID, bare.OrderNumber, bare.AcceptedAt, bare.UpdatedAt = id, "A-1001", request(t).AcceptedAt, request(t).AcceptedAt
	const start = `{"id":"` + id + `","object":"payment","order_number":"A-1001","amount":null,"currency":null,"state":"canceled",`
	if got := written(t, object.Of(bare, "")); !strings.HasPrefix(got, start) {
		t.Errorf("got %s\nwant it to begin with %s", got, start)
	}
}

func TestETag_isAnotherWheneverTheBytesAre(t *testing.T) {
	p := payment.Queue(request(t))
	p.State = payment.Failed
	seen := map[string]string{}
	for version := range int64(3) {
		for _, by := range []payment.ID{"", "pay_baaaaaaaaaaaaaaaaaaaaaaaaa"} {
			p.Version, p.RetriedBy = version, by
			tag, body := object.ETag(p), written(t, object.Of(p, ""))
			if other, taken := seen[tag]; taken {
				t.Errorf("%s is of %s and of %s", tag, other, body)
			}
			seen[tag] = body
		}
	}
	if _, plain := seen[`"v2"`]; !plain {
		t.Errorf("the tags are %v", seen)
	}
}

func TestReplayed_isThePaymentAndADuplicate(t *testing.T) {
	p := payment.Queue(request(t))
	p.State, p.Version = payment.Succeeded, 2
	got := written(t, object.Outcome(p, "", true))
	without := strings.Replace(got, `"duplicate":true,`, "", 1)
	want(t, without, written(t, object.Of(p, "")))
	if got == without {
		t.Error("it does not say that it is a duplicate")
	}
}

func TestPayment_thePaymentMethodIsNeverShown(t *testing.T) {
	p := payment.Queue(request(t))
	for _, shown := range []any{
		object.Of(p, ""), object.Outcome(p, "", false), object.Accepted(p.Request, "", true),
		object.ListOf([]payment.Payment{p}, "", ""),
	} {
		if got := written(t, shown); strings.Contains(got, "tok_visa_secret") || strings.Contains(got, "acme") {
			t.Errorf("it shows the payment method or the tenant: %s", got)
		}
	}
}

func TestListOf_anEmptyListIsAList(t *testing.T) {
	want(t, written(t, object.ListOf(nil, "", "")), `{"object":"list","data":[],"next_cursor":null}`)
	want(t, written(t, object.ListOf(nil, "next", "")), `{"object":"list","data":[],"next_cursor":"next"}`)
}

func TestListOf_keepsTheOrder(t *testing.T) {
	first, second := payment.Queue(request(t)), payment.Queue(request(t))
	second.ID = "pay_baaaaaaaaaaaaaaaaaaaaaaaaa"
	list := object.ListOf([]payment.Payment{first, second}, "", "http://host")
	if len(list.Data) != 2 || list.Data[0].ID != first.ID || list.Data[1].ID != second.ID {
		t.Errorf("got %+v", list.Data)
	}
}

func TestWrite_aStrangeTextStillGetsOut(t *testing.T) {
	p := payment.Queue(request(t))
	p.PayerReference = "ch_\xff"
	if got := written(t, object.Of(p, "")); !strings.Contains(got, "\"ch_\uFFFD\"") {
		t.Errorf("got %s", got)
	}
}

type gone struct{ http.ResponseWriter }

var errGone = errors.New("connection reset")

func (gone) Write([]byte) (int, error) { return 0, errGone }

func TestWrite_aClientThatIsGoneIsAnError(t *testing.T) {
	if err := object.Write(gone{httptest.NewRecorder()}, http.StatusOK, object.ListOf(nil, "", "")); !errors.Is(err, errGone) {
		t.Errorf("got %v", err)
	}
}
