package storm

import (
	"slices"
	"strings"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// Balance compares a payer's ledger with what the client was told.
type Balance struct {
	Payments   int                   // that were accepted
	States     map[payment.State]int // as they were seen last
	Charges    int
	Doubles    int // charges beyond the first of an order
	Told       Told
	Violations []Violation
}

// Balance reads a payer's ledger and judges each payment by it: its charges, their
// amount, and whether it has an end.
func (s *Storm) Balance(ledger string) (Balance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := Balance{States: map[payment.State]int{}, Violations: slices.Clone(s.past.violations)}
	due := s.due()
	charges := map[payment.ID]int{}
	for charge, err := range simulator.Charges(ledger) {
		if err != nil {
			return b, err
		}
		b.Charges++
		id := payment.ID(charge.Reference)
		charges[id]++
		minor, known := due[id]
		if from := s.told.notBefore[id]; charge.At.Before(from) {
			b.violate(Amounts, "%s was charged %s before its time", id, from.Sub(charge.At).Round(time.Microsecond))
		}
		switch {
		case !known:
			b.violate(Once, "%s was charged, and nobody was told that it is accepted", id)
		case charge.Money.Minor() != minor || charge.Money.Currency() != "EUR":
			b.violate(Amounts, "%s was charged %s, accepted was %d", id, charge.Money, minor)
		}
	}
	b.Payments = len(due)
	for id := range due {
		said := s.past.last[id]
		b.States[said.State]++
		b.Doubles += max(0, charges[id]-1)
		b.judge(said, charges[id])
	}
	b.judgeTales(s, charges)
	slices.SortFunc(b.Violations, func(x, y Violation) int { return strings.Compare(x.Error(), y.Error()) })
	return b, nil
}

// judge holds a payment's charges against the end that the client saw.
func (b *Balance) judge(said shown, charges int) {
	switch {
	case !said.ended():
		b.violate(Kept, "%s was accepted and is %s in the end", said.ID, said.State)
	case said.State == payment.Parked && said.reason() == "":
		b.violate(Kept, "%s is parked, and nobody says why", said.ID)
	}
	switch {
	case charges > 1:
		b.violate(Once, "%s is %s and was charged %d times", said.ID, said.State, charges)
	case said.State == payment.Succeeded && charges == 0:
		b.violate(Once, "%s has succeeded and was not charged", said.ID)
	case (said.State == payment.Failed || said.State == payment.Canceled) && charges > 0:
		b.violate(Once, "%s is %s and was charged", said.ID, said.State)
	}
}

func (b *Balance) violate(i Invariant, format string, args ...any) {
	b.Violations = append(b.Violations, broken(i, format, args...))
}

// Broken lists the invariants that do not hold, each once, in order.
func (b *Balance) Broken() []Invariant {
	var list []Invariant
	for _, v := range b.Violations {
		list = append(list, v.Invariant)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
