package app

import (
	"testing"
	"time"
)

func TestFeedHeld_isTheTimeThatOneTransactionHasHeldOthersUp(t *testing.T) {
	start := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	var c feedCollector
	for i, test := range []struct {
		oldest, ended int64
		at, want      time.Duration
	}{
		{10, 10, 0, 0},
		{10, 10, time.Minute, 0}, // nobody is held up
		{10, 11, 2 * time.Minute, time.Minute},
		{10, 500, 3 * time.Minute, 2 * time.Minute},
		{400, 501, 4 * time.Minute, 0},
		{400, 600, 5 * time.Minute, time.Minute},
		{700, 700, 6 * time.Minute, 0},
	} {
		if got := c.held(test.oldest, test.ended, start.Add(test.at)); got != test.want {
			t.Errorf("%d: held for %s, want %s", i, got, test.want)
		}
	}
}
