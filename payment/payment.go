package payment

import "time"

// Payment is what we do about one request: the request itself and how far it
// has come.
type Payment struct {
	Request

	State   State
	Version int64 // the fence: grows with every write; 0 while queued

	PayerReference string  // the payer's id of the charge, "" before it gave one
	Failure        Failure // why, if State is Failed or Parked
	Attempts       int     // how often the payer was called to charge

	NextAt    time.Time // when the payment must be looked at again; zero if final or parked
	UpdatedAt time.Time

	RetriedBy ID // the payment that tries this one again, "" if none has been claimed
}

// Bare tells that the payment was canceled before its request came: there is no
// amount, and nothing else of a request.
func (p Payment) Bare() bool { return p.Money == (Money{}) }

// Queue gives the payment that a request is before anybody has claimed it.
func Queue(request Request) Payment {
	return Payment{Request: request, State: Queued, UpdatedAt: request.AcceptedAt}
}

// Work is a payment that one worker holds the lease of, with what it must know
// to take the next step. Times are the database's clock.
type Work struct {
	Payment

	// Attempt counts the calls that charge, this one included if State is Paying.
	Attempt int
	// FirstAttemptAt is before the first call, and starts the payer's key window;
	// zero if the payer was never called.
	FirstAttemptAt time.Time
	// LastAttemptAt is when the last call had certainly ended, and starts the
	// payer's visibility delay; while State is Paying, when the call was recorded.
	LastAttemptAt time.Time
	// Lookups counts the look-ups since the last call that charges.
	Lookups int
	// LeasedAt is when the lease began.
	LeasedAt time.Time
}

// Outcome is what a worker found out about the Work it holds. It is written only
// if the row still has Version, the fence.
type Outcome struct {
	ID      ID
	Tenant  TenantID // for whoever is told of the change
	Version int64    // of the Work this is about
	From    State    // of the Work
	To      State    // may equal From: nothing new, ask again after NextIn

	NextIn time.Duration // from the write, by the database's clock; ignored if To is final or Parked
	Answer Answer        // what the payer said
	Failure
}
