package buffer

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const boundID = payment.ID("pay_aaaaaaaaaaaaaaaaaaaaaaaaaa")

// golden is a request of whose every byte is known.
func golden(t testing.TB) payment.Request {
	t.Helper()
	money, err := payment.RestoreMoney(1999, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	return payment.Request{
		ID: boundID, Tenant: "acme", OrderNumber: "A-1001", Money: money, PaymentMethod: "tok_visa", Customer: "c_81",
		Description: "two books", Metadata: map[string]string{"cart": "918273"},
		AcceptedAt: time.UnixMilli(1_795_000_000_123).UTC(), KeyHash: "hash",
	}
}

const goldenBody = `{"v":1,"id":"pay_aaaaaaaaaaaaaaaaaaaaaaaaaa","tenant":"acme","order_number":"A-1001","amount":1999,` +
	`"currency":"EUR","payment_method":"tok_visa","customer":"c_81","description":"two books",` +
	`"metadata":{"cart":"918273"},"accepted_at_ms":1795000000123,"mark":7,"key_hash":"hash"}`

// What a processor of before can pay rightly it must get as it always did.
func TestEncode_aRequestBoundToNothingIsOfTheFirstVersion(t *testing.T) {
	if got := string(appendRequest(nil, golden(t), 7)); got != goldenBody {
		t.Errorf("got  %s\nwant %s", got, goldenBody)
	}
}

// What it would pay too early, or beside its predecessor, it must not understand.
func TestEncode_aBoundRequestIsOfTheSecondVersion(t *testing.T) {
	retry, scheduled := golden(t), golden(t)
	retry.RetryOf = "pay_baaaaaaaaaaaaaaaaaaaaaaaaa"
	scheduled.NotBefore = time.UnixMilli(1_795_000_060_000).UTC()
	second := strings.Replace(goldenBody, `"v":1`, `"v":2`, 1)
	for _, test := range []struct {
		request payment.Request
		want    string
	}{
		{retry, strings.Replace(second, `"amount"`, `"retry_of":"pay_baaaaaaaaaaaaaaaaaaaaaaaaa","amount"`, 1)},
		{scheduled, strings.Replace(second, `"mark"`, `"not_before_ms":1795000060000,"mark"`, 1)},
	} {
		if got := string(appendRequest(nil, test.request, 7)); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
	}
}

func TestEncode_whatARequestIsBoundToIsReadBack(t *testing.T) {
	for name, bind := range map[string]func(*payment.Request){
		"retry":                            func(r *payment.Request) { r.RetryOf = boundID },
		"scheduled":                        func(r *payment.Request) { r.NotBefore = time.UnixMilli(1_795_000_060_001).UTC() },
		"both":                             func(r *payment.Request) { r.RetryOf, r.NotBefore = boundID, time.UnixMilli(1).UTC() },
		"since the beginning of Unix time": func(r *payment.Request) { r.NotBefore = time.UnixMilli(0).UTC() },
		"before it":                        func(r *payment.Request) { r.NotBefore = time.UnixMilli(-5).UTC() },
	} {
		t.Run(name, func(t *testing.T) {
			want := golden(t)
			bind(&want)
			for _, kind := range []byte{kindReceipt, kindConflict} {
				record, _ := encodeReceipt(kind, want, 7)
				kept, _, err := parseRecord(record)
				if err != nil || !reflect.DeepEqual(kept.request, want) || kept.request.Fingerprint() != want.Fingerprint() {
					t.Errorf("%c gave %+v, %v\nwant %+v", kind, kept.request, err, want)
				}
			}
			bound, err := bindingOf(want, "").encode()
			if err != nil {
				t.Fatal(err)
			}
			if read, err := decodeBinding(bound); err != nil || read.fingerprint != want.Fingerprint() || read.payment != want.ID {
				t.Errorf("the binding gave %+v, %v", read, err)
			}
		})
	}
}

func TestDecode_knowsTwoVersionsAndNoMore(t *testing.T) {
	for version, known := range map[string]bool{"0": false, "1": true, "2": true, "3": false, "-1": false} {
		_, err := decode([]byte(strings.Replace(goldenBody, `"v":1`, `"v":`+version, 1)))
		if (err == nil) != known {
			t.Errorf("version %s: %v", version, err)
		}
	}
	// Nobody has written this, but its meaning is plain.
	old := strings.Replace(goldenBody, `"amount"`, `"retry_of":"`+string(boundID)+`","amount"`, 1)
	if got, err := decode([]byte(old)); err != nil || got.RetryOf != boundID {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestPut_whatARequestIsBoundToIsKeptUntilItsClaim(t *testing.T) {
	b := open(t, nil)
	want := order(t, "A-1001", func(d *payment.Draft) {
		d.RetryOf, d.NotBefore = string(boundID), time.Now().Add(time.Hour).Format(time.RFC3339)
	})
	if _, err := b.Put(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	peeked, found, err := b.Peek(t.Context(), want.ID)
	if err != nil || !found || peeked.RetryOf != want.RetryOf || !peeked.NotBefore.Equal(want.NotBefore) {
		t.Errorf("peeked %+v, %t, %v", peeked, found, err)
	}
	handed := fetchAll(t, b.Shards()[0], 1)
	if len(handed) != 1 || handed[0].Poison != nil || handed[0].Request.Fingerprint() != want.Fingerprint() {
		t.Errorf("handed out %+v", handed)
	}
	again, err := b.Put(t.Context(), want)
	if err != nil || !again.Duplicate || !again.First.NotBefore.Equal(want.NotBefore) {
		t.Errorf("again: %+v, %v", again, err)
	}
	later := want
	later.NotBefore = want.NotBefore.Add(time.Second)
	if _, err := b.Put(t.Context(), later); !isConflict(err) {
		t.Errorf("with another time: %v", err)
	}
}

// The receipt of a stream that was lost is published as it was.
func TestRepublish_keepsWhatARequestIsBoundTo(t *testing.T) {
	b := open(t, nil)
	want := order(t, "A-1001", func(d *payment.Draft) { d.RetryOf = string(boundID) })
	record, body := encodeReceipt(kindReceipt, want, 7)
	kept, _, err := parseRecord(record)
	if err != nil {
		t.Fatal(err)
	}
	if _, m := b.messageOf(kept); string(m.body) != string(body) {
		t.Errorf("published again: %s", m.body)
	}
}
