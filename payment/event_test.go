package payment

import (
	"math"
	"strings"
	"testing"
)

func TestFeedCursor_isReadAsItWasWritten(t *testing.T) {
	for _, cursor := range []FeedCursor{{}, {1, 2}, {math.MaxInt64, math.MaxInt64}, FeedEnd(7)} {
		read, err := ParseFeedCursor(cursor.String())
		if err != nil || read != cursor {
			t.Errorf("%v is read as %v: %v", cursor, read, err)
		}
	}
}

func TestFeedCursor_whatWeNeverGaveIsRefused(t *testing.T) {
	good := FeedCursor{1, 2}.String()
	for _, text := range []string{
		"", "cur_", "1", good[:len(good)-1], good + "a", strings.ToUpper(good), "xyz_" + good[4:],
		good[:len(good)-1] + "z", FeedCursor{-1, 2}.String(), FeedCursor{1, -2}.String(),
	} {
		if got, err := ParseFeedCursor(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestEventID_namesPaymentAndSequenceWithoutADot(t *testing.T) {
	for want, event := range map[string]Event{
		"evt_abc_7":  {PaymentID: "pay_abc", Sequence: 7},
		"evt_test_8": {Sequence: 8},
	} {
		if got := event.ID(); got != want || strings.Contains(got, ".") {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEventTypes_areOnePerStateWithARow(t *testing.T) {
	types := EventTypes()
	if len(types) != len(States()) { // without queued, with the conflict
		t.Errorf("got %v", types)
	}
}
