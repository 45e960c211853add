package processor

import (
	"context"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Source hands out accepted payments, at most limit at once. It may wait a
// bounded while for the first and then answer nothing.
type Source interface {
	Fetch(ctx context.Context, limit int) ([]payment.Delivery, error)
}

// Inbox is the part of the ledger that takes over what the buffer hands out.
type Inbox interface {
	// Claim records the intent to pay each of requests that is new, with a lease, or
	// that it is to be paid later, or never: Works are those to pay now. conflicts are recorded and never paid. CodeInvalid means that one of the
	// rows can never be stored.
	Claim(ctx context.Context, requests, conflicts []payment.Request, lease time.Duration) (payment.Claimed, error)
	// KeepBatches keeps the lists of batches; one that is there stays as it is.
	// CodeInvalid means that one of them can never be stored.
	KeepBatches(ctx context.Context, batches []payment.Batch) error
	// Bury keeps unreadable messages for a human.
	Bury(ctx context.Context, letters []payment.DeadLetter) error
}

// Ledger is the authority on who owns an order number. Every method may be
// repeated after an error, whether it took effect or not.
type Ledger interface {
	Inbox
	// Lease takes over payments that are due: a retry or a scheduled one (now Paying,
	// the attempt recorded), a look-up, or a payment whose worker's lease ran out (now Unknown).
	Lease(ctx context.Context, limit int, lease time.Duration) ([]payment.Work, error)
	// Settle writes the outcomes whose fence still holds and counts them.
	Settle(ctx context.Context, outcomes []payment.Outcome) (int, error)
}

// Payer moves the money. A call that failed is an answer too.
type Payer interface {
	// Charge makes exactly one attempt, with the payment's id as the idempotency key.
	Charge(ctx context.Context, request payment.Request) payment.Answer
	// Lookup asks what became of a payment, and never charges.
	Lookup(ctx context.Context, id payment.ID, money payment.Money) payment.Answer
	Traits() payment.Traits
}
