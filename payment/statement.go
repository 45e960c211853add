package payment

import (
	"slices"
	"time"
)

// ChargeStatus is what became of a charge, as the payer's statement tells it.
type ChargeStatus string

// The statuses that a statement's line may have. Those that moved no money at all
// are not kept; see ChargeStatus.Charged.
const (
	ChargeSucceeded ChargeStatus = "succeeded" // the money moved
	ChargeRefunded  ChargeStatus = "refunded"  // it moved, and went back
	ChargeVoided    ChargeStatus = "voided"    // it was taken back before it moved
	ChargeDeclined  ChargeStatus = "declined"
	ChargeFailed    ChargeStatus = "failed"
	ChargeCanceled  ChargeStatus = "canceled"
	ChargePending   ChargeStatus = "pending"
)

// ChargeStatuses gives all of them.
func ChargeStatuses() []ChargeStatus {
	return []ChargeStatus{ChargeSucceeded, ChargeRefunded, ChargeVoided, ChargeDeclined, ChargeFailed, ChargeCanceled, ChargePending}
}

// Charged tells that there was a charge, whether it stands or was taken back.
func (s ChargeStatus) Charged() bool {
	return slices.Contains([]ChargeStatus{ChargeSucceeded, ChargeRefunded, ChargeVoided}, s)
}

// StatementLine is one charge as a statement of the payer tells it.
type StatementLine struct {
	ChargeID    string // the payer's
	Reference   string // what it was asked with: a payment's id, if it is one of ours
	Status      ChargeStatus
	AmountMinor int64  // at least 0
	Currency    string // three letters
	ChargedAt   time.Time
	Number      int64 // of the line in its file; 1 is the first
}

// StatedCharge is a line that is kept and not judged yet, beside what we know of
// the payment that it names.
type StatedCharge struct {
	StatementLine
	Statement string // the latest that told of it
	Revision  int64  // how often statements told of it: a verdict is about this one

	Ours    bool // the reference is a payment of ours; else the rest is empty
	State   State
	Version int64
	Money   Money  // zero if the payment is bare
	Failure string // its code
	// Standing counts the charges that stand under all payments of the order, and
	// Earlier those of them before this one.
	Standing, Earlier int
}

// DiscrepancyKind is in what a statement and our rows differ. The names are labels
// of a metric and never change.
type DiscrepancyKind string

// The kinds.
const (
	// DiscrepancyDoubled is a charge of an order that has another one.
	DiscrepancyDoubled DiscrepancyKind = "doubled"
	// DiscrepancyWrongAmount is a charge of another amount or currency than asked for.
	DiscrepancyWrongAmount DiscrepancyKind = "wrong_amount"
	// DiscrepancyForeign is a charge whose reference is no payment of ours.
	DiscrepancyForeign DiscrepancyKind = "foreign"
	// DiscrepancyNotSucceeded is a charge of a payment that is not succeeded and that
	// the statement cannot settle.
	DiscrepancyNotSucceeded DiscrepancyKind = "charged_but_not_succeeded"
	// DiscrepancyMissing is a payment that succeeded without a charge in a statement
	// of its time.
	DiscrepancyMissing DiscrepancyKind = "missing"
)

// DiscrepancyKinds gives all kinds, the worst first.
func DiscrepancyKinds() []DiscrepancyKind {
	return []DiscrepancyKind{
		DiscrepancyDoubled, DiscrepancyNotSucceeded, DiscrepancyWrongAmount, DiscrepancyMissing, DiscrepancyForeign,
	}
}

// Finding is one thing that a judgement found. Detail is for operators.
type Finding struct {
	Kind   DiscrepancyKind
	Detail string
}

// ChargeJudgement is what follows from a StatedCharge. It is written only if the
// line still has its revision and, if the payment moves, the payment its version.
type ChargeJudgement struct {
	StatedCharge
	Findings []Finding
	To       State // Succeeded or Parked; "" if the payment stays as it is
	Reason   Failure
	Open     bool // the line is to be judged again: a worker is calling the payer
}

// Period is a span of time, From included, Until not.
type Period struct {
	From, Until time.Time
}

// StatementRun is a statement on its way through a reconciliation.
type StatementRun struct {
	Name   string // shown as evidence
	Digest string // of its content, or "" if it is named by its period
	Owner  string // whoever works on it

	// What came of it, once it has ended.
	Period  Period // zero if nothing was read
	Lines   int64
	Failure string // why it could not be read; "" if it was
}

// StatementClaim is the answer to whoever wants to work on a statement.
type StatementClaim int

// The answers. In doubt somebody else works on it, and it is asked again.
const (
	StatementHeld StatementClaim = iota // somebody else works on it
	StatementOurs
	StatementDone
)

// MissingCursor is how far the search for missing charges has come.
type MissingCursor struct {
	UpdatedAt time.Time
	ID        ID
}

// Discrepancy is a difference that an operator has to look into. It is open until
// ResolvedAt.
type Discrepancy struct {
	ID        int64
	Kind      DiscrepancyKind
	Reference string // the payment's id, unless Kind is DiscrepancyForeign
	ChargeID  string // "" if Kind is DiscrepancyMissing
	Detail    string
	Statement string // that showed it last
	FirstAt   time.Time

	ResolvedAt time.Time
	ResolvedBy string
	Reason     string
}
