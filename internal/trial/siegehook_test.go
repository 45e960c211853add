//go:build trial && crash

package trial

import (
	"net/http"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/internal/trial/hook"
	"github.com/paybuf/paybuf/internal/trial/storm"
)

// heardTimeMax is how long after the end of a siege whatever is still to be delivered
// may take. What is not by then is a violation.
const heardTimeMax = time.Minute

// siegeManners are how the consumer in a siege answers one delivery in ten.
var siegeManners = []hook.Manner{
	hook.Forgets, hook.Hangs, hook.Fails(http.StatusInternalServerError, 0), hook.Fails(http.StatusBadRequest, 0),
}

const (
	siegeShare = 0.1
	hearPeriod = 200 * time.Millisecond
)

// listen makes the tenant's endpoint, for all events, before anything dies.
func (s *siege) listen(t *testing.T) {
	t.Helper()
	d := desk{url: s.of("status")[0].url(), key: s.in.key, dir: s.in.dir}
	s.awaitKey(t, d)
	s.told = d.listen(t, "siege")
	s.told.Behave(siegeShare, siegeManners...)
}

func (s *siege) awaitKey(t *testing.T, d desk) {
	t.Helper()
	eventually(t, "the key is known", func() bool {
		s.tend()
		status, _, err := d.try(t.Context(), http.MethodGet, endpointsPath, nil)
		return err == nil && status == http.StatusOK
	})
}

// hear waits until all events are delivered or nothing is to come any more, for a
// while.
func (s *siege) hear() {
	s.t.Helper()
	if s.told == nil {
		return
	}
	s.told.Behave(0)
	over, deadline := false, time.Now().Add(heardTimeMax)
	for !over && time.Now().Before(deadline) {
		s.every("hear", hearPeriod, func() {
			events := len(eventsOf(s.t, s.in.postgres, "acme"))
			waiting := localtest.Query(s.t, s.in.postgres, "SELECT count(*)::text FROM webhook_deliveries WHERE state = 'waiting'")
			over = waiting[0] == "0" || s.told.Heard() == events
		})
		s.tend()
		<-time.After(siegePoll)
	}
}

// judgeHeard holds what the consumer was sent against what clients see, and the
// events on record.
func (s *siege) judgeHeard(b *storm.Balance) {
	s.t.Helper()
	if s.told == nil {
		return
	}
	unheard := func(detail string) {
		b.Violations = append(b.Violations, storm.Violation{Invariant: storm.Heard, Detail: detail})
	}
	for _, lack := range s.told.Lacks(s.storm.Finals()) {
		unheard(lack)
	}
	if err := s.told.InLine(); err != nil {
		unheard(err.Error())
	}
	times := s.told.Times()
	for _, id := range eventsOf(s.t, s.in.postgres, "acme") {
		if times[id] == 0 {
			unheard(id + " is on record and was not delivered")
		}
		delete(times, id)
	}
	for id := range times {
		unheard(id + " was delivered and is not on record")
	}
	report, err := s.told.Judge()
	if err != nil {
		unheard(err.Error())
	}
	s.toll.heard = report
}
