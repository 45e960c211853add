package payment_test

import (
	"strings"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

func TestEndpointID_isReadStrictly(t *testing.T) {
	id := payment.NewEndpointID()
	if len(id) != 30 || id == payment.NewEndpointID() {
		t.Errorf("the id is %s", id)
	}
	if parsed, err := payment.ParseEndpointID(string(id)); err != nil || parsed != id {
		t.Errorf("%s is read as %s, %v", id, parsed, err)
	}
	digits := string(id[4:])
	for _, text := range []string{
		"", "whe_", digits, "pay_" + digits, "whe_" + digits + "a", "whe_" + digits[1:], "whe_" + strings.ToUpper(digits),
		"whe_" + digits[:25] + "1", "whe_" + digits[:25] + "b", " " + string(id),
	} {
		if _, err := payment.ParseEndpointID(text); err == nil {
			t.Errorf("%q is an id", text)
		}
	}
}

func TestEventID_isReadStrictly(t *testing.T) {
	of := payment.ID("pay_" + strings.Repeat("a", 26))
	for _, event := range []payment.Event{
		{PaymentID: of, Sequence: 1}, {PaymentID: of, Sequence: 1 << 62}, {Sequence: 42},
	} {
		id, sequence, err := payment.ParseEventID(event.ID())
		if err != nil || id != event.PaymentID || sequence != event.Sequence {
			t.Errorf("%s is read as %s, %d, %v", event.ID(), id, sequence, err)
		}
	}
	part := strings.Repeat("a", 26)
	for _, text := range []string{
		"", "evt_", "evt_test", "evt_test_", "evt_test_0", "evt_test_-1", "evt_test_+1", "evt_test_01", "evt_test_1_1",
		"evt_tests_1", "evt__1", part + "_1", "evt_" + part, "evt_" + part + "_", "evt_" + part[1:] + "_1",
		"evt_" + strings.ToUpper(part) + "_1", "evt_" + part + "_9223372036854775808", "evt_" + part + "_1 ", "pay_" + part + "_1",
	} {
		if id, sequence, err := payment.ParseEventID(text); err == nil {
			t.Errorf("%q is read as %s, %d", text, id, sequence)
		}
	}
}
