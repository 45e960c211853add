package simulator

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Summary counts what a ledger holds. It is also the body of GET /ledger.
type Summary struct {
	Charges    int64            `json:"charges"`    // every time that money moved and was not taken back
	References int64            `json:"references"` // that were charged at least once
	Doubled    int64            `json:"doubled"`    // of those, charged more than once
	Declined   int64            `json:"declined"`
	Pending    int64            `json:"pending"` // not decided yet
	Voided     int64            `json:"voided"`  // taken back, and counted as neither charged nor pending
	Sends      int64            `json:"sends"`   // since the start of the Engine; not in the file
	Lookups    int64            `json:"lookups"` // likewise
	Faults     int64            `json:"faults"`  // that struck a send, likewise
	Sums       map[string]int64 `json:"sums"`    // charged, in minor units by currency
}

// Charge is one movement of money.
type Charge struct {
	ID        string // the payer's
	Reference string // the payment id that it was asked with
	Key       string // the idempotency key, "" if none came
	Money     payment.Money
	At        time.Time
}

var errStop = errors.New("the reader of the ledger stopped")

// Charges gives each movement of money in a ledger file that stands, oldest
// first; what was voided is for Voids to tell. The file may be in use. An error
// ends it.
func Charges(file string) iter.Seq2[Charge, error] {
	return func(yield func(Charge, error) bool) {
		takenBack := make(map[uint64]bool)
		err := scanFile(file, func(e entry) error {
			if e.Status == voided {
				takenBack[e.Number] = true
			}
			return nil
		})
		if err != nil {
			yield(Charge{}, err)
			return
		}
		err = scanFile(file, func(e entry) error {
			if e.Status != succeeded || takenBack[e.Number] {
				return nil
			}
			charge, err := e.charge()
			if err == nil && !yield(charge, nil) {
				return errStop
			}
			return err
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Charge{}, err)
		}
	}
}

// Voids gives each charge in a ledger file that was taken back, oldest void first;
// At is when it was. A void of what was only pending moved no money and is not
// among them.
func Voids(file string) iter.Seq2[Charge, error] {
	return func(yield func(Charge, error) bool) {
		charged := make(map[uint64]bool)
		err := scanFile(file, func(e entry) error {
			if e.Status == succeeded {
				charged[e.Number] = true
			}
			if e.Status != voided || !charged[e.Number] {
				return nil
			}
			charge, err := e.charge()
			if err == nil && !yield(charge, nil) {
				return errStop
			}
			return err
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(Charge{}, err)
		}
	}
}

// ReadLedger counts a ledger file without an Engine. The file may be in use.
func ReadLedger(file string) (Summary, error) {
	counts := newCounts()
	charges := make(map[string]int64)
	undecided := make(map[uint64]bool)
	err := scanFile(file, func(e entry) error {
		money, err := e.money()
		if err != nil {
			return err
		}
		if e.Status == succeeded {
			charges[e.Reference]++
		}
		if e.Status == voided && !undecided[e.Number] {
			charges[e.Reference]--
		}
		counts.add(e.Status, undecided[e.Number], charges[e.Reference], money)
		undecided[e.Number] = e.Status == pending
		return nil
	})
	return counts.Summary, err
}

func (e entry) charge() (Charge, error) {
	money, err := e.money()
	return Charge{ID: chargeID(e.Number), Reference: e.Reference, Key: e.Key, Money: money, At: e.At}, err
}

func scanFile(name string, visit func(entry) error) error {
	file, err := os.Open(name) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("open the ledger: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	_, err = scan(file, visit)
	return err
}

// counts keeps a Summary up to date.
type counts struct{ Summary }

func newCounts() counts { return counts{Summary{Sums: make(map[string]int64)}} }

// add counts what became of a send. wasPending tells that it had been counted as
// pending; charges is how often the reference is charged now, with this.
func (c *counts) add(became status, wasPending bool, charges int64, money payment.Money) {
	if wasPending {
		c.Pending--
	}
	switch became {
	case pending:
		c.Pending++
	case declined:
		c.Declined++
	case succeeded:
		c.Charges++
		c.Sums[money.Currency()] += money.Minor()
		switch charges {
		case 1:
			c.References++
		case 2:
			c.Doubled++
		}
	case voided:
		c.Voided++
		if !wasPending {
			c.takeBack(charges, money)
		}
	}
}

// takeBack undoes a charge; charges is how many of the reference are left.
func (c *counts) takeBack(charges int64, money payment.Money) {
	c.Charges--
	c.Sums[money.Currency()] -= money.Minor()
	switch charges {
	case 0:
		c.References--
	case 1:
		c.Doubled--
	}
}
