package hook

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/paybuf/paybuf/payment"
)

// faultsMax bounds how many faults are told one by one.
const faultsMax = 20

// Report counts what came.
type Report struct {
	Deliveries, Events, Repeats int // requests, different webhook-ids, and the rest
	Refused                     int // requests that were not answered 2xx
	Forged                      int // forgeries that were tried, and refused
}

// Judge tells what came, and whether all of it was signed, had the form of an event,
// and had the same bytes and one final state per payment whenever it came again.
func (c *Consumer) Judge() (Report, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	faults := slices.Clone(c.faults)
	report := Report{Deliveries: len(c.came), Forged: c.forged}
	bodies, finals := map[string][]byte{}, map[payment.ID]payment.State{}
	for _, d := range c.came {
		if !d.Accepted {
			report.Refused++
		}
		first, known := bodies[d.ID()]
		switch {
		case !known:
			bodies[d.ID()] = d.Body
		case !bytes.Equal(first, d.Body):
			faults = append(faults, named(d, fmt.Errorf("it was %s before and is %s", first, d.Body)))
		}
		if state := d.Event.final(); state != "" {
			if was, told := finals[d.Event.PaymentID]; told && was != state {
				faults = append(faults, named(d, fmt.Errorf("%s was %s and is %s", d.Event.PaymentID, was, state)))
			}
			finals[d.Event.PaymentID] = state
		}
	}
	report.Events = len(bodies)
	report.Repeats = report.Deliveries - report.Events
	return report, bounded(faults)
}

// InLine tells whether each payment's events came first in the order of their
// sequence, its changes in that of their version, and none before the one before it was
// accepted. An event that was given up is out of it. A conflict changes nothing: its
// version is the one that whoever put it on record knew of.
func (c *Consumer) InLine() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	type line struct {
		last     Event
		version  int64 // of the last change
		accepted bool
	}
	lines, seen := map[payment.ID]*line{}, map[string]bool{}
	var faults []error
	for _, d := range c.came {
		e := d.Event
		if e.PaymentID == "" {
			continue
		}
		l := lines[e.PaymentID]
		switch {
		case l == nil:
			lines[e.PaymentID] = &line{last: e, version: e.changed(0), accepted: d.Accepted}
		case seen[e.ID]:
			l.accepted = l.accepted || (d.Accepted && e.ID == l.last.ID)
		case e.Sequence < l.last.Sequence || e.changed(l.version) < l.version:
			faults = append(faults, named(d, fmt.Errorf("it came first after %s", l.last.ID)))
		case !l.accepted:
			faults = append(faults, named(d, fmt.Errorf("it came before %s was accepted", l.last.ID)))
		default:
			*l = line{last: e, version: e.changed(l.version), accepted: d.Accepted}
		}
		seen[e.ID] = true
	}
	return bounded(faults)
}

// Deliveries gives all that came, in the order of their coming.
func (c *Consumer) Deliveries() []*Delivery {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.came)
}

// Heard counts the different events that were accepted.
func (c *Consumer) Heard() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.times)
}

// Times counts the deliveries of each webhook-id that were accepted.
func (c *Consumer) Times() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.times)
}

// Finals gives the final state of each payment whose last event was accepted.
func (c *Consumer) Finals() map[payment.ID]payment.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.finals)
}

// Lacks lists the payments with a final state that the consumer was not told, or told
// otherwise.
func (c *Consumer) Lacks(due map[payment.ID]payment.State) []string {
	told := c.Finals()
	var lacks []string
	for _, id := range slices.Sorted(maps.Keys(due)) {
		if told[id] != due[id] {
			lacks = append(lacks, fmt.Sprintf("%s is %s, delivered was %q", id, due[id], told[id]))
		}
	}
	return lacks
}

func bounded(faults []error) error {
	if n := len(faults); n > faultsMax {
		faults = append(faults[:faultsMax:faultsMax], fmt.Errorf("and %d further faults", n-faultsMax))
	}
	return errors.Join(faults...)
}
