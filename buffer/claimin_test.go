package buffer

import (
	"testing"
	"time"
)

func TestClaimIn_followsBacklogAndDrain(t *testing.T) {
	for name, test := range map[string]struct {
		stats  Stats
		waited time.Duration
		want   time.Duration
	}{
		"nothing waits":                   {Stats{DrainPerSecond: 500}, 0, time.Second},
		"a queue of ten seconds":          {Stats{Backlog: 5000, DrainPerSecond: 500}, 0, 10 * time.Second},
		"of which four have passed":       {Stats{Backlog: 5000, DrainPerSecond: 500}, 4 * time.Second, 6 * time.Second},
		"of which all have passed":        {Stats{Backlog: 5000, DrainPerSecond: 500}, time.Hour, time.Second},
		"a queue of an hour":              {Stats{Backlog: 360_000, DrainPerSecond: 100}, 0, time.Minute},
		"idle until a moment ago":         {Stats{Backlog: 3, DrainPerSecond: 0.1, StalledFor: 800 * time.Millisecond}, 0, time.Second},
		"nothing moves for ten seconds":   {Stats{Backlog: 3, StalledFor: 10 * time.Second}, 9 * time.Second, 10 * time.Second},
		"nothing has moved for some time": {Stats{Backlog: 3, StalledFor: time.Hour}, time.Hour, 30 * time.Second},
	} {
		g := gauge{stats: test.stats}
		if got := g.claimIn(test.waited); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
