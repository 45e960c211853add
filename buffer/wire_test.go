package buffer

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

func TestEncode_isReadBackAsItWas(t *testing.T) {
	for name, change := range map[string]func(*payment.Draft){
		"plain":   nil,
		"bare":    func(d *payment.Draft) { d.Customer, d.Description, d.Metadata = "", "", nil },
		"escapes": func(d *payment.Draft) { d.OrderNumber = `A-"1\2</script>&'` },
		"unicode": func(d *payment.Draft) { d.Description = "Bücher \u2028 \U0001F4DA \ufffd" },
		"metadata": func(d *payment.Draft) {
			d.Metadata = map[string]string{`a"b`: `c\d`, "e": "", "ü": "\u2029", "kwd": strings.Repeat("x", 400)}
		},
		"no minor unit": func(d *payment.Draft) { d.Currency = "JPY"; d.AmountMinor = payment.AmountMinorMax },
	} {
		t.Run(name, func(t *testing.T) {
			want := order(t, "A-1001", change)
			want.KeyHash, want.RetryOf = "hash", want.ID
			body := encode(want)
			if !json.Valid(body) { // by another reader than decode's
				t.Fatalf("not JSON: %s", body)
			}
			if got, err := decode(body); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
			}
			record, message := encodeReceipt(kindReceipt, want, 7)
			if kept, _, err := parseRecord(record); err != nil || !reflect.DeepEqual(kept.request, want) || string(kept.body) != string(message) {
				t.Errorf("the receipt gave %+v, %v", kept.request, err)
			}
		})
	}
}
