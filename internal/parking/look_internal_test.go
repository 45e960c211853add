package parking

import (
	"testing"
	"time"
)

func TestRun_collectsAfterManyAndWhileManyAreParked(t *testing.T) {
	l := New(Config{})
	now := time.Now()
	worth := func(after time.Duration) bool { now = now.Add(after); return l.isWorthCollecting(now) }
	if worth(time.Hour) {
		t.Error("for nobody")
	}
	l.since = collectAfter
	if !worth(time.Second) || worth(time.Second) {
		t.Error("not once after many")
	}
	for range collectAfter {
		l.parked[&stay{}] = struct{}{}
	}
	if worth(time.Second) || !worth(lieMax) || worth(lieMax-1) || !worth(1) {
		t.Error("not from time to time while many are parked")
	}
}
