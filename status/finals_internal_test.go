package status

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func TestFinals_areReadAgainAfterAWhile(t *testing.T) {
	connected := true
	f := NewFinals(0, func() bool { return connected })
	money, err := payment.NewMoney(1999, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	p := &payment.Payment{Request: payment.Request{ID: "pay_1", Tenant: "acme", Money: money}, State: payment.Failed}
	began := time.Now()
	f.keep(p, &shown{etag: `"v2"`}, 0, began)
	for _, test := range []struct {
		connected bool
		after     time.Duration
		found     bool
	}{
		{true, 0, true}, {true, finalFor - 1, true}, {true, finalFor, false},
		{false, finalBlindFor - 1, true}, {false, finalBlindFor, false},
	} {
		connected = test.connected
		if found, _ := f.find("acme", "pay_1", "", began.Add(test.after)); (found != nil) != test.found {
			t.Errorf("after %s, connected %v: found %v", test.after, test.connected, found)
		}
	}
}
