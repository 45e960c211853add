package payment

import "slices"

// Failure is why a payment failed or was parked. Both are safe to show to the
// tenant. Code is the payer's decline code or one of ours.
type Failure struct {
	Code    string
	Message string
}

// The codes that are ours. No payer's word is ever one of them: see IsOwnFailure.
const (
	// FailurePredecessor: it was never sent, because an earlier payment of its order
	// is not known to be uncharged.
	FailurePredecessor = "predecessor_not_failed"
	// FailureVoided: the payer's answer was lost, and the charge was taken back.
	FailureVoided = "voided"
	// FailureReleased: an operator found out that it was not charged.
	FailureReleased = "released_as_failed"
	// FailureAmbiguous: it was parked, since the payer's answer was lost.
	FailureAmbiguous = "outcome_unknown"
	// FailureExhausted: it was parked, since the payer took no order in time.
	FailureExhausted = "retries_exhausted"
	// FailureStatementDisagrees: it was parked, since the payer's statement shows a
	// charge that the payer had denied.
	FailureStatementDisagrees = "statement_disagrees"
)

// IsOwnFailure tells that a code is one of ours. What a payer calls so must not be
// taken for our own finding: some of them are read as evidence.
func IsOwnFailure(code string) bool {
	return slices.Contains([]string{
		FailurePredecessor, FailureVoided, FailureReleased, FailureAmbiguous, FailureExhausted,
		FailureStatementDisagrees,
	}, code)
}
