package webhook

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

// lane shares out some places for requests: over the tenants that have something to
// send in turn, and then over a tenant's endpoints in turn. However many deliveries,
// or endpoints, a tenant has, another waits for one turn of each.
type lane struct {
	places   int
	inFlight int
	lines    map[payment.TenantID]*line
	turn     fifo[*line]
	trusted  bool // whose endpoints it is for
}

// line is what one tenant has in a lane.
type line struct {
	tenant   payment.TenantID
	ready    fifo[*consumer]
	inFlight int
	listed   bool // in the lane's turn
}

func newLane(places int, trusted bool) *lane {
	return &lane{places: places, lines: map[payment.TenantID]*line{}, trusted: trusted}
}

// add puts an endpoint at the end of its tenant's line.
func (l *lane) add(c *consumer) {
	c.listed = true
	own := l.lines[c.Tenant]
	if own == nil {
		own = &line{tenant: c.Tenant}
		l.lines[c.Tenant] = own
	}
	own.ready.push(c)
	if !own.listed {
		own.listed = true
		l.turn.push(own)
	}
}

// next gives the endpoint whose turn it is, nil if there is none. It is in no line
// then, and a place is taken for it. Endpoints that may not be sent to any more, or
// belong to the other lane, fall out; moved is told of the latter.
func (l *lane) next(now time.Time, moved func(*consumer)) *consumer {
	for turns := l.turn.len(); turns > 0 && l.inFlight < l.places; turns-- {
		own := l.turn.pop()
		c := l.first(own, now, moved)
		if own.ready.len() > 0 {
			l.turn.push(own)
		} else {
			own.listed = false
			l.forget(own)
		}
		if c != nil {
			l.inFlight++
			own.inFlight++
			l.lines[own.tenant] = own
			return c
		}
	}
	return nil
}

// first takes the first of a line that may be sent to, if its tenant may have one more
// place: half of those that others leave, so that some are always left.
func (l *lane) first(own *line, now time.Time, moved func(*consumer)) *consumer {
	others := l.inFlight - own.inFlight
	if own.inFlight+1 > (l.places-others+1)/2 {
		return nil
	}
	for own.ready.len() > 0 {
		c := own.ready.pop()
		c.listed = false
		switch {
		case !c.mayTake(now):
		case c.trusted != l.trusted:
			moved(c)
		default:
			return c
		}
	}
	return nil
}

// done gives a place back.
func (l *lane) done(tenant payment.TenantID) {
	own := l.lines[tenant]
	l.inFlight--
	own.inFlight--
	l.forget(own)
}

func (l *lane) forget(own *line) {
	if own.inFlight == 0 && !own.listed {
		delete(l.lines, own.tenant)
	}
}
