package reconcile

import (
	"fmt"

	"github.com/paybuf/paybuf/payment"
)

// judge says what follows from a charge. It has no effects.
//
// What was taken back is no charge that stands: nothing follows. Findings are for
// people. The two steps that a statement takes by itself are to succeeded, if
// nobody knows the outcome and the statement proves it, and to parked, if the
// payer said "not charged" and would be sent the payment again.
func judge(c payment.StatedCharge) payment.ChargeJudgement {
	j := payment.ChargeJudgement{StatedCharge: c}
	if c.Status != payment.ChargeSucceeded {
		return j
	}
	if !c.Ours {
		find(&j, payment.DiscrepancyForeign, "%d %s charged for no payment of ours", c.AmountMinor, c.Currency)
		return j
	}
	if c.Earlier > 0 {
		find(&j, payment.DiscrepancyDoubled, "%d %s is charge %d of %d of its order",
			c.AmountMinor, c.Currency, c.Earlier+1, c.Standing)
	}
	if differs(c) {
		find(&j, payment.DiscrepancyWrongAmount, "%d %s charged, %d %s asked for",
			c.AmountMinor, c.Currency, c.Money.Minor(), c.Money.Currency())
	}
	byState(&j)
	return j
}

// byState decides about a charge that stands.
func byState(j *payment.ChargeJudgement) {
	switch j.State {
	case payment.Succeeded:
	case payment.Paying:
		j.Open = true // its worker is about to tell
	case payment.Parked:
		if j.Failure == payment.FailureStatementDisagrees {
			notSucceeded(j) // a person decides whom to believe
			return
		}
		settle(j)
	case payment.Unknown, payment.Pending:
		settle(j)
	case payment.Retrying:
		notSucceeded(j)
		j.To = payment.Parked
		j.Reason = payment.Failure{
			Code:    payment.FailureStatementDisagrees,
			Message: "the payer said that it had not charged, and its statement shows a charge; a person must find out",
		}
	case payment.Failed, payment.Canceled, payment.Scheduled, payment.Queued:
		notSucceeded(j)
	}
}

// settle believes the statement if it shows one charge of the order, and that of
// the amount asked for.
func settle(j *payment.ChargeJudgement) {
	if j.Standing == 1 && !differs(j.StatedCharge) {
		j.To = payment.Succeeded
	}
}

func notSucceeded(j *payment.ChargeJudgement) {
	find(j, payment.DiscrepancyNotSucceeded, "%d %s charged, the payment is %s", j.AmountMinor, j.Currency, j.State)
}

func differs(c payment.StatedCharge) bool {
	asked := !c.Money.IsZero() // a bare payment never had an amount
	return asked && (c.Money.Minor() != c.AmountMinor || c.Money.Currency() != c.Currency)
}

// find adds what was found. Amounts are in minor units.
func find(j *payment.ChargeJudgement, kind payment.DiscrepancyKind, format string, args ...any) {
	j.Findings = append(j.Findings, payment.Finding{Kind: kind, Detail: fmt.Sprintf(format, args...)})
}
