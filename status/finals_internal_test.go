package status

import (
	"fmt"
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
		{true, 0, true}, {true, finalFor*3/4 - 1, true}, {true, finalFor, false},
		{false, finalBlindFor*3/4 - 1, true}, {false, finalBlindFor, false},
	} {
		connected = test.connected
		if found, _ := f.find("acme", "pay_1", "", began.Add(test.after)); (found != nil) != test.found {
			t.Errorf("after %s, connected %v: found %v", test.after, test.connected, found)
		}
	}
}

func TestFinals_thoseKeptTogetherAreNotReadTogether(t *testing.T) {
	const answers = 1000
	f := NewFinals(0, nil)
	money, err := payment.NewMoney(1999, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for i := range answers {
		p := &payment.Payment{Request: payment.Request{ID: payment.ID(fmt.Sprint("pay_", i)), Tenant: "acme", Money: money}}
		f.keep(p, &shown{}, 0, began)
	}
	old := func(after time.Duration) (count int) {
		for i := range answers {
			if found, _ := f.find("acme", payment.ID(fmt.Sprint("pay_", i)), "", began.Add(after)); found == nil {
				count++
			}
		}
		return count
	}
	if half := old(finalFor * 7 / 8); half < answers/4 || half > answers*3/4 {
		t.Errorf("%d of %d are old in the middle of the time in which they become so", half, answers)
	}
}
