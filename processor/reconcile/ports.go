package reconcile

import (
	"context"
	"io"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Lines are the charges that statements told of.
type Lines interface {
	// KeepLines keeps lines of a statement, to be judged (again).
	KeepLines(ctx context.Context, statement string, lines []payment.StatementLine) error
	// UnjudgedCharges gives those to be judged, in the order of their ids, after one.
	UnjudgedCharges(ctx context.Context, after string, limit int) ([]payment.StatedCharge, error)
	// JudgeCharges writes judgements. Those about a payment that has moved on since
	// it was read are late, and nothing of theirs is written.
	JudgeCharges(ctx context.Context, judgements []payment.ChargeJudgement) (late []payment.ChargeJudgement, err error)
}

// Findings are the discrepancies.
type Findings interface {
	// RecordMissing looks through a page of payments that succeeded within the run's
	// period minus the margin, and records those that no statement shows.
	RecordMissing(ctx context.Context, run payment.StatementRun, margin time.Duration, after payment.MissingCursor,
		limit int) (next payment.MissingCursor, more bool, err error)
	// CloseSettled closes those of a page that no longer hold.
	CloseSettled(ctx context.Context, after int64, limit int) (next int64, more bool, err error)
	// OpenDiscrepancies counts the open ones of a statement, or with "" all.
	OpenDiscrepancies(ctx context.Context, statement string) (map[payment.DiscrepancyKind]int64, error)
}

// Register knows which statements were read.
type Register interface {
	// ClaimStatement gives a statement to its owner, or extends the owner's lease.
	ClaimStatement(ctx context.Context, run payment.StatementRun, lease time.Duration) (payment.StatementClaim, error)
	// FinishStatement puts on record what came of it.
	FinishStatement(ctx context.Context, run payment.StatementRun) error
	// LastStatement is when one ended well for the last time; zero if none did.
	LastStatement(ctx context.Context) (time.Time, error)
}

// Ledger is where all of it is kept. Every method may be repeated after an error,
// whether it took effect or not.
type Ledger interface {
	Lines
	Findings
	Register
}

// Fetcher asks a payer for its statement of a period, in the default columns.
type Fetcher interface {
	Statement(ctx context.Context, period payment.Period) (io.ReadCloser, error)
}
