package payment

import "time"

// Attempt is one call of the payer, as it is kept for operators.
type Attempt struct {
	PaymentID ID
	Version   int64  // of the payment while the call was made
	Kind      string // "charge", "lookup" or "statement"
	Number    int    // counts the charges, or the look-ups since the last charge
	StartedAt time.Time
	EndedAt   time.Time // zero while it runs
	Verdict   string    // a Verdict's name; "" without an end

	PayerReference string
	Evidence       Evidence
}

// Release is what an operator has decided about a parked payment.
type Release struct {
	ID ID
	// Version is that of the payment that was looked at: another operator's
	// decision is never overwritten.
	Version int64
	// To is Retrying (certainly not charged: send it again), Unknown (ask the payer
	// again), or the end that was found out: Succeeded, Failed or Canceled.
	To             State
	PayerReference string // of the charge, if To is Succeeded
	Operator       string // who decided
	Reason         string // why, for whoever looks later

	At time.Time // when it was decided; set by the ledger
}
