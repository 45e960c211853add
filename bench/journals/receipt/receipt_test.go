package receipt

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

func TestOf_isAPaymentOfAbout300Bytes(t *testing.T) {
	for _, number := range []int{0, 1, 4711, 199_999, numbersMax - 1} {
		payload := Of(number)
		if len(payload) < 270 || len(payload) > 330 {
			t.Errorf("%d has %d bytes", number, len(payload))
		}
		var members map[string]any
		if err := json.Unmarshal(payload[1:], &members); err != nil || payload[0] != 'R' || len(members) != 11 {
			t.Errorf("%d is %s: %v", number, payload, err)
		}
		if at := bytes.Index(payload, Mark(number)); at < 0 || at > len(payload)/2 || bytes.Contains(payload, Mark(number+1)) {
			t.Errorf("the mark of %d is at %d", number, at)
		}
		if got, whole := Number(payload); got != number || !whole {
			t.Errorf("%d is recognised as %d, %t", number, got, whole)
		}
	}
}

func TestNumber_oneChangedBitShows(t *testing.T) {
	payload := Of(4711)
	for at := range payload {
		for bit := range 8 {
			payload[at] ^= 1 << bit
			if number, whole := Number(payload); whole {
				t.Errorf("bit %d of byte %d changed: taken for %d", bit, at, number)
			}
			payload[at] ^= 1 << bit
		}
	}
}

func TestNumber_whatIsNoReceiptIsNone(t *testing.T) {
	whole := string(Of(7))
	for _, payload := range []string{
		"", "R", whole[:len(whole)-1], whole + " ", whole + whole,
		strings.Replace(whole, "00000007", "-0000007", 1), `"order_number":"99999999999999999999-`,
	} {
		if number, ok := Number([]byte(payload)); ok {
			t.Errorf("%q is taken for %d", payload, number)
		}
	}
}
