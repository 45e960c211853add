package nearest

import "testing"

func TestName_guessesWhatWasMeant(t *testing.T) {
	known := []string{"order_number", "amount", "currency", "payment_method", "customer"}
	for wrong, want := range map[string]string{
		"orderNumber":   "order_number",
		"order-numbr":   "order_number",
		"order":         "order_number",
		"amonut":        "amount",
		"AMOUNT":        "amount",
		"customer_id":   "customer",
		"curency":       "currency",
		"paymentmethod": "payment_method",
		"ustomer":       "customer",
		"xyz":           "",
		"":              "",
		"q":             "",
	} {
		if got, found := Name(wrong, known); got != want || found != (want != "") {
			t.Errorf("Name(%q) = %q, %v; want %q", wrong, got, found, want)
		}
	}
}

func TestName_nothingIsKnown(t *testing.T) {
	if got, found := Name("amount", nil); found {
		t.Errorf("found %q among no names", got)
	}
	for _, names := range [][]string{{""}, {"a", "b"}, {"payment_installments"}} {
		if got, found := Name("amount", names); found {
			t.Errorf("found %q among %q", got, names)
		}
	}
}
