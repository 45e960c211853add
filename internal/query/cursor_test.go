package query_test

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/query"
)

func TestCursor_givesBackItsPlaceAndNoOther(t *testing.T) {
	for _, place := range []string{"p:1:x", "o:", "ä"} {
		cursor := query.Cursor(place)
		if got := query.PlaceOf(cursor); got != place || strings.Contains(cursor, place) {
			t.Errorf("%s: got %q of %s", place, got, cursor)
		}
	}
	for _, wrong := range []string{"", "x", "YQ==", "YR", "Y Q", "YQ\n", query.Cursor(strings.Repeat("x", 151))} {
		if got := query.PlaceOf(wrong); got != "" {
			t.Errorf("%q: got %q", wrong, got)
		}
	}
}

func TestNumberCursor_isOfItsKind(t *testing.T) {
	for _, number := range []int64{0, 1, math.MaxInt64} {
		if got, ok := query.NumberOf("at:", query.NumberCursor("at:", number)); got != number || !ok {
			t.Errorf("%d: got %d, %t", number, got, ok)
		}
	}
	for _, place := range []string{"", "at:", "at:x", "at:-1", "at:+1", "at:01", "at:1 ", "at:9223372036854775808", "before:1"} {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(place))
		if number, ok := query.NumberOf("at:", cursor); ok {
			t.Errorf("%q: got %d", place, number)
		}
	}
}
