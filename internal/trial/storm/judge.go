package storm

import (
	"errors"
	"fmt"
	"maps"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// faultsMax bounds how many faults are told one by one.
const faultsMax = 20

// Report counts what was answered.
type Report struct {
	Orders, Requests            int
	Firsts, Replayed, Conflicts int
	Tries                       map[string]int // that had to be made again, by the reason
}

// Judge tells whether the answers agree: each order has one payment, with one
// body and one time of acceptance, whichever door was asked, and each other body
// was refused. Without Outages one answer said that the order was new, and all
// others that it was known.
func (s *Storm) Judge() (Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	report := Report{Orders: len(s.sent), Tries: maps.Clone(s.tries)}
	faults := s.faults
	owners := map[payment.ID]int{}
	for order := range s.sent {
		answers := s.answers[order]
		if err := s.judgeOrder(answers, &report); err != nil {
			faults = append(faults, fmt.Errorf("order %d: %w", order, err))
			continue
		}
		if owner, taken := owners[answers[0].id]; taken {
			faults = append(faults, fmt.Errorf("orders %d and %d have one payment", owner, order))
		}
		owners[answers[0].id] = order
	}
	if n := len(faults); n > faultsMax {
		faults = append(faults[:faultsMax:faultsMax], fmt.Errorf("and %d further faults", n-faultsMax))
	}
	return report, errors.Join(faults...)
}

func (s *Storm) judgeOrder(answers []answer, report *Report) error {
	var winner *answer
	for i := range answers {
		if answers[i].accepted {
			winner = &answers[i]
			break
		}
	}
	if winner == nil {
		return fmt.Errorf("none of %d requests was accepted", len(answers))
	}
	firsts := 0
	for _, got := range answers {
		report.Requests++
		switch {
		case got.id != winner.id:
			return fmt.Errorf("it has the payments %s and %s", got.id, winner.id)
		case got.accepted && (got.amount != winner.amount || (got.acceptedAt != winner.acceptedAt && !s.cfg.Forgets)):
			return fmt.Errorf("it was accepted as %+v and as %+v", got, *winner)
		case !got.accepted && got.sent.other == winner.sent.other:
			return fmt.Errorf("the body that was accepted was refused: %+v", got)
		case !got.accepted:
			report.Conflicts++
		case got.duplicate:
			report.Replayed++
		default:
			report.Firsts++
			firsts++
		}
	}
	if firsts != 1 && !s.cfg.Outages {
		return fmt.Errorf("%d of %d answers say that it is new", firsts, len(answers))
	}
	return nil
}

// Charged tells whether a payer's ledger holds exactly the payments that are due,
// each charged once and with its own amount.
func Charged(ledger string, due map[payment.ID]int64) error {
	var faults []error
	times := map[payment.ID]int{}
	for charge, err := range simulator.Charges(ledger) {
		if err != nil {
			return err
		}
		id := payment.ID(charge.Reference)
		times[id]++
		if minor, known := due[id]; !known || charge.Money.Minor() != minor || charge.Money.Currency() != "EUR" {
			faults = append(faults, fmt.Errorf("%s was charged %s, due is %d", id, charge.Money, minor))
		}
	}
	for id := range due {
		if times[id] != 1 {
			faults = append(faults, fmt.Errorf("%s was charged %d times", id, times[id]))
		}
	}
	if n := len(faults); n > faultsMax {
		faults = append(faults[:faultsMax:faultsMax], fmt.Errorf("and %d further faults", n-faultsMax))
	}
	return errors.Join(faults...)
}
